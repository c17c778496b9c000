"""All pictures as bytes in memory: read here while that is quick, else by a process on every CPU."""

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smartmixed_search.datasets.images.contents import read_files
from smartmixed_search.datasets.images.reading import Reading, read_picture
from smartmixed_search.errors import DatasetError
from smartmixed_search.system.machine import usable_cpus

_TOGETHER, _TOGETHER_BYTES = 64, 2**22
"""At most so many pictures, or bytes of them, are read at once by a process."""
_ALONE_SECONDS = 1.0
"""After which processes are started: they take about as long to be there."""
_IDLE_SECONDS = 10


def decode(path: Path, parts: Sequence[Sequence[str]], reading: Reading) -> list[NDArray[np.uint8]]:
    """Return the pictures of parts, **shape** [N, channels, height, width] each; a bar shows how far it is.

    Args:
        path: of a folder or zip.
        parts: names of files in it.
        reading: what pictures are made.

    Raises:
        DatasetError: a picture is damaged, or of another size or with other channels than the first.
    """
    from tqdm import tqdm

    from smartmixed_search.datasets.source import IMAGE_WORK_BYTES, check_size  # which take long to import

    names = [name for part in parts for name in part]
    expected = names[0], _read(path, names[:1], reading)[0].shape
    check_size(repr(str(path)), len(names) * math.prod(expected[1]), 1, IMAGE_WORK_BYTES)
    pictures, done = np.empty((len(names), *expected[1]), np.uint8), 0
    with tqdm(total=len(names), desc=f"reading {path.name}", unit=" images", disable=None, leave=False) as bar:
        for batch in _batches(path, names, reading, expected):
            pictures[done : done + len(batch)] = batch
            done += len(batch)
            bar.update(len(batch))
    return np.split(pictures, np.cumsum([len(part) for part in parts])[:-1])


Expected = tuple[str, tuple[int, ...]]
"""The first picture's name and shape."""


def _batches(path: Path, names: list[str], reading: Reading, expected: Expected) -> Iterator[NDArray[np.uint8]]:
    """Yield all pictures in their order, some at a time."""
    together = max(1, min(_TOGETHER, _TOGETHER_BYTES // math.prod(expected[1])))
    batches = [names[start : start + together] for start in range(0, len(names), together)]
    started = time.monotonic()
    for place, batch in enumerate(batches):
        if usable_cpus() > 1 and time.monotonic() - started > _ALONE_SECONDS:
            yield from _in_processes(path, batches[place:], reading, expected)
            return
        yield _alike(path, batch, reading, expected)


def _in_processes(
    path: Path, batches: list[list[str]], reading: Reading, expected: Expected
) -> Iterator[NDArray[np.uint8]]:
    from joblib import Parallel, delayed

    processes = Parallel(n_jobs=usable_cpus(), batch_size=1, return_as="generator", idle_worker_timeout=_IDLE_SECONDS)
    yield from processes(delayed(_alike)(path, batch, reading, expected) for batch in batches)


def _alike(path: Path, names: Sequence[str], reading: Reading, expected: Expected) -> NDArray[np.uint8]:
    """Return pictures [N, channels, height, width] that are all as the first one is."""
    pictures = _read(path, names, reading)
    first, shape = expected
    for name, picture in zip(names, pictures, strict=True):
        if picture.shape != shape:
            raise DatasetError(
                f"pictures must have one size and one number of channels, but {first} is {_in_words(shape)} and {name} "
                f"{_in_words(picture.shape)}; say what all are made, such as {_cure(shape, picture.shape)}"
            )
    return np.stack(pictures)


def _read(path: Path, names: Sequence[str], reading: Reading) -> list[NDArray[np.uint8]]:
    return [read_picture(name, content, reading) for name, content in read_files(path, names)]


def _in_words(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} × {shape[2]}, {'grey' if shape[0] == 1 else 'colour'}"


def _cure(one: tuple[int, ...], other: tuple[int, ...]) -> str:
    """Return the key of a space that makes two pictures alike."""
    size = f"size: {min(*one[1:], *other[1:])}, " if one[1:] != other[1:] else ""
    return f"image: {{{size}channels: {max(one[0], other[0])}}}"
