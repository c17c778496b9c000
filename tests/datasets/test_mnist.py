"""The MNIST family: files in torchvision's layout, small ones made here, and the real ones where they are."""

import gzip
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartmixed_search.datasets import load_dataset
from smartmixed_search.errors import DatasetError
from tests.helpers.idx_files import files, idx, stored

FOLDERS = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}


def listing(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def outcome(name: str, data_dir: Path) -> str:
    """Return the message with which a dataset is refused, or nothing."""
    try:
        load_dataset(name, data_dir)
    except DatasetError as error:
        return str(error)
    return ""


@pytest.fixture(autouse=True)
def torchvision(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path], None]], None]:
    """Keep these tests off the network; what is called with the folder to download into can be replaced."""

    def install(download: Callable[[Path], None]) -> None:
        def construct(root: str, *, download: bool, write: Callable[[Path], None] = download) -> None:
            assert download
            write(Path(root))

        fake = SimpleNamespace(datasets=SimpleNamespace(**dict.fromkeys(FOLDERS.values(), construct)))
        monkeypatch.setitem(sys.modules, "torchvision", fake)

    def no_network(_: Path) -> None:
        raise RuntimeError("Error downloading:\nTried a mirror, got:\n<urlopen error>\n")

    install(no_network)
    return install


@pytest.mark.parametrize("name", FOLDERS)
def test_existing_files_are_used(tmp_path: Path, name: str) -> None:
    stored(tmp_path, files(), FOLDERS[name])
    dataset = load_dataset(name, tmp_path)
    assert (dataset.name, dataset.features, dataset.classes) == (name, 16, 10)
    assert (dataset.shape, dataset.x_train.shape[1:]) == ((1, 4, 4), (16,))
    assert [len(y) for y in (dataset.y_train, dataset.y_val, dataset.y_test)] == [108, 12, 30]


def test_pixels_are_divided_by_255_and_stay_with_their_labels(tmp_path: Path) -> None:
    stored(tmp_path, files())
    dataset = load_dataset("mnist", tmp_path)
    np.testing.assert_array_equal(dataset.x_train[:, 3], np.float32(dataset.y_train * 25) / np.float32(255))
    assert str(dataset.preparation) == "flattened from 4 × 4 row by row, divided by 255"


def test_the_official_test_set_is_kept_as_it_is(tmp_path: Path) -> None:
    stored(tmp_path, files())
    assert load_dataset("mnist", tmp_path).y_test.tolist() == [n % 10 for n in range(30)]


def test_the_environment_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(tmp_path, files())
    monkeypatch.setenv("SMARTMIXED_DATA_DIR", str(tmp_path))
    assert load_dataset("mnist").name == "mnist"


def test_gzipped_files_are_read_in_place(tmp_path: Path) -> None:
    stored(tmp_path / "plain", files())
    stored(tmp_path / "zipped", {f"{name}.gz": gzip.compress(content) for name, content in files().items()})
    before = listing(tmp_path)
    expected, found = (load_dataset("mnist", tmp_path / folder).checksum for folder in ("plain", "zipped"))
    assert found == expected
    assert listing(tmp_path) == before


def test_a_missing_file_is_named_with_its_place_and_the_remedy(tmp_path: Path) -> None:
    contents = files()
    del contents["t10k-labels-idx1-ubyte"]
    raw = stored(tmp_path, contents)
    before = listing(tmp_path)
    with pytest.raises(DatasetError) as caught:
        load_dataset("mnist", tmp_path)
    assert str(caught.value) == (
        f"mnist is not there: '{raw}' has no t10k-labels-idx1-ubyte, and downloading failed "
        "(RuntimeError: Error downloading: Tried a mirror, got: <urlopen error>); "
        "set --data-dir or SMARTMIXED_DATA_DIR to a folder with MNIST/raw, or run with network access"
    )
    assert listing(tmp_path) == before


def test_a_folder_that_cannot_be_written_is_an_error_too(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match=r"and downloading failed \((NotADirectory|FileExists)Error"):
        load_dataset("kmnist", tmp_path / "file")


@pytest.mark.parametrize("name", list(files()))
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda content: content[:-1],
            r"as long as its header says, \d+ bytes, but '.*{name}' holds \d+; replace",
        ),
        (lambda content: content + b"\0", r"as long as its header says, \d+ bytes, but '.*{name}' holds more;"),
        (lambda _: b"", r"must begin with 0000080\d and its shape, but '.*{name}' begins with nothing; replace"),
        (lambda content: content[:6], r"must begin with 0000080\d and its shape, but '.*{name}' begins with 0000"),
        (lambda _: b"<html>" * 9, r"must begin with 0000080\d and its shape, but '.*{name}' begins with 3c68746d"),
    ],
    ids=["truncated", "too-long", "empty", "header-only", "a-web-page"],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, damage: Callable[[bytes], bytes], message: str) -> None:
    stored(tmp_path, files() | {name: damage(files()[name])})
    before = listing(tmp_path)
    with pytest.raises(DatasetError, match=message.format(name=name)):
        load_dataset("mnist", tmp_path)
    assert listing(tmp_path) == before


