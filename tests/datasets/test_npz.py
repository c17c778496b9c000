"""A user's own data: what is read, and what every bad file gets."""

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartmixed_search.datasets import load_dataset, source
from smartmixed_search.errors import DatasetError

N = 60
X = np.random.default_rng(0).normal(size=(N, 3, 2))
Y = np.arange(N) % 3


def packed(**arrays: object) -> bytes:
    """Return the content of an .npz file of valid arrays, some of them replaced, or left out by None."""
    buffer = io.BytesIO()
    np.savez(buffer, **{name: array for name, array in ({"x": X, "y": Y} | arrays).items() if array is not None})
    return buffer.getvalue()


def written(folder: Path, content: bytes) -> str:
    path = folder / "mine.npz"
    path.write_bytes(content)
    return str(path)


def refusal(folder: Path, content: bytes) -> str:
    """Return the one line with which a file is refused."""
    with pytest.raises(DatasetError) as caught:
        load_dataset(written(folder, content))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def outcome(spec: str) -> str:
    """Return the message with which a dataset is refused, or nothing."""
    try:
        load_dataset(spec)
    except DatasetError as error:
        return str(error)
    return ""


def replaced(value: object) -> np.ndarray:
    x = X.copy()
    x[5, 1, 1] = value
    return x


def table(value: object) -> np.ndarray:
    x = X.reshape(N, -1).copy()
    x[3, 1] = x[5, 0] = value
    return x


def test_examples_of_any_shape_are_flattened(tmp_path: Path) -> None:
    dataset = load_dataset(written(tmp_path, packed()))
    assert (dataset.name, dataset.features, dataset.classes) == ("mine", 6, 3)
    assert str(dataset.preparation).startswith("flattened from 3 × 2 row by row, each feature less its mean")


def test_an_example_may_be_one_number(tmp_path: Path) -> None:
    assert load_dataset(written(tmp_path, packed(x=np.arange(N)))).features == 1


def test_a_test_set_of_its_own_is_used(tmp_path: Path) -> None:
    dataset = load_dataset(written(tmp_path, packed(x_test=X[:7], y_test=Y[:7])))
    assert [len(y) for y in (dataset.y_train, dataset.y_val, dataset.y_test)] == [54, 6, 7]
    assert dataset.y_test.tolist() == Y[:7].tolist()


@pytest.mark.parametrize("kind", ["?", "u1", "i8", ">i4", "f2", ">f4", "f8"])
def test_numbers_of_every_type_are_read(tmp_path: Path, kind: str) -> None:
    x = (X > 0).astype(kind)
    expected = load_dataset(written(tmp_path, packed(x=x.astype(np.float32)))).checksum
    assert load_dataset(written(tmp_path, packed(x=x, y=Y.astype(">u2")))).checksum == expected


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (Y, None),
        (Y[:, None], None),
        (Y + 1, ("1", "2", "3")),
        (np.where(Y > 1, 1, -1), ("-1", "1")),
        (Y > 0, ("False", "True")),
        (np.array(["cat", "dog", "ant"])[Y], ("ant", "cat", "dog")),
        (Y.astype(np.uint8)[:, None] * 10, ("0", "10", "20")),
    ],
    ids=["as they are", "a column", "from 1", "signs", "booleans", "words", "gaps"],
)
def test_labels_are_taken_by_value(tmp_path: Path, y: np.ndarray, names: tuple[str, ...] | None) -> None:
    data = load_dataset(written(tmp_path, packed(y=y, x_test=X, y_test=y)))
    assert data.preparation.classes == names
    assert np.array_equal(data.y_test.numpy(), np.unique(y, return_inverse=True)[1].ravel())


def test_other_arrays_are_not_read(tmp_path: Path) -> None:
    load_dataset(written(tmp_path, packed(names=np.array([{}], dtype=object))))


def test_the_home_folder_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, packed())
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_dataset("~/mine.npz").name == "mine"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"there is no file '.*gone\.npz'; give the path"):
        load_dataset(str(tmp_path / "gone.npz"))


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.npz").mkdir()
    with pytest.raises(DatasetError, match=r"must be a file, but .*mine\.npz' is not one"):
        load_dataset(str(tmp_path / "mine.npz"))


