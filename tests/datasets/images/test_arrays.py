"""Images in arrays: names that others give them, and where their channels are."""

from pathlib import Path

import numpy as np
import pytest
import torch

from smartmixed_search.datasets import load_dataset
from smartmixed_search.datasets.images.arrays import layout_of
from smartmixed_search.errors import DatasetError

RNG = np.random.default_rng(0)
N = 40
LABELS = np.arange(N) % 2


def images(*shape: int, count: int = N) -> np.ndarray:
    return RNG.integers(0, 256, (count, *shape), dtype=np.uint8)


def saved(folder: Path, **arrays: np.ndarray) -> str:
    np.savez(folder / "mine.npz", **arrays)
    return str(folder / "mine.npz")


def test_keras_names_are_known(tmp_path: Path) -> None:
    x = images(28, 28)
    data = load_dataset(saved(tmp_path, x_train=x, y_train=LABELS, x_test=x[:5], y_test=LABELS[:5]))
    assert (data.shape, data.x_test.dtype) == ((1, 28, 28), torch.uint8)
    assert np.array_equal(data.x_test[:, 0].numpy(), x[:5])


def test_medmnist_s_names_and_parts_are_known(tmp_path: Path) -> None:
    x, y = images(8, 8, 3), LABELS[:, None].astype(np.uint8)
    parts = {"train": slice(30), "val": slice(30, 36), "test": slice(36, None)}
    names = {f"{part}_images": x[place] for part, place in parts.items()}
    names |= {f"{part}_labels": y[place] for part, place in parts.items()}
    data = load_dataset(saved(tmp_path, **names))
    assert [len(data.y_train), len(data.y_val), len(data.y_test)] == [30, 6, 4]
    assert np.array_equal(data.x_val.numpy(), x[30:36].transpose(0, 3, 1, 2))


def test_the_layout_is_said_and_kept(tmp_path: Path) -> None:
    data = load_dataset(saved(tmp_path, x_train=images(8, 8, 3), y_train=LABELS))
    assert "holds images of 8 × 8 in 3 channels, as NHWC (bytes)" in data.notes[0]
    assert (data.preparation.layout, data.preparation.divisor) == ("NHWC", 255)
    assert data.x_train.is_contiguous()


def test_other_bytes_are_images_if_the_space_says_so(tmp_path: Path) -> None:
    spec = saved(tmp_path, x=images(8, 8), y=LABELS)
    assert load_dataset(spec).x_train.dtype == torch.float32
    assert load_dataset(spec, image={"channels": 1}).shape == (1, 8, 8)


def test_numbers_of_keras_are_standardised(tmp_path: Path) -> None:
    data = load_dataset(saved(tmp_path, x_train=RNG.normal(size=(N, 5)), y_train=LABELS))
    assert (data.x_train.dtype, data.shape) == (torch.float32, (5,))


@pytest.mark.parametrize(
    ("shape", "channels", "layout"),
    [
        ((9, 8, 8), None, "NHW"),
        ((9, 8, 8, 3), None, "NHWC"),
        ((9, 1, 8, 8), None, "NCHW"),
        ((9, 3, 8, 1), 1, "NHWC"),
    ],
)
def test_channels_are_where_they_can_be(shape: tuple[int, ...], channels: int | None, layout: str) -> None:
    assert layout_of("x", shape, channels) == layout


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((9, 3, 32, 1), "both ends could be channels; say how many with image: {channels: 3}"),
        ((9, 3, 3, 3), "both ends could be channels; save them"),
        ((9, 8, 8, 8), "neither end can be channels"),
    ],
)
def test_a_layout_that_is_not_clear_is_refused(shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        layout_of("x", shape)


def test_several_labels_for_an_image_are_refused(tmp_path: Path) -> None:
    spec = saved(tmp_path, train_images=images(8, 8), train_labels=np.ones((N, 14), np.uint8))
    with pytest.raises(DatasetError, match=r"train_labels of .* must be one label per example"):
        load_dataset(spec)


def test_arrays_are_not_resized(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"x of .* has 1 channel of 8 × 8"):
        load_dataset(saved(tmp_path, x=images(8, 8), y=LABELS), image={"size": 4})
