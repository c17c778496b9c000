"""Images in arrays of bytes: where their channels are is decided, and said."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartmixed_search.errors import DatasetError
from smartmixed_search.errors.messages import counted

LARGEST = 255.0
"""A byte's greatest value, which is scaled to 1."""
NHW, NHWC, NCHW = "NHW", "NHWC", "NCHW"
_CHANNELS = (1, 2, 3, 4)
_TOGETHER = 1024
"""Images that are copied at once."""


def are_images(x: NDArray[Any]) -> bool:
    """Whether an array looks like images: bytes of [N, height, width], with channels or without."""
    return x.dtype == np.uint8 and x.ndim in (3, 4)


def layout_of(what: str, shape: tuple[int, ...], channels: int | None = None) -> str:
    """Return how images of a shape are laid out.

    Args:
        what: they are called in messages.
        shape: of the array.
        channels: how many they have, if it is said.

    Raises:
        DatasetError: neither the first nor the last dimension of an image can be its channels, or both can.
    """
    if len(shape) == 3:
        return NHW
    known = _CHANNELS if channels is None else (channels,)
    first, last = shape[1] in known, shape[3] in known
    if first == last:
        how = "both ends could be" if first else "neither end can be"
        raise DatasetError(
            f"images must have 1 to 4 channels, first or last, but of {what} of shape {shape} {how} channels; "
            + ("say how many with image: {channels: 3}, or " if first and shape[1] != shape[3] else "")
            + "save them as [N, height, width, channels], larger than they have channels"
        )
    return NCHW if first else NHWC


def channels_first(x: NDArray[Any], layout: str) -> NDArray[Any]:
    """Return images as [N, channels, height, width], a view of the same memory."""
    if layout == NHW:
        return x[:, None]
    return x if layout == NCHW else x.transpose(0, 3, 1, 2)


def taken(x: NDArray[Any], indices: NDArray[np.intp]) -> NDArray[Any]:
    """Return images by their places, in memory as their shape says: numpy would keep the channels where they were."""
    images = np.empty((len(indices), *x.shape[1:]), x.dtype)
    for start in range(0, len(indices), _TOGETHER):
        images[start : start + _TOGETHER] = x[indices[start : start + _TOGETHER]]
    return images


def check_made(what: str, x: NDArray[Any], image: Mapping[str, Any]) -> None:
    """Refuse to make images [N, channels, height, width] of arrays anything but what they are.

    Raises:
        DatasetError: they have another size or other channels.
    """
    _, channels, height, width = x.shape
    size = image.get("size", height)
    if ((size, size) != (height, width) and "size" in image) or image.get("channels", channels) != channels:
        raise DatasetError(
            f"image must be what the arrays are, but {what} has {counted(channels, 'channel')} of {height} × {width}; "
            "make them so before they are saved, or give a folder or zip of image files"
        )
