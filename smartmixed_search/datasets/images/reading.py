"""One rule by which a picture's file becomes bytes: the same in training, in evaluation and for a network elsewhere.

Pillow opens the file, the mode it finds decides, and nothing is guessed from values. So one picture is one array,
however it was saved: grey or with equal colours, with a palette, 16 bits, opaque alpha, turned and marked as turned.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from smartmixed_search.errors import DatasetError
from smartmixed_search.errors.messages import in_short

RULE = (
    "opened by Pillow (the first frame), turned as its EXIF orientation says; palette, CMYK and other colours to RGB; "
    "alpha on white; 1 bit to 0 and 255; 16 bits divided by 257"
)
RESIZE = "both sides resized by Pillow's BILINEAR, which averages when it shrinks"

_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
_ORIENTATION = 0x0112


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What pictures are made, beside the rule that holds for all."""

    size: int | None = None
    """Height and width in pixels; None: as they are."""
    channels: int | None = None
    """1, grey, or 3, colour; None: as they are."""
    range: tuple[float, float] | None = None
    """Which values of a picture of floating-point numbers or 32-bit integers are black and white."""

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """Read what a space's `image` says, or `dataclasses.asdict` returned."""
        low_high = plain.get("range")
        return cls(**{**plain, "range": None if low_high is None else (float(low_high[0]), float(low_high[1]))})

    def __str__(self) -> str:
        resized = f"; {RESIZE}, to {self.size} × {self.size}" if self.size else ""
        ranged = f"; floating-point and 32-bit values from {self.range[0]:g} to {self.range[1]:g}" if self.range else ""
        made = {None: "", 1: "; made grey (ITU-R 601)", 3: "; made colour"}[self.channels]
        return RULE + ranged + made + resized


def read_picture(name: str, content: bytes, reading: Reading) -> NDArray[np.uint8]:
    """Return a picture's bytes, **shape** [channels, height, width].

    Args:
        name: of its file, for messages.
        content: of its file.
        reading: what it is made.

    Raises:
        DatasetError: it is damaged, or of a kind whose values have no stated range; which, is said.
    """
    try:
        with Image.open(io.BytesIO(content)) as opened:
            picture = _plain(_upright(opened), reading.range)
            if reading.channels is not None:
                picture = picture.convert("L" if reading.channels == 1 else "RGB")
            if reading.size is not None and picture.size != (reading.size, reading.size):
                picture = picture.resize((reading.size, reading.size), Image.Resampling.BILINEAR)
            pixels = np.asarray(picture)
    except _NoRangeError as error:
        raise DatasetError(f"{name} holds {error}") from error
    except Exception as error:  # every format has its own way to be damaged
        why = "of no format that Pillow knows" if isinstance(error, UnidentifiedImageError) else in_short(error)
        raise DatasetError(f"the picture {name} cannot be read ({why}); replace it or remove it") from error
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


class _NoRangeError(Exception):
    """Values of which it is not known what is black and what is white."""


def _upright(picture: Image.Image) -> Image.Image:
    return ImageOps.exif_transpose(picture) if picture.getexif().get(_ORIENTATION, 1) != 1 else picture


def _plain(picture: Image.Image, values: tuple[float, float] | None) -> Image.Image:
    """Return a picture of one byte of grey, or three of colour, per pixel."""
    if picture.mode in _ALPHA or picture.has_transparency_data:
        coloured = picture.convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        flat = Image.alpha_composite(white, coloured)
        return flat.convert("L" if picture.mode in ("L", "LA", "La", "1") else "RGB")
    if picture.mode in ("L", "RGB"):
        return picture
    if picture.mode in _CONVERSIONS:
        return _CONVERSIONS[picture.mode](picture, values)
    return picture.convert("RGB")


def _sixteen(picture: Image.Image, values: tuple[float, float] | None) -> Image.Image:
    bytes_of = ((np.asarray(picture).astype(np.uint32) + 128) // 257).astype(np.uint8)
    return Image.fromarray(bytes_of)


def _ranged(picture: Image.Image, values: tuple[float, float] | None) -> Image.Image:
    numbers = np.asarray(picture, dtype=np.float64)
    found = f"values from {numbers.min():g} to {numbers.max():g}"
    if values is None:
        raise _NoRangeError(
            f"floating-point numbers or 32-bit integers, {found}; say which are black and white, "
            "such as image: {range: [0, 1]}"
        )
    low, high = values
    if not (low <= numbers.min() and numbers.max() <= high):
        raise _NoRangeError(f"{found}, but image: {{range: [{low:g}, {high:g}]}} must hold them all; widen it")
    return Image.fromarray(np.rint((numbers - low) / (high - low) * 255).astype(np.uint8))


_CONVERSIONS: dict[str, Callable[[Image.Image, tuple[float, float] | None], Image.Image]] = {
    **dict.fromkeys(_SIXTEEN_BITS, _sixteen),
    **dict.fromkeys(("I", "F"), _ranged),
    "1": lambda picture, _: picture.convert("L"),
}
