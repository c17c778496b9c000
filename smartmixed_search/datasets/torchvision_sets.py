"""Sets of images that torchvision knows: files that are there are read, others are downloaded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartmixed_search.datasets.images.arrays import NCHW, NHW, NHWC, channels_first
from smartmixed_search.datasets.labels import by_value
from smartmixed_search.datasets.mnist import network_timeout
from smartmixed_search.datasets.source import Source
from smartmixed_search.errors import DatasetError
from smartmixed_search.errors.messages import in_short


def _as_stored(images: NDArray[Any]) -> NDArray[Any]:
    return images


def _upright(images: NDArray[Any]) -> NDArray[Any]:
    return images.transpose(0, 2, 1)


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """How torchvision is asked for a set."""

    kind: str
    """Its class in `torchvision.datasets`."""
    files: str
    """What it has in the folder of image datasets."""
    layout: str
    train: Mapping[str, Any] = field(default_factory=lambda: {"train": True})
    test: Mapping[str, Any] = field(default_factory=lambda: {"train": False})
    turned: Callable[[NDArray[Any]], NDArray[Any]] = _as_stored
    """How images become upright."""


def _emnist(split: str) -> ImageSet:
    parts = ({"split": split, "train": train} for train in (True, False))
    files = f"EMNIST/raw/emnist-{split}-{{train,test}}-{{images-idx3,labels-idx1}}-ubyte"
    return ImageSet(
        kind="EMNIST",
        files=files,
        layout=NHW,
        turned=_upright,  # EMNIST's files hold columns where others hold rows
        **dict(zip(("train", "test"), parts, strict=True)),
    )


_BY_SPLIT: Mapping[str, Any] = {"train": {"split": "train"}, "test": {"split": "test"}}

SETS: Mapping[str, ImageSet] = {
    "cifar-10": ImageSet(kind="CIFAR10", files="cifar-10-batches-py/", layout=NHWC),
    "cifar-100": ImageSet(kind="CIFAR100", files="cifar-100-python/", layout=NHWC),
    **{f"emnist-{split}": _emnist(split) for split in ("balanced", "byclass", "bymerge", "digits", "letters")},
    "stl-10": ImageSet(kind="STL10", files="stl10_binary/", layout=NCHW, **_BY_SPLIT),
    "svhn": ImageSet(kind="SVHN", files="train_32x32.mat and test_32x32.mat", layout=NCHW, **_BY_SPLIT),
    "usps": ImageSet(kind="USPS", files="usps.bz2 and usps.t.bz2", layout=NHW),
}


def read_set(name: str, data_dir: Path) -> Source:
    """Read a set, downloading its files unless they are there.

    Raises:
        DatasetError: files are missing or damaged, and cannot be downloaded.
    """
    wanted = SETS[name]
    train, test = (_part(name, wanted, part, data_dir) for part in (wanted.train, wanted.test))
    (y, y_test), values = by_value([_labels(train), _labels(test)], name)
    classes = getattr(train, "classes", None)
    names = None if classes is None else tuple(str(classes[int(value)]) for value in values or range(len(classes)))
    x, x_test = (channels_first(wanted.turned(np.asarray(part.data)), wanted.layout) for part in (train, test))
    return Source(
        name=name, x=x, y=y, x_test=x_test, y_test=y_test, shape=x.shape[1:], layout=wanted.layout, names=names
    )


def _part(name: str, wanted: ImageSet, which: Mapping[str, Any], data_dir: Path) -> Any:
    from torchvision import datasets

    make = getattr(datasets, wanted.kind)
    try:
        return make(data_dir, **which)
    except (RuntimeError, OSError):
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            with network_timeout():
                return make(data_dir, download=True, **which)
        except (OSError, RuntimeError, HTTPException) as error:
            raise DatasetError(
                f"{name} is not there: {str(data_dir)!r} has no whole {wanted.files}, and downloading failed "
                f"({in_short(error)}); set --data-dir or SMARTMIXED_DATA_DIR to a folder with them, or run with "
                "network access"
            ) from error


def _labels(part: Any) -> NDArray[np.int64]:
    """Return the labels of a part; torchvision's sets call them in two ways."""
    return np.asarray(part.targets if hasattr(part, "targets") else part.labels, dtype=np.int64)
