"""A user's own data: an `.npz` file with arrays `x`, `y` and, if there is an official test set, `x_test`, `y_test`."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from smartmixed_search.datasets.source import Source, check_size
from smartmixed_search.datasets.targets import REGRESSION, as_classes, as_numbers, inferred_task, is_whole
from smartmixed_search.errors import DatasetError
from smartmixed_search.errors.messages import in_short, show

_REQUIRED = ("x", "y")
_OPTIONAL = ("x_test", "y_test")
_NAMES_SHOWN = 10
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npz(path: Path, task: str | None = None) -> Source:
    """Read a file written by `numpy.savez`; examples of any shape are flattened.

    Args:
        path: of the file.
        task: what is learned; None: see `targets.inferred_task`.

    Raises:
        DatasetError: the file is missing or damaged, or its arrays are not numbers that fit each other.

    """
    arrays = _load(path)
    file = repr(str(path))
    if ("x_test" in arrays) != ("y_test" in arrays):
        raise DatasetError(
            f"x_test and y_test must come together, but {file} holds only {', '.join(arrays.keys() & _OPTIONAL)}"
        )
    numbers = (task or inferred_task(np.asarray(arrays["y"]))) == REGRESSION
    read = partial(_targets, file) if numbers else partial(_labels, file, inferred=task is None)
    x, y = _examples(file, arrays, "x", "y", read)
    x_test, y_test = _examples(file, arrays, *_OPTIONAL, read) if "x_test" in arrays else (None, None)
    if y_test is not None and y_test.shape[1:] != y.shape[1:]:
        raise DatasetError(
            f"y and y_test of {file} must have the same number of targets, but got {y.shape} and {y_test.shape}"
        )
    if x_test is not None and x_test.shape[1] != x.shape[1]:
        raise DatasetError(
            f"x and x_test of {file} must have the same number of features, but got {x.shape[1]} and {x_test.shape[1]}"
        )
    return Source(name=path.stem, x=x, y=y, x_test=x_test, y_test=y_test, shape=arrays["x"].shape[1:])


def _load(path: Path) -> dict[str, Any]:
    try:
        path = path.expanduser()
        if not path.is_file() and path.exists():  # opening a pipe would wait for whoever writes to it
            raise DatasetError(f"an .npz dataset must be a file, but {str(path)!r} is not one")
        with path.open("rb") as file, NpzFile(file, allow_pickle=False) as archive:
            _check_names(path, archive.files)
            names = [name for name in _REQUIRED + _OPTIONAL if name in archive]
            _check_sizes(path, archive, names)
            return {name: archive[name] for name in names}
    except DatasetError:
        raise
    except FileNotFoundError as error:
        raise DatasetError(f"there is no file {str(path)!r}; give the path of an .npz dataset that exists") from error
    except Exception as error:  # zip, zlib, header parser, allocator: a damaged file can make any of them raise
        raise DatasetError(
            "an .npz dataset must be a whole file written by numpy.savez, without pickled objects, "
            f"but got {str(path)!r} ({in_short(error)})"
        ) from error


def _check_names(path: Path, held: list[str]) -> None:
    for name in _REQUIRED:
        if name not in held:
            shown = ", ".join(held[:_NAMES_SHOWN]) or "nothing"
            raise DatasetError(
                f"an .npz dataset must hold arrays x and y, but {str(path)!r} has no {name}; it holds {shown}: "
                "numpy.savez(path, x=..., y=...) names them"
            )


def _check_sizes(path: Path, archive: NpzFile, names: list[str]) -> None:
    """Look at what the arrays unpack to: a file of a megabyte may hold a gigabyte of zeros."""
    assert archive.zip is not None
    for name in names:
        member = name if name in archive.zip.namelist() else f"{name}.npy"
        with archive.zip.open(member) as file:
            shape, _, dtype = _HEADERS[np.lib.format.read_magic(file)](file)
        values = math.prod(shape)
        if values * dtype.itemsize <= archive.zip.getinfo(member).file_size:  # else it claims more than it holds
            check_size(f"{name} of {str(path)!r}", values, dtype.itemsize)


def _examples(
    file: str, arrays: dict[str, Any], x_name: str, y_name: str, read: Callable[[str, NDArray[Any]], NDArray[Any]]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return examples, shape [N, D], and labels, shape [N], or numbers to predict, shape [N, C], as `read` does."""
    x, y = (_numbers(file, name, arrays[name]) for name in (x_name, y_name))
    y = read(y_name, y)
    if x.ndim == 0 or len(x) != len(y):
        raise DatasetError(
            f"{x_name} of {file} must have one entry per label in {y_name}, but got shapes {x.shape} and {y.shape}"
        )
    return x.reshape(len(x), -1), y


