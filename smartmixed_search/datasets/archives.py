"""The arrays of an `.npz` file, by what they are called here: looked at before they are read."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile

from smartmixed_search.datasets.source import IMAGE_WORK_BYTES, check_size
from smartmixed_search.errors import DatasetError
from smartmixed_search.errors.messages import in_short

PARTS = ("val", "test")
_CONVENTIONS: tuple[Mapping[str, str], ...] = (
    {name: name for name in ("x", "y", "x_test", "y_test")},
    {"x": "x_train", "y": "y_train", **{f"{letter}_{part}": f"{letter}_{part}" for part in PARTS for letter in "xy"}},
    {
        "x": "train_images",
        "y": "train_labels",
        **{f"x_{part}": f"{part}_images" for part in PARTS},
        **{f"y_{part}": f"{part}_labels" for part in PARTS},
    },
)
"""What the arrays are called here, by Keras and by MedMNIST."""
_NAMES_SHOWN = 10
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def load_archive(path: Path) -> tuple[dict[str, Any], Mapping[str, str]]:
    """Return the arrays, and what they are called in the file, by what they are called here: `x`, `y`, `x_test` ….

    Raises:
        DatasetError: the file is missing or damaged, does not have the arrays, or they do not fit into memory.
    """
    try:
        path = path.expanduser()
        if not path.is_file() and path.exists():  # opening a pipe would wait for whoever writes to it
            raise DatasetError(f"an .npz dataset must be a file, but {str(path)!r} is not one")
        with path.open("rb") as file, NpzFile(file, allow_pickle=False) as archive:
            names = _convention(path, archive.files)
            _check_pairs(path, archive.files, names)
            held = {key: name for key, name in names.items() if name in archive}
            _check_sizes(path, archive, [*held.values()])
            return {key: archive[name] for key, name in held.items()}, names
    except DatasetError:
        raise
    except FileNotFoundError as error:
        raise DatasetError(f"there is no file {str(path)!r}; give the path of an .npz dataset that exists") from error
    except Exception as error:  # zip, zlib, header parser, allocator: a damaged file can make any of them raise
        raise DatasetError(
            "an .npz dataset must be a whole file written by numpy.savez, without pickled objects, "
            f"but got {str(path)!r} ({in_short(error)})"
        ) from error


def _convention(path: Path, held: list[str]) -> Mapping[str, str]:
    """Return what arrays are called in a file that holds these."""
    for names in _CONVENTIONS:
        if {names["x"], names["y"]} <= set(held):
            return names
    missing = "x" if "x" not in held else "y"
    shown = ", ".join(held[:_NAMES_SHOWN]) or "nothing"
    raise DatasetError(
        f"an .npz dataset must hold arrays x and y, but {str(path)!r} has no {missing}; it holds {shown}: "
        "numpy.savez(path, x=..., y=...) names them, and the names of Keras and MedMNIST are known too"
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
            images = dtype == np.uint8 and len(shape) in (3, 4) and name != "x"
            work = {"work_bytes": IMAGE_WORK_BYTES} if images else {}
            check_size(f"{name} of {str(path)!r}", values, dtype.itemsize, **work)


def _check_pairs(path: Path, held: list[str], names: Mapping[str, str]) -> None:
    for part in PARTS:
        pair = [names[f"{letter}_{part}"] for letter in "xy" if f"{letter}_{part}" in names]
        there = [name for name in pair if name in held]
        if len(there) == 1:
            raise DatasetError(f"{' and '.join(pair)} must come together, but {str(path)!r} holds only {there[0]}")
