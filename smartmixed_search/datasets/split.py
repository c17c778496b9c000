"""From a source to a dataset: the stratified split, and the scaling by its training part."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartmixed_search.datasets.dataset import SPLITS, Dataset, checksum
from smartmixed_search.datasets.preparation import Preparation
from smartmixed_search.datasets.source import Source
from smartmixed_search.errors import DatasetError

SPLIT_SEED = 42
TEST_SHARE = 0.2
VALIDATION_SHARE = 0.1

Indices = NDArray[np.intp]


def split(source: Source) -> Dataset:
    """Split off test examples, unless the source brings its own, then validation examples; scale all three parts.

    Raises:
        DatasetError: a class has too few examples, or scaled features leave the range of float32.

    """
    rest: Indices = np.arange(len(source.y))
    x_test, y_test = source.x_test, source.y_test
    if x_test is None or y_test is None:
        rest, held_out = _hold_out(source, rest, TEST_SHARE)
        x_test, y_test = source.x[held_out], source.y[held_out]
    train, val = _hold_out(source, rest, VALIDATION_SHARE)
    parts = (source.x[train], source.x[val], x_test)
    scaled, preparation = _standardise(source, parts) if source.largest is None else _divide(source, parts)
    labels = (source.y[train], source.y[val], y_test)
    arrays = {f"x_{name}": x for name, x in zip(SPLITS, scaled, strict=True)}
    arrays |= {f"y_{name}": y.astype(np.int64) for name, y in zip(SPLITS, labels, strict=True)}
    return Dataset.from_arrays(source.name, checksum(arrays), source.classes, arrays, preparation)


def _hold_out(source: Source, indices: Indices, share: float) -> tuple[Indices, Indices]:
    """Divide indices of examples, stratified by label, into the rest and the held-out share."""
    from sklearn.model_selection import train_test_split

    y = source.y[indices]
    try:
        rest, held_out = train_test_split(indices, test_size=share, random_state=SPLIT_SEED, stratify=y)
    except ValueError as error:
        needed = 2 if source.x_test is not None else 3
        counts = np.bincount(source.y)
        if counts.min() < needed:
            raise DatasetError(
                f"{source.name!r} must hold at least {needed} examples of every class, for its parts, but class "
                f"{counts.argmin()} has {counts.min()}; leave that class out, or give it more"
            ) from error
        rarest = np.unique(y, return_counts=True)[1].min()
        raise DatasetError(
            f"{source.name!r} must hold enough examples of every class to split off {share:.0%}, "
            f"but got {len(y)} examples of {source.classes} classes, {rarest} of the rarest"
        ) from error
    return rest, held_out


Prepared = tuple[list[NDArray[np.float32]], Preparation]


def _divide(source: Source, parts: tuple[NDArray[Any], ...]) -> Prepared:
    scaled = [np.divide(x, np.float32(source.largest), dtype=np.float32) for x in parts]
    return scaled, Preparation(shape=_shape(source), divisor=source.largest)


def _shape(source: Source) -> tuple[int, ...]:
    return source.x.shape[1:] if source.shape is None else source.shape


def _standardise(source: Source, parts: tuple[NDArray[Any], ...]) -> Prepared:
    """Subtract the first part's mean and divide by its standard deviation, by feature and in float64."""
    train = parts[0]
    mean = train.mean(axis=0, dtype=np.float64)
    deviation = train.std(axis=0, dtype=np.float64)
    # A constant feature's deviation is the rounding error of its mean: dividing by it would magnify noise.
    deviation[deviation <= len(train) * np.finfo(np.float64).eps * np.abs(mean)] = 1.0
    scaled = []
    for x in parts:
        centred = np.subtract(x, mean, dtype=np.float64)
        with np.errstate(over="ignore"):
            scaled.append(np.divide(centred, deviation, out=centred).astype(np.float32))
        if not np.isfinite(scaled[-1]).all():
            raise DatasetError(
                f"features of {source.name!r} must stay finite when standardised by the training examples, "
                f"but one lies {np.abs(centred).max():.1e} standard deviations away"
            )
    return scaled, Preparation(shape=_shape(source), mean=tuple(mean.tolist()), deviation=tuple(deviation.tolist()))
