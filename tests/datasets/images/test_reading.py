"""One picture is one array, however it was saved."""

import io
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image

from smartmixed_search.datasets.images.reading import Reading, read_picture
from smartmixed_search.errors import DatasetError
from tests.helpers.picture_files import pixels

COLOURS = np.repeat(pixels(0, (2, 3)), 2, axis=0)
"""Six colours at most, which a palette holds without loss."""
GREYS = pixels(1, (4, 5), channels=1)


def saved(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def read(content: bytes, **reading: object) -> np.ndarray:
    return read_picture("a/x.png", content, Reading.of(reading))


def turned(picture: Image.Image) -> bytes:
    """Turned by 90°, and marked so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(picture.transpose(Image.Transpose.ROTATE_90), exif=exif)


IN_COLOUR: dict[str, Callable[[Image.Image], bytes]] = {
    "png": saved,
    "bmp": lambda picture: saved(picture, "BMP"),
    "tiff": lambda picture: saved(picture, "TIFF"),
    "webp": lambda picture: saved(picture, "WEBP", lossless=True),
    "gif": lambda picture: saved(picture.quantize(6), "GIF"),
    "palette": lambda picture: saved(picture.quantize(6)),
    "palette with transparency": lambda picture: saved(picture.quantize(6), transparency=200),
    "opaque alpha": lambda picture: saved(picture.convert("RGBA")),
    "turned": turned,
}
IN_GREY: dict[str, Callable[[Image.Image], bytes]] = {
    "png": saved,
    "equal colours": lambda picture: saved(picture.convert("RGB")),
    "palette": lambda picture: saved(picture.convert("P")),
    "opaque alpha": lambda picture: saved(picture.convert("LA")),
    "16 bits": lambda picture: saved(Image.fromarray(np.asarray(picture).astype(np.uint16) * 257)),
    "16 bits, tiff": lambda picture: saved(Image.fromarray(np.asarray(picture).astype(np.uint16) * 257), "TIFF"),
    "float tiff": lambda picture: saved(Image.fromarray(np.asarray(picture).astype(np.float32) / 255), "TIFF"),
    "pgm": lambda picture: saved(picture, "PPM"),
}


@pytest.mark.parametrize("way", IN_COLOUR)
def test_colours_are_the_same_however_they_were_saved(way: str) -> None:
    assert np.array_equal(read(IN_COLOUR[way](Image.fromarray(COLOURS))), COLOURS.transpose(2, 0, 1))


@pytest.mark.parametrize("way", IN_GREY)
def test_greys_are_the_same_however_they_were_saved(way: str) -> None:
    content = IN_GREY[way](Image.fromarray(GREYS))
    assert np.array_equal(read(content, channels=1, range=[0, 1]), GREYS[None])


@pytest.mark.parametrize(("value", "byte"), [(0, 0), (128, 0), (129, 1), (65535, 255), (32768, 128)])
def test_16_bits_are_divided_by_257_and_rounded(value: int, byte: int) -> None:
    assert read(saved(Image.fromarray(np.full((2, 2), value, np.uint16)))).max() == byte


def test_one_bit_is_black_and_white() -> None:
    assert set(read(saved(Image.fromarray(GREYS).convert("1"))).flat) == {0, 255}


def test_what_is_transparent_is_white() -> None:
    assert (read(saved(Image.new("RGBA", (2, 2), (10, 20, 30, 0)))) == 255).all()


def test_cmyk_is_read_as_colours() -> None:
    content = saved(Image.new("CMYK", (2, 2), (0, 0, 0, 0)), "TIFF")
    assert (read(content) == 255).all()


def test_a_picture_is_grey_or_coloured_as_it_says() -> None:
    picture = Image.fromarray(GREYS)
    assert [read(saved(one)).shape for one in (picture, picture.convert("RGB"))] == [(1, 4, 5), (3, 4, 5)]


def test_resizing_averages() -> None:
    checked = np.indices((64, 64)).sum(0) % 2 * 255
    small = read(saved(Image.fromarray(checked.astype(np.uint8))), size=4)
    assert small.shape == (1, 4, 4)
    assert np.abs(small.astype(int) - 128).max() <= 8


def test_a_picture_of_floats_says_what_it_holds() -> None:
    content = saved(Image.fromarray(np.array([[0.5, 12.25]], np.float32)), "TIFF")
    with pytest.raises(DatasetError, match=r"^a/x\.png holds floating-point.*from 0\.5 to 12\.25; .*range: \[0, 1\]"):
        read(content)


def test_a_range_must_hold_all_values() -> None:
    content = saved(Image.fromarray(np.array([[0.5, 12.25]], np.float32)), "TIFF")
    with pytest.raises(DatasetError, match=r"from 0\.5 to 12\.25, but image: {range: \[0, 1\]} must hold them all"):
        read(content, range=[0, 1])


@pytest.mark.parametrize("content", [b"", b"not a picture", saved(Image.fromarray(COLOURS))[:60]])
def test_a_damaged_picture_is_named(content: bytes) -> None:
    with pytest.raises(DatasetError, match=r"^the picture a/x\.png cannot be read \(.*replace it or remove it$"):
        read(content)


def test_a_reading_is_kept() -> None:
    reading = Reading(size=8, channels=1, range=(0.0, 2.0))
    assert Reading.of(asdict(reading)) == reading
