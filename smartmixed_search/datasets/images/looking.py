"""A look at pictures before they are read: whether they are alike, and what they could all be made."""

import io
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from PIL import Image

from smartmixed_search.datasets.images.contents import read_files
from smartmixed_search.datasets.images.files import find_pictures

LARGEST_SIDE = 64
"""Of pictures that are made alike, in pixels: larger ones are many numbers for a multilayer perceptron."""
_LOOKED_AT = 1000
_GREY = ("1", "L", "LA", "La", "I", "F")


def suggested(path: Path) -> dict[str, int]:
    """Return what pictures that are not alike could be made, as a space's `image` says it; empty if they are alike.

    Raises:
        DatasetError: there are no pictures, or not of two classes.
    """
    names = find_pictures(path).names
    found = [*_looked_at(path, names[:: max(1, len(names) // _LOOKED_AT)])]
    image, channels = {}, {channels for _, channels in found}
    if len({size for size, _ in found}) > 1:
        image["size"] = min(int(median(min(size) for size, _ in found)), LARGEST_SIDE)
    if len(channels) > 1:
        image["channels"] = max(channels)
    return image


def _looked_at(path: Path, names: tuple[str, ...]) -> Iterator[tuple[tuple[int, int], int]]:
    """Yield sizes and channels; what cannot be opened is told when it is read."""
    for _, content in read_files(path, names):
        try:
            with Image.open(io.BytesIO(content)) as picture:
                yield picture.size, 1 if picture.mode.startswith("I;16") or picture.mode in _GREY else 3
        except Exception:  # every format has its own way to be damaged
            continue
