"""Sets of images in torchvision's layout, tiny ones: labels, names, and which way up they are."""

import bz2
import pickle
from hashlib import md5
from pathlib import Path

import numpy as np
import pytest

from smartmixed_search.datasets import load_dataset
from smartmixed_search.errors import DatasetError
from tests.helpers.idx_files import idx

datasets = pytest.importorskip("torchvision.datasets")

RNG = np.random.default_rng(0)


def pickled(path: Path, content: object) -> tuple[str, str]:
    """Write a pickle, and return its name and what torchvision compares it with."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps(content))
    return path.name, md5(path.read_bytes()).hexdigest()


def cifar(folder: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Write CIFAR-10's files with 100 images to train and 10 to test; return those to test."""
    images = RNG.integers(0, 256, (110, 3072), dtype=np.uint8)
    labels = [*range(10)] * 11
    root = folder / "cifar-10-batches-py"
    train = pickled(root / "data_batch_1", {"data": images[:100], "labels": labels[:100]})
    test = pickled(root / "test_batch", {"data": images[100:], "labels": labels[100:]})
    meta = pickled(root / "batches.meta", {"label_names": [f"class {label}" for label in range(10)]})
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [train])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [test])
    monkeypatch.setattr(datasets.CIFAR10, "meta", {"filename": meta[0], "key": "label_names", "md5": meta[1]})
    return images[100:].reshape(10, 3, 32, 32)


def test_cifar_is_read_as_it_was_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = cifar(tmp_path, monkeypatch)
    data = load_dataset("cifar-10", tmp_path)
    assert np.array_equal(data.x_test.numpy(), images)
    assert data.x_test.is_contiguous()
    assert data.preparation.classes[:2] == ("class 0", "class 1")


def emnist(folder: Path, split: str, labels: list[int]) -> np.ndarray:
    raw = folder / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    images = RNG.integers(0, 256, (len(labels), 28, 28), dtype=np.uint8)
    for part in ("train", "test"):
        (raw / f"emnist-{split}-{part}-images-idx3-ubyte").write_bytes(idx(images))
        (raw / f"emnist-{split}-{part}-labels-idx1-ubyte").write_bytes(idx(np.array(labels, np.uint8)))
    return images


def test_letters_begin_at_0_and_stand_upright(tmp_path: Path) -> None:
    images = emnist(tmp_path, "letters", [*range(1, 27)] * 10)
    data = load_dataset("emnist-letters", tmp_path)
    assert data.y_test.tolist() == [*range(26)] * 10
    assert (data.preparation.classes[0], data.preparation.classes[-1], data.shape) == ("a", "z", (1, 28, 28))
    assert np.array_equal(data.x_test[3, 0].numpy(), images[3].T)


def test_usps_is_read(tmp_path: Path) -> None:
    rows = [f"{label % 10 + 1} " + " ".join(f"{pixel}:-1.0" for pixel in range(1, 257)) for label in range(120)]
    for name in ("usps.bz2", "usps.t.bz2"):
        (tmp_path / name).write_bytes(bz2.compress("\n".join(rows).encode()))
    assert load_dataset("usps", tmp_path).sizes["shape"] == [1, 16, 16]


def test_what_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", refuse)
    with pytest.raises(
        DatasetError, match=r"cifar-10 is not there: '.*' has no whole cifar-10-batches-py/.*no network"
    ):
        load_dataset("cifar-10", tmp_path)
