"""A trial on several splits of small data."""

import dataclasses
from functools import cache

import numpy as np

from smartmixed_search.datasets import Dataset
from smartmixed_search.datasets.parts import Splitting
from smartmixed_search.datasets.source import Source
from smartmixed_search.datasets.split import split
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.trials.result import TrialResult
from tests.helpers.training import BASE

FOLDED = dataclasses.replace(BASE, folds=2, repeats=2, strategies=("smartmixed", "relu", "tanh"))
"""Four splits, two seeds on each."""


@cache
def data(folds: int | None = 2, repeats: int = 2) -> Dataset:
    rng = np.random.default_rng(0)
    y = np.arange(61) % 3
    x = rng.normal(size=(61, 6)) + rng.normal(size=(3, 6))[y]
    return split(Source(name="toy", x=x, y=y), Splitting(folds=folds, repeats=repeats))


@cache
def whole() -> TrialResult:
    return run_trial(FOLDED, data(), handoff_epochs=range(1, FOLDED.epochs))
