"""Trial functions that Ray's workers can import: the signature of `run_trial`, and next to no work."""

import errno
import math
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from smartmixed_search.datasets import Dataset
from smartmixed_search.errors import TrialInterrupted
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.result import TrialResult
from tests.helpers.factories import make_result

Report = Callable[[int, dict[str, float]], None]
Stop = Callable[[], bool]

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


def instant(config: TrialConfig, dataset: Dataset, *, device: str, weights_path: Path, **options: Any) -> TrialResult:
    """Leave a line on the attempt in the trial's directory."""
    with weights_path.with_name("attempts").open("a") as file:
        file.write(f"{os.getpid()} {torch.get_num_threads()} {device} {dataset.name} {len(dataset.x_train)}\n")
    reuse = options["reuse"]
    if reuse is not None:
        weights_path.with_name("reused").write_text(reuse.key)
    return synthetic_result(config)


def slow(config: TrialConfig, dataset: Dataset, *, report: Report, stop: Stop, **options: Any) -> TrialResult:
    """Take a second, unless asked to stop."""
    for epoch in range(10):
        time.sleep(0.1)
        report(epoch, {"epoch": epoch, "epochs": 10, "margin": 0.0})
        if stop():
            raise TrialInterrupted
    return instant(config, dataset, **options)


def deaf(config: TrialConfig, dataset: Dataset, **options: Any) -> TrialResult:
    """Take long, whatever happens."""
    time.sleep(60)
    return instant(config, dataset, **options)


def climbing(config: TrialConfig, dataset: Dataset, *, report: Report, **options: Any) -> TrialResult:
    """Report a margin in every epoch that is the higher the lower the temperature is."""
    for epoch in range(config.epochs):
        report(epoch, {"epoch": epoch, "epochs": config.epochs, "margin": -config.temperature})
    return instant(config, dataset, **options)


def failing_when_wide(config: TrialConfig, dataset: Dataset, **options: Any) -> TrialResult:
    """Raise unless the first layer is narrow."""
    result = instant(config, dataset, **options)
    if config.architecture[0] > 8:
        raise ValueError("too wide\nfor this test")
    return result


def dying_once(config: TrialConfig, dataset: Dataset, *, weights_path: Path, **options: Any) -> TrialResult:
    """Lose the worker on the first attempt."""
    result = instant(config, dataset, weights_path=weights_path, **options)
    if weights_path.with_name("attempts").read_text().count("\n") == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return result


def without_room(config: TrialConfig, dataset: Dataset, **options: Any) -> TrialResult:
    """Find the disk full when the first layer is wide."""
    if config.architecture[0] > 8:
        raise OSError(errno.ENOSPC, "No space left on device")
    return instant(config, dataset, **options)
