"""Which examples train, validate and test: by chance, by group, by time, or as a column says; once, or in folds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from smartmixed_search.datasets.chance import hold_out, in_folds
from smartmixed_search.datasets.grouping import spread
from smartmixed_search.datasets.splittable import Indices, Splittable
from smartmixed_search.errors import DatasetError
from smartmixed_search.errors.messages import one_of

SPLIT_SEED = 42
TEST_SHARE = 0.2
VALIDATION_SHARE = 0.1
MINIMUM_PARTS = 3

GROUP, TIME, COLUMN = "group", "time", "column"
KINDS = (GROUP, TIME, COLUMN)
"""What a column may say: whose example it is, of when, or which part it belongs to."""

PART_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""What a column may call the parts."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Which examples train, validate and test, by their places."""

    train: Indices
    val: Indices
    test: Indices | None
    """None: the source brings its own."""


@dataclass(frozen=True, kw_only=True)
class Splitting:
    """How examples are split, and how often."""

    by: Mapping[str, str] | None = None
    """The column that says it, by one of `KINDS`; None: by chance, stratified where that is possible."""
    folds: int | None = None
    """K folds, each of which tests once; None: a fifth tests."""
    repeats: int = 1
    """How often that is done, each time by other random numbers."""


def divide(source: Splittable, how: Splitting) -> list[Parts]:
    """Divide the examples: once; or for every one of K folds, which test in turn; and all that several times.

    Raises:
        DatasetError: there are too few examples or groups, or the column does not say it of every example.
    """
    found = _divided(source, how)
    if not how.by and source.given is None:
        return found  # in random order already
    rng = np.random.default_rng(SPLIT_SEED)  # of the first training examples a part may be taken: not one class alone
    return [replace(parts, train=rng.permutation(parts.train)) for parts in found]


def _divided(source: Splittable, how: Splitting) -> list[Parts]:
    folds, repeats = how.folds, how.repeats
    kind, name = next(iter((how.by or {}).items()), (None, ""))
    if kind is None and source.given is not None and folds is None and repeats == 1:
        return [_as_given(source, source.given)]
    if folds is None and repeats == 1 and kind in (TIME, COLUMN):
        values = source.column(name, numeric=kind == TIME)
        return [_by_time(source, values) if kind == TIME else _as_given(source, values)]
    tested = source.x_test is not None or source.given is not None
    if (folds is not None or repeats > 1) and (kind in (TIME, COLUMN) or tested):
        why = f"{source.name!r} is split by its column {name!r}" if kind else f"{source.name!r} has a test part"
        raise DatasetError(
            f"folds and repeats must be of data whose test part is drawn, by chance or by group, but {why}; leave them "
            "out: replicates train more networks"
        )
    groups = source.column(name) if kind == GROUP else None
    seeds = range(SPLIT_SEED, SPLIT_SEED + repeats)
    if folds is None:
        return [_once(source, groups, seed) for seed in seeds]
    return [parts for seed in seeds for parts in _folded(source, groups, folds, seed)]


def _once(source: Splittable, groups: NDArray[np.str_] | None, seed: int) -> Parts:
    if groups is not None:
        return _by_group(source, groups, seed)
    rest: Indices = np.arange(len(source.y))
    test = None
    if source.x_test is None:
        rest, test = hold_out(source, rest, TEST_SHARE, seed)
    train, val = hold_out(source, rest, VALIDATION_SHARE, seed)
    return Parts(train=train, val=val, test=test)


def _by_group(source: Splittable, groups: NDArray[np.str_], seed: int) -> Parts:
    everything: Indices = np.arange(len(source.y))
    if source.x_test is not None:
        train, val = spread(source, everything, groups, _shares(0.0), seed)
        return Parts(train=train, val=val, test=None)
    train, val, test = spread(source, everything, groups, _shares(TEST_SHARE), seed)
    return Parts(train=train, val=val, test=test)


def _shares(test: float) -> tuple[float, ...]:
    """Return the shares of examples that train, validate and, if any, test."""
    held_out = (1 - test) * VALIDATION_SHARE
    return (1 - test - held_out, held_out, *([test] if test else []))


def _folded(source: Splittable, groups: NDArray[np.str_] | None, folds: int, seed: int) -> list[Parts]:
    everything: Indices = np.arange(len(source.y))
    if groups is None:
        tests = in_folds(source, folds, seed)
    else:
        tests = spread(source, everything, groups, [1 / folds] * folds, seed)
    parts = []
    for test in tests:
        rest = np.setdiff1d(everything, test)
        if groups is None:
            train, val = hold_out(source, rest, VALIDATION_SHARE, seed)
        else:
            train, val = spread(source, rest, groups, _shares(0.0), seed)
        parts.append(Parts(train=train, val=val, test=test))
    return parts


def _by_time(source: Splittable, times: NDArray[np.float64]) -> Parts:
    """Let the newest fifth test, and the newest tenth of the rest validate; equal times stay together."""
    rest: Indices = np.argsort(times, kind="stable")
    test = None
    if source.x_test is None:
        rest, test = _newest(source, times, rest, TEST_SHARE)
    train, val = _newest(source, times, rest, VALIDATION_SHARE)
    return Parts(train=train, val=val, test=test)


def _newest(source: Splittable, times: NDArray[np.float64], ordered: Indices, share: float) -> tuple[Indices, Indices]:
    """Cut examples, ordered by time, where times differ, as near as possible to the newest share."""
    cuts = np.flatnonzero(np.diff(times[ordered])) + 1
    if not cuts.size:
        raise DatasetError(
            f"a split by time must find three different times, but {source.name!r} has fewer; leave split out, or "
            "choose a finer column"
        )
    cut = cuts[np.abs(cuts - (1 - share) * len(ordered)).argmin()]
    return ordered[:cut], ordered[cut:]


def _as_given(source: Splittable, words: NDArray[np.str_]) -> Parts:
    for word in np.unique(words):
        if str(word).casefold() not in PART_WORDS:
            raise DatasetError(one_of("the part of a row", str(word), ("train", "val", "test")))
    said = np.array([PART_WORDS[str(word).casefold()] for word in words])
    train, val, test = (np.flatnonzero(said == part) for part in ("train", "val", "test"))
    if not train.size or (not test.size and source.x_test is None):
        missing = "train" if not train.size else "test"
        raise DatasetError(f"a column of parts must say train and test, but no row of {source.name!r} is of {missing}")
    if not val.size:
        train, val = hold_out(source, train, VALIDATION_SHARE, SPLIT_SEED)
    return Parts(train=train, val=val, test=None if source.x_test is not None else test)