def plain_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, X)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"x,y\n1,2\n", plain_array(), pickle.dumps({"x": X, "y": Y}), packed()[:-40], packed()[:500]],
    ids=["empty", "text", "npy", "pickle", "without-end", "beginning"],
)
def test_anything_but_a_whole_npz_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "must be a whole file written by numpy.savez" in refusal(tmp_path, content)


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    assert "without pickled objects, but got" in refusal(tmp_path, packed(x=np.array([{}] * N, dtype=object)))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": None}, "must hold arrays x and y, but {file} has no x"),
        ({"y": None}, "must hold arrays x and y, but {file} has no y"),
        ({"x_test": X}, "x_test and y_test must come together, but {file} holds only x_test"),
        ({"y_test": Y}, "must come together, but {file} holds only y_test"),
        ({"x": X[:-1]}, "one entry per label in y, but got shapes (59, 3, 2) and (60,)"),
        ({"x": np.float64(1)}, "one entry per label in y, but got shapes () and (60,)"),
        ({"y": np.eye(4)[Y]}, "marks its class by the largest number, y = y.argmax(axis=1) makes them so"),
        ({"y": (Y + 0.5)[:, None, None]}, "one or more numbers per example, but got shape (60, 1, 1)"),
        ({"y": Y * 0 + 0.5}, "targets of 'mine' must differ between examples, but one is always the same"),
        (
            {"y": Y + 0.5, "x_test": X, "y_test": np.eye(4)[Y]},
            "the same number of targets, but got (60, 1) and (60, 4)",
        ),
        ({"y": np.int64(1)}, "one label per example, but got int64 of shape ()"),
        ({"x": None, "X": X}, "has no x; it holds y, X: numpy.savez(path, x=..., y=...) names them"),
        (
            {"y": 10 * (np.arange(N) // 2)},
            "but 1 is missing; classes, y = numpy.unique(y, return_inverse=True) makes them so",
        ),
        ({"x_test": X, "y_test": Y + 1}, "must be classes of its training, 0 … 2, but got 3"),
        ({"y": Y + 1, "x_test": X, "y_test": Y}, "must be classes of its training, 1, 2, 3, but got '0'"),
        ({"x": X[:, :0]}, "x of {file} must not be empty, but got shape (60, 0, 2)"),
        ({"x": X[:0], "y": Y[:0]}, "x of {file} must not be empty, but got shape (0, 3, 2)"),
        ({"x": X.astype(complex)}, "x of {file} must be an array of numbers, but got complex128"),
        ({"x": X.astype(str)}, "x of {file} must be an array of numbers, but got <U"),
        ({"x": np.full((N, 2), "red")}, "but got <U3, such as 'red'; encode words as numbers"),
        ({"x": Y.astype("M8[D]")}, "x of {file} must be an array of numbers, but got datetime64[D]"),
        ({"x": replaced(np.nan)}, "must hold finite numbers within float32, but x["),
        ({"x": replaced(np.inf)}, "must hold finite numbers within float32, but x["),
        ({"x": replaced(-1e39)}, "must hold finite numbers within float32, but x["),
        ({"x": replaced(0).astype("g") * np.longdouble("1e4000")}, "must hold finite numbers within float32"),
        ({"x_test": replaced(np.nan), "y_test": Y}, "x_test of {file} must hold finite numbers"),
        ({"x_test": X[:, :2], "y_test": Y}, "must have the same number of features, but got 6 and 4"),
        ({"x_test": X[:5], "y_test": Y}, "x_test of {file} must have one entry per label in y_test"),
        (
            {"x": table(np.nan)},
            "but x[3, 1] is nan (row 3, column 1, counted from 0), and 1 more are not finite; fill",
        ),
    ],
)
def test_unsuitable_arrays_are_refused(tmp_path: Path, arrays: dict[str, object], message: str) -> None:
    assert message.format(file=repr(str(tmp_path / "mine.npz"))) in refusal(tmp_path, packed(**arrays))


def test_arrays_that_do_not_fit_into_memory_are_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "machine_memory", lambda: 2**20)
    content = packed(x=np.zeros((60, 1000)))
    assert "x of " in refusal(tmp_path, content)
    assert "takes 0.0 GiB to prepare" in refusal(tmp_path, content)
    assert load_dataset(written(tmp_path, packed())).features == 6


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "mine.npz")
    with pytest.raises(DatasetError, match=r"must be a file, but .*mine\.npz' is not one"):
        load_dataset(str(tmp_path / "mine.npz"))


def test_a_long_name_is_refused_in_short() -> None:
    with pytest.raises(DatasetError, match="at most 4096 characters") as caught:
        load_dataset("x" * 100_000)
    assert len(str(caught.value)) < 200


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_in_one_line(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(packed(x_test=X[:9], y_test=Y[:9]))
    places = st.integers(0, len(content) - 1)
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=8)):
        content[place] = value
    damaged = bytes(content[: data.draw(st.one_of(st.just(len(content)), places))])
    assert "\n" not in outcome(written(tmp_path_factory.getbasetemp(), damaged))
