"""Examples as a source stores them, before they are split and scaled."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from smartmixed_search.datasets.images.arrays import LARGEST, taken
from smartmixed_search.datasets.preparation import Preparation
from smartmixed_search.datasets.scaling import divide, standardise
from smartmixed_search.datasets.targets import REGRESSION, as_classes, as_numbers
from smartmixed_search.errors import DatasetError
from smartmixed_search.system.machine import machine_memory

IMAGE_WORK_BYTES = 1
"""Of memory for every byte of images: their copy that all workers share."""
_WORK_BYTES = 24
"""Of memory for every value while examples are split and scaled: two copies in float64, two in float32."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Stored examples and their labels, or the numbers to predict for them.

    Raises:
        DatasetError: labels are not the integers 0 … C-1, a class is missing from the training examples, or a number
            to predict is always the same.

    """

    name: str
    x: NDArray[Any]
    """Examples to train and validate with; also to test with, unless `x_test` is given.

    **Shape** [N, D]; of images stored as bytes [N, channels, height, width], in memory as `layout` says.
    """
    y: NDArray[Any]
    """Their labels, of an integer type, [N]; or numbers to predict, float64, [N, C]."""
    x_test: NDArray[Any] | None = None
    y_test: NDArray[Any] | None = None
    largest: float | None = None
    """Value that is scaled to 1, as of pixels; None: features are standardised."""
    pixels: tuple[int, int] | None = None
    """Rows and columns of grey images that are stored as one row of numbers."""
    shape: tuple[int, ...] | None = None
    """Of an example before it was flattened; None: it was not."""
    layout: str | None = None
    """Of images stored as bytes, see `images.arrays`; None: examples are rows of numbers."""
    names: tuple[str, ...] | None = None
    """Of the classes; None: their numbers."""
    given: NDArray[Any] | None = None
    """The part of every example, `train` or `val`, if the file says it. **Shape** [N]."""
    notes: tuple[str, ...] = ()
    """What was understood of it that a user should see, a line each."""

    def __post_init__(self) -> None:
        if not self.classes:
            self._check_numbers()
        else:
            self._check_labels()

    def _check_numbers(self) -> None:
        if (self.y == self.y[0]).all(axis=0).any():
            raise DatasetError(f"targets of {self.name!r} must differ between examples, but one is always the same")

    def _check_labels(self) -> None:
        present = np.unique(self.y)
        if present[0] < 0:
            raise DatasetError(
                f"labels of {self.name!r} must be integers 0 … C-1, but got {present[0]}{_renumbered(present)}"
            )
        if len(present) < 2:
            raise DatasetError(f"labels of {self.name!r} must name at least two classes, but got only {present[0]}")
        absent = np.flatnonzero(present != np.arange(len(present)))
        if absent.size:
            raise DatasetError(
                f"training must hold every class 0 … {present[-1]} of {self.name!r}, but {absent[0]} is missing"
                f"{_renumbered(present)}"
            )
        if self.y_test is not None:
            strange = self.y_test[(self.y_test < 0) | (self.y_test > present[-1])]
            if strange.size:
                raise DatasetError(
                    f"test labels of {self.name!r} must be classes of its training, 0 … {present[-1]}, "
                    f"but got {strange[0]}"
                )

    @property
    def classes(self) -> int:
        """C: number of classes; 0: `y` are numbers to predict."""
        return 0 if self.y.dtype.kind == "f" else int(self.y.max()) + 1

    def learned_as(self, task: str | None) -> Self:
        """Return the same examples with targets of a task; None: as they are.

        Raises:
            DatasetError: the targets cannot be classes.
        """
        if task is None or (task == REGRESSION) == (not self.classes):
            return self
        y, test = self.y, self.y_test
        if task == REGRESSION:
            return replace(self, y=as_numbers(y), y_test=None if test is None else as_numbers(test))
        labels = as_classes(y, self.name)
        return replace(self, y=labels, y_test=None if test is None else as_classes(test, self.name))

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the classes are called."""
        return tuple(map(str, range(self.classes))) if self.names is None else self.names

    def column(self, name: str, *, numeric: bool = False) -> NDArray[Any]:
        """Refuse: stored arrays have no columns with names."""
        raise DatasetError(f"split and weight must name a column of a table, but {self.name!r} has none to be {name!r}")

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of an image, stored as a row of pixels: channels, height, width."""
        if self.pixels is not None:
            return (1, *self.pixels)
        return (1, *self.shape) if self.largest is not None and self.shape is not None else ()

    def take(self, indices: NDArray[np.intp]) -> NDArray[Any]:
        """Return examples by their places."""
        return taken(self.x, indices)

    def prepare(
        self, parts: Sequence[NDArray[Any]], *, last: bool = False
    ) -> tuple[Sequence[NDArray[Any]], Preparation]:
        """Return parts, the first of which is trained on, as networks take them, and how they are made.

        Raises:
            DatasetError: scaled features leave the range of float32.
        """
        shape = self.x.shape[1:] if self.shape is None else self.shape
        if self.layout is not None:
            made = Preparation(shape=shape, divisor=LARGEST, classes=self.names, layout=self.layout)
            return [np.ascontiguousarray(part) for part in parts], made
        if self.largest is not None:
            return divide(parts, self.largest), Preparation(shape=shape, divisor=self.largest, classes=self.names)
        scaled, mean, deviation = standardise(parts, self.name)
        mean_of, deviation_of = tuple(mean.tolist()), tuple(deviation.tolist())
        return scaled, Preparation(shape=shape, mean=mean_of, deviation=deviation_of, classes=self.names)


def _renumbered(labels: NDArray[Any]) -> str:
    """Return how labels, sorted and distinct, become 0 … C-1."""
    if labels.tolist() == [-1, 1]:
        return "; y = (y == 1).astype(int) makes them so, in y_test too"
    if labels[0] > 0 and len(labels) == labels[-1] - labels[0] + 1:
        return f"; y = y - {labels[0]} makes them so, in y_test too"
    return (
        "; classes, y = numpy.unique(y, return_inverse=True) makes them so, then y_test = classes.searchsorted(y_test)"
        "; or task: regression takes them as numbers"
    )


def check_size(what: str, values: int, value_bytes: int, work_bytes: int = _WORK_BYTES) -> None:
    """Make sure, before an array of examples is read, that this machine can hold and prepare it.

    Args:
        what: it is, in messages.
        values: how many it has.
        value_bytes: of one, as it is read.
        work_bytes: for one, while examples are split and scaled.

    Raises:
        DatasetError: it cannot.

    """
    needed, memory = values * (value_bytes + work_bytes), machine_memory()
    if needed > memory:
        raise DatasetError(
            f"a dataset must fit into this machine's memory, {memory / 2**30:.1f} GiB, "
            f"but {what} takes {needed / 2**30:.1f} GiB to prepare; keep fewer examples or features, or smaller images"
        )
