"""MNIST, Fashion-MNIST and KMNIST: files in torchvision's layout, downloaded by torchvision where there are none."""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from smartmixed_search.datasets.idx import read_idx
from smartmixed_search.datasets.source import Source
from smartmixed_search.errors import DatasetError
from smartmixed_search.errors.messages import in_short

FOLDERS = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}
"""By dataset: torchvision's folder, which is also the name of its class."""
LARGEST = 255.0
"""A pixel's greatest value, which is scaled to 1."""

_FILES = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
_NETWORK_TIMEOUT = 15.0
"""Seconds without an answer after which a mirror is given up."""


def raw_folder(name: str, data_dir: Path) -> Path:
    """Return the folder in which the files of a dataset are looked for."""
    return data_dir / FOLDERS[name] / "raw"


def missing_files(name: str, data_dir: Path) -> list[str]:
    """Return the names of the files that are there neither plain nor gzipped."""
    folder = raw_folder(name, data_dir)
    return [file for file in _FILES if not _is_file(_stored(folder / file))]


def read_mnist(name: str, data_dir: Path) -> Source:
    """Read a dataset of the family from its files.

    Raises:
        DatasetError: a file is missing or damaged; the message says which, and where it was looked for.

    """
    missing = missing_files(name, data_dir)
    if missing:
        raise DatasetError(_absence(name, data_dir, missing))
    folder = raw_folder(name, data_dir)
    x, y = _read_part(folder, "train")
    x_test, y_test = _read_part(folder, "t10k")
    if x.shape[1:] != x_test.shape[1:]:
        raise DatasetError(
            f"images in {str(folder)!r} must all have one size, but got {x[0].size} and {x_test[0].size} pixels"
        )
    x_test = x_test.reshape(len(x_test), -1)
    return Source(
        name=name, x=x.reshape(len(x), -1), y=y, x_test=x_test, y_test=y_test, largest=LARGEST, shape=x.shape[1:]
    )


def download_mnist(name: str, data_dir: Path) -> None:
    """Put the missing files of a dataset into their folder, whole or not at all; progress goes to stderr.

    Raises:
        DatasetError: a file is missing and cannot be downloaded.

    """
    missing = missing_files(name, data_dir)
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=data_dir, prefix=".download-") as staging, network_timeout():
            from torchvision import datasets

            getattr(datasets, FOLDERS[name])(staging, download=True)
            raw_folder(name, data_dir).mkdir(parents=True, exist_ok=True)
            for file in missing:
                (raw_folder(name, Path(staging)) / file).replace(raw_folder(name, data_dir) / file)
    except (ImportError, OSError, RuntimeError, HTTPException) as error:
        raise DatasetError(
            _absence(name, data_dir, missing, f", and downloading failed ({in_short(error)})")
        ) from error


def _absence(name: str, data_dir: Path, missing: list[str], failure: str = "") -> str:
    return (
        f"{name} is not there: {str(raw_folder(name, data_dir))!r} has no {', '.join(missing)}{failure}; "
        f"set --data-dir or SMARTMIXED_DATA_DIR to a folder with {FOLDERS[name]}/raw, or run with network access"
    )


def _stored(path: Path) -> Path:
    """Return the path itself, or that of its gzipped form where only this exists."""
    gzipped = path.with_name(f"{path.name}.gz")
    return gzipped if _is_file(gzipped) and not _is_file(path) else path


def _is_file(path: Path) -> bool:
    """Return whether a file is there; one in a folder that may not be entered is not."""
    try:
        return path.is_file()
    except OSError:
        return False


def _read_part(folder: Path, part: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return images, shape [N, rows, columns], and labels, shape [N]."""
    labels_path = _stored(folder / f"{part}-labels-idx1-ubyte")
    images_path = _stored(folder / f"{part}-images-idx3-ubyte")
    images, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
    if not images.size:
        raise DatasetError(f"images must have examples and pixels, but {str(images_path)!r} has shape {images.shape}")
    if len(images) != len(labels):
        raise DatasetError(
            f"{images_path.name} and {labels_path.name} in {str(folder)!r} must hold the same number of examples, "
            f"but got {len(images)} and {len(labels)}"
        )
    return images, labels


@contextmanager
def network_timeout() -> Iterator[None]:
    """Keep torchvision, which sets no timeout of its own, from waiting for a silent mirror forever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_NETWORK_TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
