"""Sweeps of which `top` is asked: two on digits, the latest of all among them, and one on wine in between."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from smartmixed_search.tracking.store.store import default_tracking_uri
from smartmixed_search.trials.result import TrialResult
from tests.helpers.factories import Accuracies, make_result
from tests.helpers.tracked import make_tracker

EVERY = ("strategy", "architecture", "trial")
"""What `top` lists."""


def sized(parameters: int, accuracies: Accuracies, **settings: Any) -> TrialResult:
    result = make_result(accuracies=accuracies, **settings)
    return replace(result, networks=[replace(network, parameters=parameters) for network in result.networks])


WIDE = sized(500, {"smartmixed": 0.90, "relu": 0.92, "elu": 0.92}, architecture=(64,), objective=-0.02)
WIDE_TUNED = sized(
    500,
    {"smartmixed": 0.95, "relu": 0.92, "elu": 0.92, "selective": 0.99},
    architecture=(64,),
    objective=0.03,
    phase_fraction=0.5,
    temperature=1.5,
)
DEEP = sized(60, {"smartmixed": 0.80, "relu": 0.70, "elu": 0.80}, architecture=(8, 4), objective=0.01)
DEEPEST = sized(
    80,
    {"smartmixed": 0.60, "relu": 0.70, "elu": 0.65},
    architecture=(8, 4, 2),
    objective=-0.10,
    phase_fraction=0.25,
    temperature=0.6,
)
OLD = sized(100, {"smartmixed": 0.70, "relu": 0.99}, architecture=(16,), objective=-0.3)
WINE = sized(900, {"smartmixed": 0.50, "relu": 0.40}, architecture=(32, 16), objective=0.1, dataset="wine")


def record(uri: str, sweep: str, results: Sequence[TrialResult], dataset: str = "digits") -> None:
    tracker = make_tracker(uri, sweep, dataset)
    for result in results:
        tracker.record_trial(result)


def empty_store(template: Path, folder: Path) -> str:
    shutil.copy(template, folder)
    return default_tracking_uri(folder)


def full_store(template: Path, folder: Path) -> str:
    """Make a store that holds all of these sweeps."""
    uri = empty_store(template, folder)
    record(uri, "old", [OLD])
    record(uri, "wine", [WINE], dataset="wine")
    record(uri, "new", [WIDE, WIDE_TUNED, DEEP, DEEPEST])
    return uri


def rows(table: pd.DataFrame, *columns: str) -> list[list[Any]]:
    """The values of some columns, row by row, with None for what is missing."""
    return [[None if pd.isna(value) else value for value in row] for row in table[list(columns)].values.tolist()]
