"""Folders and zips of pictures become a dataset."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from smartmixed_search.datasets import Dataset, dataset_name, load_dataset, source
from smartmixed_search.datasets.images import decoding
from smartmixed_search.datasets.prepared import read_preparation
from smartmixed_search.errors import DatasetError
from tests.helpers.picture_files import class_folders, pixels, put, zipped

PARTS = {f"{part}/{name}": count for part, count in (("train", 10), ("val", 3), ("test", 2)) for name in ("cat", "dog")}


@pytest.fixture(scope="module")
def divided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folders(tmp_path_factory.mktemp("data") / "pets", PARTS)


@pytest.fixture(scope="module")
def pets(divided: Path) -> Dataset:
    return load_dataset(str(divided))


def test_folders_say_parts_and_classes(pets: Dataset) -> None:
    assert (pets.name, pets.shape, pets.x_train.dtype) == ("pets", (3, 4, 5), torch.uint8)
    assert [len(pets.y_train), len(pets.y_val), len(pets.y_test)] == [20, 6, 4]
    assert pets.y_test.tolist() == [0, 0, 1, 1]


def test_pictures_are_as_their_files(pets: Dataset, divided: Path) -> None:
    first = np.asarray(Image.open(divided / "val/cat/0000.png"))
    assert np.array_equal(pets.x_val[0].numpy(), first.transpose(2, 0, 1))


def test_class_names_and_reading_are_kept(pets: Dataset) -> None:
    plain = json.loads(json.dumps(pets.preparation.to_dict()))
    assert read_preparation(plain) == pets.preparation
    assert (plain["classes"], plain["shape"], plain["divisor"]) == (["cat", "dog"], [3, 4, 5], 255)


def test_a_zip_is_its_folder(pets: Dataset, divided: Path, tmp_path: Path) -> None:
    assert load_dataset(str(zipped(divided.parent, tmp_path / "pets.zip"))).checksum == pets.checksum


def test_pictures_without_parts_are_split(tmp_path: Path) -> None:
    data = load_dataset(str(class_folders(tmp_path / "all", {"a": 20, "b": 20})))
    assert [len(data.y_train), len(data.y_val), len(data.y_test)] == [28, 4, 8]


def test_without_test_folder_the_one_to_validate_tests(tmp_path: Path) -> None:
    folders = {"train/a": 20, "train/b": 20, "val/a": 3, "val/b": 3}
    data = load_dataset(str(class_folders(tmp_path / "two", folders)))
    assert [len(data.y_train), len(data.y_val), len(data.y_test)] == [36, 4, 6]
    assert "no test folder: val tests" in "\n".join(data.notes)


def test_a_train_folder_alone_is_split(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "kaggle", {"train/a": 20, "train/b": 20, "test": 3})
    data = load_dataset(str(root))
    assert [len(data.y_train), len(data.y_val), len(data.y_test)] == [28, 4, 8]
    assert "3 pictures outside the folders of classes left out, such as 'test/0000.png'" in data.notes[0]


def test_a_picture_in_two_parts_is_warned_of(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "twice", {"train/a": 20, "train/b": 20, "test/a": 3, "test/b": 3})
    put(root / "test" / "b" / "again.bmp", pixels(0))
    assert load_dataset(str(root)).warnings == (
        "1 image to test is in the training part too, pixel by pixel: figures look better than they are",
    )


def test_classes_of_numbers_are_in_their_order(tmp_path: Path) -> None:
    data = load_dataset(str(class_folders(tmp_path / "n", {"10": 5, "2": 5, "1": 5})))
    assert data.preparation.classes == ("1", "2", "10")


def test_a_train_folder_of_pictures_is_a_class(tmp_path: Path) -> None:
    data = load_dataset(str(class_folders(tmp_path / "vehicles", {"train": 5, "bus": 5, "car": 5})))
    assert data.preparation.classes == ("bus", "car", "train")


def test_a_part_that_lacks_a_class_counts_it(tmp_path: Path) -> None:
    folders = {"train/a": 10, "train/b": 10, "train/c": 10, "test/a": 2, "test/c": 2}
    data = load_dataset(str(class_folders(tmp_path / "lacking", folders)))
    assert data.y_test.tolist() == [0, 0, 2, 2]


def test_a_class_without_training_folder_is_named(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "more", {"train/a": 5, "train/b": 5, "test/zebra": 1})
    with pytest.raises(DatasetError, match=r"must have a folder in train, but .*'test/zebra/0000\.png'"):
        load_dataset(str(root))


def test_what_is_left_out_is_said(divided: Path, tmp_path: Path) -> None:
    root = class_folders(tmp_path / "stray", {"a": 5, "b": 5, ".hidden": 2})
    put(root / "logo.png", pixels(0))
    (root / "a" / "notes.txt").write_text("hello")
    notes = load_dataset(str(root)).notes[0]
    assert "10 images in 2 classes, 1 file that is no picture left out (.txt), 1 picture outside" in notes


def test_one_size_is_asked_for(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "sizes", {"a": 5, "b": 5})
    put(root / "b" / "0003.png", pixels(0, (6, 3), channels=1))
    with pytest.raises(
        DatasetError, match=r"4 × 5, colour and b/0003\.png 6 × 3, grey; .*image: {size: 3, channels: 3}"
    ):
        load_dataset(str(root))
    assert load_dataset(str(root), image={"size": 3, "channels": 1}).shape == (1, 3, 3)


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "damaged", {"a": 5, "b": 5})
    (root / "b" / "0002.png").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"the picture b/0002\.png cannot be read"):
        load_dataset(str(root))


@pytest.mark.parametrize(
    ("folders", "words"),
    [({}, "must hold pictures"), ({"a": 3}, "must have folders of two classes at least"), ({".": 3}, "of two classes")],
)
def test_what_is_no_set_of_pictures_is_refused(tmp_path: Path, folders: dict[str, int], words: str) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(DatasetError, match=words):
        load_dataset(str(class_folders(tmp_path / "none", folders)))


def test_a_zip_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.zip").write_bytes(b"no zip")
    with pytest.raises(DatasetError, match="cannot be read"):
        load_dataset(str(tmp_path / "broken.zip"))


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"there is no folder '.*/absent'"):
        load_dataset(f"{tmp_path}/absent")


def test_a_folder_has_its_name() -> None:
    assert dataset_name("somewhere/photos/") == "photos"


def test_pictures_that_do_not_fit_into_memory_are_refused_unread(
    divided: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "machine_memory", lambda: 2 * 30 * 60 - 1)
    with pytest.raises(DatasetError, match=r"must fit into this machine's memory, .*pets.* or smaller images"):
        load_dataset(str(divided))


def test_folds_of_pictures_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = class_folders(tmp_path / "folded", {"a": 9, "b": 9})
    read: list[str] = []

    def read_picture(name: str, content: bytes, reading: object) -> np.ndarray:
        read.append(name)
        return np.zeros((1, 2, 2), np.uint8)

    monkeypatch.setattr(decoding, "read_picture", read_picture)
    data = load_dataset(str(root), folds=3)
    assert [len(one.x_test) for one in data.splits] == [6, 6, 6]
    assert len(set(read)) == 18
    assert len(read) == 18 + 1, "the first one is read twice"


def test_processes_read_what_one_reads(pets: Dataset, divided: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_ALONE_SECONDS", -1.0)
    monkeypatch.setattr(decoding, "_TOGETHER", 4)
    monkeypatch.setattr(decoding, "usable_cpus", lambda: 2)
    assert load_dataset(str(divided)).checksum == pets.checksum


def test_processes_that_read_need_no_torch() -> None:
    program = "import sys, smartmixed_search.datasets.images.decoding; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