def _labels(file: str, name: str, y: NDArray[Any], *, inferred: bool) -> NDArray[Any]:
    """Return labels; unless classification is only `inferred`, whole numbers of any type are labels."""
    if not inferred and y.ndim:
        return as_classes(y, file)
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise DatasetError(
            f"{name} of {file} must be one integer label per example, but got {y.dtype} of shape {y.shape}"
            f"{_cure(name, y)}"
        )
    return y


def _targets(file: str, name: str, y: NDArray[Any]) -> NDArray[np.float64]:
    if y.ndim not in (1, 2):
        raise DatasetError(f"{name} of {file} must be one or more numbers per example, but got shape {y.shape}")
    return as_numbers(y)


def _numbers(file: str, name: str, array: Any) -> NDArray[Any]:
    """Return the array if it holds finite numbers, and at least one."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        kind = getattr(array, "dtype", type(array).__name__)
        raise DatasetError(f"{name} of {file} must be an array of numbers, but got {kind}{_text_cure(name, array)}")
    if not array.size:
        raise DatasetError(f"{name} of {file} must not be empty, but got shape {array.shape}")
    lowest, highest = float(array.min()), float(array.max())
    limit = float(np.finfo(np.float32).max)
    if not (-limit <= lowest and highest <= limit):
        raise DatasetError(
            f"{name} of {file} must hold finite numbers within float32, but {_first_beyond(name, array, limit)}"
        )
    return array


def _cure(name: str, y: NDArray[Any]) -> str:
    """Return what makes labels of them, where that is plain."""
    if y.ndim == 2 and y.shape[1] == 1:
        return f"; {name} = {name}.ravel() makes them so"
    if y.ndim == 2:
        return f"; if a row marks its class by the largest number, {name} = {name}.argmax(axis=1) makes them so"
    if y.ndim == 1 and (y.dtype.kind == "b" or is_whole(y)):
        return f"; {name} = {name}.astype(int) makes them so, task: regression takes them as numbers"
    return "; a class must be a whole number" if y.ndim else ""


def _text_cure(name: str, array: Any) -> str:
    if getattr(array, "dtype", np.dtype(float)).kind not in "US" or not array.size:
        return ""
    first = f", such as {show(str(array.flat[0]))}"
    if name in ("y", "y_test"):
        return f"{first}; numpy.unique(y, return_inverse=True)[1] numbers the classes"
    return f"{first}; encode words as numbers, and x.astype(float) reads numbers written as text"


def _first_beyond(name: str, array: NDArray[Any], limit: float) -> str:
    """Tell of the first number that is not finite in float32, and of how many there are."""
    places = np.argwhere(~(np.abs(array) <= limit))
    place = tuple(int(index) for index in places[0])
    words = f" (row {place[0]}, column {place[1]}, counted from 0)" if len(place) == 2 else ""
    more = "" if len(places) == 1 else f", and {len(places) - 1} more are not finite"
    return f"{name}{list(place)} is {array[place]}{words}{more}; fill them in, or leave their rows out"
