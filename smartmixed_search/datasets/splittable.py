"""What may be split into parts, whatever its examples are."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from smartmixed_search.datasets.prepared import AnyPreparation

Indices = NDArray[np.intp]


class Splittable(Protocol):
    """What may be split: see `source.Source` and `tables.source.TableSource`."""

    @property
    def name(self) -> str:
        """Of the dataset."""

    @property
    def y(self) -> NDArray[Any]:
        """Labels 0 … C-1, of an integer type, [N]; or numbers to predict, [N] or [N, C]."""

    @property
    def classes(self) -> int:
        """C: number of classes; 0 where numbers are to be predicted."""

    @property
    def class_names(self) -> Sequence[str]:
        """What the classes are called."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one example as a network takes it; empty: as it is stored."""

    @property
    def x_test(self) -> Any:
        """Official test examples; None: there are none."""

    @property
    def y_test(self) -> NDArray[Any] | None:
        """Their labels."""

    @property
    def given(self) -> NDArray[Any] | None:
        """The part of every example, `train`, `val` or `test`, if the source says it unasked, [N]."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was understood that a user should see."""

    def column(self, name: str, *, numeric: bool = False) -> NDArray[Any]:
        """Return what a column says of every example, text or, such as times, numbers.

        Raises:
            DatasetError: there is no such column, or it says nothing of some examples.
        """

    def take(self, indices: Indices) -> Any:
        """Return examples by their places."""

    def prepare(self, parts: Sequence[Any], *, last: bool = False) -> tuple[Sequence[NDArray[Any]], AnyPreparation]:
        """Return parts, the first of which is trained on, as networks take them, and how they are made.

        Args:
            parts: what `take` returned.
            last: whether the source is not asked for anything again, so that it may release what it holds.
        """


def classes_of(source: Splittable) -> NDArray[Any] | None:
    """Return the class of every example; None where numbers are to be predicted."""
    return source.y if source.y.dtype.kind in "iu" else None
