"""Pictures as a source: each has a class, and may be of a part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartmixed_search.datasets.images.decoding import decode
from smartmixed_search.datasets.images.files import Pictures, find_pictures
from smartmixed_search.datasets.images.reading import Reading
from smartmixed_search.datasets.preparation import Preparation
from smartmixed_search.errors import DatasetError
from smartmixed_search.errors.messages import counted

LARGEST = 255.0
"""A byte's greatest value, which is scaled to 1."""
FOLDER = "folder"
"""The column, by which `parts` divides, of pictures whose folders say the parts."""


@dataclass(frozen=True, kw_only=True)
class ImageSource:
    """Pictures that are read when it is known which part they are of, so that none is copied."""

    name: str
    pictures: Pictures
    reading: Reading
    input_shape: tuple[int, ...] = ()
    x_test: None = None
    y_test: None = None

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
        return (", ".join((what, *found.remarks)), f"images are {self.reading}")

    def column(self, name: str, *, numeric: bool = False) -> NDArray[Any]:
        """Return the part of every picture, which is all that is said of them."""
        if name != FOLDER or self.pictures.parts is None:
            raise DatasetError(
                f"split and weight must name a column of a table, but {self.name!r} has none to be {name!r}"
            )
        return np.array(self.pictures.parts)

    def take(self, indices: NDArray[np.intp]) -> list[str]:
        """Return the names of pictures by their places."""
        return [self.pictures.names[index] for index in indices]

    def prepare(self, parts: Sequence[Sequence[str]]) -> tuple[list[NDArray[np.uint8]], Preparation]:
        """Return the bytes of parts, and how they were read."""
        arrays = decode(self.pictures.path, parts, self.reading)
        shape = arrays[0].shape[1:]
        return arrays, Preparation(shape=shape, divisor=LARGEST, classes=self.class_names, reading=self.reading)


def read_images(path: Path, name: str, image: Mapping[str, Any] | None = None) -> tuple[ImageSource, dict[str, str]]:
    """Find the pictures of a folder or zip.

    Args:
        path: of a folder for each class, or of a zip of such folders.
        name: of the dataset.
        image: what pictures are made: `size`, `channels` and `range`, see `reading.Reading`.

    Returns:
        The pictures, and how they are split: see `parts.divide`.

    Raises:
        DatasetError: there are no pictures, or not of two classes.
    """
    pictures = find_pictures(path.expanduser())
    source = ImageSource(name=name, pictures=pictures, reading=Reading.of(image or {}))
    return source, {} if pictures.parts is None else {"column": FOLDER}
