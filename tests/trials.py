"""Trial functions that Ray's workers can import: the signature of `run_trial`, and next to no work."""

import math
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from smartmixed_search.config import TrialConfig
from smartmixed_search.datasets import Dataset
from smartmixed_search.result import TrialResult
from tests.factories import make_result

Report = Callable[[int, dict[str, float]], None]

SPACE = {
    "name": "demo",
    "dataset": "digits",
    "architecture": {"choices": ["8", "16-8", "8-8"]},
    "phase_fraction": {"low": 0.1, "high": 0.9},
    "temperature": {"low": 0.1, "high": 3.0, "log": True},
    "epochs": 10,
    "strategies": ["smartmixed", "relu", "tanh"],
    "trials": 6,
}
"""A space whose trials differ in architecture and in two settings."""


def synthetic_result(config: TrialConfig) -> TrialResult:
    """Return a result whose objective is best at temperature 1 and half the epochs."""
    accuracies = dict.fromkeys(config.members, 0.9)
    result = make_result(architecture=config.architecture, accuracies=accuracies, replicates=config.replicates)
    objective = 1 - abs(math.log(config.temperature)) - abs(config.phase_fraction - 0.5)
    return replace(result, config=config, key=config.key, objective=objective)


def instant(config: TrialConfig, dataset: Dataset, *, device: str, report: Report, weights_path: Path) -> TrialResult:
    """Leave a line on the attempt in the trial's directory."""
    with weights_path.with_name("attempts").open("a") as file:
        file.write(f"{os.getpid()} {torch.get_num_threads()} {device} {dataset.name} {len(dataset.x_train)}\n")
    return synthetic_result(config)


def slow(config: TrialConfig, dataset: Dataset, *, device: str, report: Report, weights_path: Path) -> TrialResult:
    """Take a second."""
    for epoch in range(10):
        time.sleep(0.1)
        report(epoch, {"epoch": epoch, "epochs": 10, "margin": 0.0})
    return instant(config, dataset, device=device, report=report, weights_path=weights_path)


def failing_when_wide(
    config: TrialConfig, dataset: Dataset, *, device: str, report: Report, weights_path: Path
) -> TrialResult:
    """Raise unless the first layer is narrow."""
    result = instant(config, dataset, device=device, report=report, weights_path=weights_path)
    if config.architecture[0] > 8:
        raise ValueError("too wide\nfor this test")
    return result


def dying_once(
    config: TrialConfig, dataset: Dataset, *, device: str, report: Report, weights_path: Path
) -> TrialResult:
    """Lose the worker on the first attempt."""
    first = not weights_path.with_name("attempts").exists()
    result = instant(config, dataset, device=device, report=report, weights_path=weights_path)
    if first:
        os.kill(os.getpid(), signal.SIGKILL)
    return result
