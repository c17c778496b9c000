"""From a source to a dataset: the stratified split, and the scaling by its training part."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from smartmixed_search.datasets.dataset import SPLITS, Dataset, checksum
from smartmixed_search.datasets.prepared import AnyPreparation
from smartmixed_search.errors import DatasetError

SPLIT_SEED = 42
TEST_SHARE = 0.2
VALIDATION_SHARE = 0.1

Indices = NDArray[np.intp]


class Splittable(Protocol):
    """What may be split: see `source.Source` and `tables.source.TableSource`."""

    @property
    def name(self) -> str:
        """Of the dataset."""

    @property
    def y(self) -> NDArray[Any]:
        """Labels 0 … C-1, [N]."""

    @property
    def classes(self) -> int:
        """C: number of classes."""

    @property
    def x_test(self) -> Any:
        """Official test examples; None: there are none."""

    @property
    def y_test(self) -> NDArray[Any] | None:
        """Their labels."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was understood that a user should see."""

    def take(self, indices: Indices) -> Any:
        """Return examples by their places."""

    def prepare(self, parts: Sequence[Any]) -> tuple[list[NDArray[np.float32]], AnyPreparation]:
        """Return parts, the first of which is trained on, as networks take them, and how they are made."""


def split(source: Splittable) -> Dataset:
    """Split off test examples, unless the source brings its own, then validation examples; scale all three parts.

    Raises:
        DatasetError: a class has too few examples, or scaled features leave the range of float32.

    """
    rest: Indices = np.arange(len(source.y))
    x_test, y_test = source.x_test, source.y_test
    if x_test is None or y_test is None:
        rest, held_out = _hold_out(source, rest, TEST_SHARE)
        x_test, y_test = source.take(held_out), source.y[held_out]
    train, val = _hold_out(source, rest, VALIDATION_SHARE)
    prepared, preparation = source.prepare([source.take(train), source.take(val), x_test])
    labels = (source.y[train], source.y[val], y_test)
    arrays = {f"x_{name}": x for name, x in zip(SPLITS, prepared, strict=True)}
    arrays |= {f"y_{name}": y.astype(np.int64) for name, y in zip(SPLITS, labels, strict=True)}
    return Dataset.from_arrays(source.name, checksum(arrays), source.classes, arrays, preparation, source.notes)


def _hold_out(source: Splittable, indices: Indices, share: float) -> tuple[Indices, Indices]:
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
