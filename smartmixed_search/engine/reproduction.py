"""Reproduction: a recorded trial trained once more, and its figures compared network by network."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from smartmixed_search.datasets import Dataset
from smartmixed_search.engine.epochs import Report
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.errors import ConfigError, DatasetError
from smartmixed_search.system.determinism import deterministic
from smartmixed_search.tasks.metric import SHARE, Metric
from smartmixed_search.trials.config import SMARTMIXED, TrialConfig
from smartmixed_search.trials.recorded import RecordedTrial, compared
from smartmixed_search.trials.records import NetworkResult
from smartmixed_search.trials.result import TrialResult

TOLERANCE = 0.01
"""What the ranking metric may differ by on the test examples where processor, build or thread count do: training
amplifies rounding. It is a difference of shares; of all else, a share of what was recorded."""

DECIDING = ("device", "device_name", "cpu_capability", "threads", "deterministic", "parts", "torch", "numpy")
"""Of a trial's environment: where all of it agrees, figures are the same to the last bit, on a CPU, and on a GPU if it
was told to be deterministic."""

_NETWORK = ["strategy", "replicate"]


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """How a recorded trial came out when it was trained again: what `reproduce` returns."""

    networks: pd.DataFrame
    """One row per network that was recorded or trained: `strategy`, `replicate`, what is `compared` as
    recorded, the same as `…_now`, and whether it is `identical`."""
    metric: Metric
    differences: Mapping[str, tuple[str, str]]
    """What of the environment differs: as recorded, and now; what was not recorded may."""

    @property
    def identical(self) -> bool:
        """Whether every figure of every network is the same."""
        return bool(self.networks["identical"].all())

    @property
    def largest_difference(self) -> float:
        """Largest difference of the metric on the test examples; infinite where one of the two values is missing."""
        recorded, now = self.networks[self.metric.test], self.networks[f"{self.metric.test}_now"]
        difference = (recorded - now).abs()
        if self.metric.unit != SHARE:
            difference /= recorded.abs()
        undefined = recorded.isna() & now.isna()
        return float(difference.where(~undefined, 0.0).fillna(np.inf).max())

    @property
    def agrees(self) -> bool:
        """Whether all is identical, or, where the environment differs, the metric is within `TOLERANCE`."""
        return self.identical or bool(self.differences and self.largest_difference <= TOLERANCE)


def reproduce_trial(recorded: RecordedTrial, dataset: Dataset, report: Report | None = None) -> Reproduction:
    """Train a recorded trial again, in the stack and with the threads that it was trained with, and compare.

    Members that it took over from another trial were trained in that one's stack, and are left out.

    Args:
        recorded: the trial.
        dataset: its data.
        report: called after every epoch.

    Raises:
        DatasetError: the data are not those it was trained on.
    """
    checksum = recorded.environment.get("dataset_checksum", dataset.checksum)
    if dataset.checksum != checksum:
        raise DatasetError(
            f"a trial must be reproduced on the data it was trained on, {recorded.config.dataset} ({checksum}), "
            f"but got {dataset.name} ({dataset.checksum})"
        )
    on_gpu = recorded.environment.get("device") == "cuda" and torch.cuda.is_available()
    threads = int(recorded.environment.get("threads", torch.get_num_threads()))
    with _threads(threads), deterministic(recorded.environment.get("deterministic") == "true"):
        config = without_members(recorded.config, recorded.reused)
        result = run_trial(config, dataset, "cuda" if on_gpu else "cpu", report)
    return compare_trials(recorded, result)


def without_members(config: TrialConfig, members: Collection[str]) -> TrialConfig:
    """Return the configuration of a trial that trains only the other members.

    Raises:
        ConfigError: `smartmixed` is among the members.
    """
    if SMARTMIXED in members:
        raise ConfigError(f"{SMARTMIXED} must be trained by its own trial, but it was taken over")
    strategies = tuple(name for name in config.strategies if name not in members)
    controls = tuple(name for name in config.controls if name not in members)
    # A margin needs a rival; which objective is computed changes nothing in the training.
    objective = config.objective if len(strategies) > 1 else "metric"
    return replace(config, strategies=strategies, controls=controls, objective=objective)


def compare_trials(recorded: RecordedTrial, result: TrialResult) -> Reproduction:
    """Compare what was recorded with what came out now; a network that only one of them has did not come out again."""
    figures = compared(recorded.metric)
    now = pd.DataFrame([figures_of(network, recorded.metric) for network in result.networks])
    before = recorded.figures[[*_NETWORK, *figures]]
    before = before[~before["strategy"].isin(recorded.reused)]
    networks = before.merge(
        now.astype(dict.fromkeys(figures, "float64")), how="outer", on=_NETWORK, suffixes=("", "_now"), indicator=True
    )
    both = networks.pop("_merge") == "both"
    same = [
        networks[name].eq(networks[f"{name}_now"]) | networks[[name, f"{name}_now"]].isna().all(axis=1)
        for name in figures
    ]
    return Reproduction(
        networks=networks.assign(identical=pd.concat([both, *same], axis=1).all(axis=1)),
        differences=_differences(recorded.environment, result.environment),
        metric=recorded.metric,
    )


def figures_of(network: NetworkResult, metric: Metric) -> dict[str, Any]:
    """Return what a network is compared by."""
    figures: dict[str, Any] = {"strategy": network.strategy, "replicate": network.replicate}
    for split, values in (("val", network.val), ("test", network.test)):
        figures |= {f"{split}_loss": values["loss"], f"{split}_{metric.name}": values[metric.name]}
    return figures | {"best_epoch": network.best_epoch}


def _differences(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    if not before:
        return {"environment": ("not recorded", f"{now['device']}, torch {now['torch']}")}
    pairs = {name: (before.get(name, "not recorded"), now[name]) for name in DECIDING}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
