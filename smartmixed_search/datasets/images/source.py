"""Pictures as a source: each has a class, and may be of a part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartmixed_search.datasets.images.arrays import LARGEST
from smartmixed_search.datasets.images.decoding import decode
from smartmixed_search.datasets.images.files import Pictures, find_pictures
from smartmixed_search.datasets.images.reading import Reading
from smartmixed_search.datasets.preparation import Preparation
from smartmixed_search.datasets.targets import REGRESSION
from smartmixed_search.errors import DatasetError
from smartmixed_search.errors.messages import counted


@dataclass(frozen=True, kw_only=True)
class ImageSource:
    """Pictures that are read when it is known which part they are of, so that none is copied."""

    name: str
    pictures: Pictures
    reading: Reading
    input_shape: tuple[int, ...] = ()
    x_test: None = None
    y_test: None = None
    _read: list[NDArray[np.uint8]] = field(default_factory=list, init=False)
    """All pictures [N, channels, height, width], once they were read."""

    @property
    def y(self) -> NDArray[np.int64]:
        """The class of every picture, [N]."""
        return np.array(self.pictures.labels)

    @property
    def classes(self) -> int:
        """C: number of classes."""
        return len(self.pictures.classes)

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the classes are called."""
        return self.pictures.classes

    @property
    def notes(self) -> tuple[str, ...]:
        """What was understood, a line each."""
        found = self.pictures
        what = f"{self.name}: {counted(len(found.names), 'image')} in {self.classes} classes"
        return (", ".join((what, *found.remarks)),)

    @property
    def given(self) -> NDArray[Any] | None:
        """The part of every picture, if the folders say it, [N]."""
        return None if self.pictures.parts is None else np.array(self.pictures.parts)

    def column(self, name: str, *, numeric: bool = False) -> NDArray[Any]:
        """Refuse: pictures have no columns with names."""
        raise DatasetError(f"split and weight must name a column of a table, but {self.name!r} has none to be {name!r}")

    def take(self, indices: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the places: pictures are read in `prepare`."""
        return indices

    def prepare(
        self, parts: Sequence[NDArray[np.intp]], *, last: bool = False
    ) -> tuple[list[NDArray[np.uint8]], Preparation]:
        """Return the bytes of parts, and how they were read; where they are asked for again, they are kept."""
        names, path = self.pictures.names, self.pictures.path
        if last and not self._read:
            arrays = decode(path, [[names[place] for place in part] for part in parts], self.reading)
        else:
            if not self._read:
                self._read.extend(decode(path, [names], self.reading))
            arrays = [self._read[0][part] for part in parts]
        shape = arrays[0].shape[1:]
        return arrays, Preparation(shape=shape, divisor=LARGEST, classes=self.class_names, reading=self.reading)


def read_images(path: Path, name: str, image: Mapping[str, Any] | None = None, task: str | None = None) -> ImageSource:
    """Find the pictures of a folder or zip.

    Args:
        path: of a folder for each class, or of a zip of such folders.
        name: of the dataset.
        image: what pictures are made: `size`, `channels` and `range`, see `reading.Reading`.
        task: what is learned, if it is said.

    Raises:
        DatasetError: there are no pictures, or not of two classes, or the task is another.
    """
    if task == REGRESSION:
        raise DatasetError(f"images in a folder for each class are classified, but task of {name!r} is {task!r}")
    pictures = find_pictures(path.expanduser())
    return ImageSource(name=name, pictures=pictures, reading=Reading.of(image or {}))