@pytest.mark.parametrize("content", [b"", b"no gzip", gzip.compress(bytes(9000))[:-9]], ids=["empty", "text", "cut"])
def test_a_damaged_gzip_is_named(tmp_path: Path, content: bytes) -> None:
    contents = files()
    del contents["train-images-idx3-ubyte"]
    stored(tmp_path, contents | {"train-images-idx3-ubyte.gz": content})
    with pytest.raises(DatasetError, match=r"'.*train-images-idx3-ubyte\.gz' (\(|begins with)"):
        load_dataset("mnist", tmp_path)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_file_that_claims_more_than_this_machine_holds_is_refused_unread(tmp_path: Path, suffix: str) -> None:
    contents = files()
    claim = contents.pop("train-images-idx3-ubyte")[:4] + b"\xff" * 12
    stored(tmp_path, contents | {f"train-images-idx3-ubyte{suffix}": gzip.compress(claim) if suffix else claim})
    with pytest.raises(
        DatasetError, match=r"must fit into this machine's memory, .* GiB, but .*, by its header, takes"
    ):
        load_dataset("mnist", tmp_path)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("train-labels-idx1-ubyte", np.arange(119) % 10, "the same number of examples, but got 120 and 119"),
        ("t10k-images-idx3-ubyte", np.zeros((30, 3, 3)), "one size, but got 16 and 9 pixels"),
        ("t10k-images-idx3-ubyte", np.zeros((0, 4, 4)), r"examples and pixels, but .* has shape \(0, 4, 4\)"),
        ("train-labels-idx1-ubyte", np.arange(120) % 9, "must be classes of its training, 0 … 8, but got 9"),
        ("train-labels-idx1-ubyte", np.arange(120) % 10 * 2, "every class 0 … 18 of 'mnist', but 1 is missing"),
    ],
)
def test_files_that_do_not_fit_each_other_are_refused(
    tmp_path: Path, name: str, array: np.ndarray, message: str
) -> None:
    stored(tmp_path, files() | {name: idx(array)})
    with pytest.raises(DatasetError, match=message):
        load_dataset("mnist", tmp_path)


def test_missing_files_are_downloaded_and_others_left_alone(
    tmp_path: Path, torchvision: Callable[[Callable[[Path], None]], None]
) -> None:
    mine = {"train-labels-idx1-ubyte": idx((np.arange(120) + 1) % 10)}
    stored(tmp_path, mine, "KMNIST")
    torchvision(lambda root: stored(root, files() | {"train-images-idx3-ubyte.gz": b"left by torchvision"}, "KMNIST"))
    assert len(load_dataset("kmnist", tmp_path).y_test) == 30
    kept = {name: content for name, content in listing(tmp_path).items() if content is not None}
    assert kept == {f"KMNIST/raw/{name}": content for name, content in (files() | mine).items()}


def test_an_interrupted_download_leaves_nothing(
    tmp_path: Path, torchvision: Callable[[Callable[[Path], None]], None]
) -> None:
    def interrupted(root: Path) -> None:
        stored(root, {"train-images-idx3-ubyte": b"half"})
        raise KeyboardInterrupt

    torchvision(interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_dataset("mnist", tmp_path)
    assert listing(tmp_path) == {}


def test_a_download_waits_for_a_silent_mirror_only_so_long(
    tmp_path: Path, torchvision: Callable[[Callable[[Path], None]], None]
) -> None:
    timeouts = []

    def download(root: Path) -> None:
        timeouts.append(socket.getdefaulttimeout())
        stored(root, files())

    torchvision(download)
    load_dataset("mnist", tmp_path)
    assert timeouts == [15.0]
    assert socket.getdefaulttimeout() is None


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_mutated_file_is_read_or_refused_in_one_line(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    name = data.draw(st.sampled_from(sorted(files())))
    content = bytearray(files()[name])
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 255)), max_size=4)):
        content[place % len(content)] = value
    stored(tmp_path_factory.getbasetemp() / "mutated", files() | {name: bytes(content)})
    assert "\n" not in outcome("mnist", tmp_path_factory.getbasetemp() / "mutated")


@pytest.fixture
def real_data() -> Path:
    folder = os.environ.get("SMARTMIXED_DATA_DIR", "")
    if not (Path(folder) / "MNIST" / "raw").is_dir():
        pytest.skip("needs the real MNIST: set SMARTMIXED_DATA_DIR to a folder with MNIST/raw")
    return Path(folder)


def test_the_real_mnist_is_split_as_published(real_data: Path) -> None:
    dataset = load_dataset("mnist", real_data)
    assert [tuple(x.shape) for x in (dataset.x_train, dataset.x_val, dataset.x_test)] == [
        (54_000, 784),
        (6_000, 784),
        (10_000, 784),
    ]
    assert dataset.checksum == "f5656f3a10fe3485"


def test_a_user_without_a_home_is_told_to_name_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMARTMIXED_DATA_DIR", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    with pytest.raises(DatasetError, match="and this user has none; set --data-dir or SMARTMIXED_DATA_DIR"):
        load_dataset("mnist")
