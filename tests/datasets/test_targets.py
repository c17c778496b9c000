"""What targets are learned as: classes or numbers, and numbers on a scale that the training part gives."""

from pathlib import Path

import numpy as np
import pytest

from smartmixed_search.datasets import Dataset, load_dataset
from smartmixed_search.datasets.dataset import describe_sizes
from smartmixed_search.errors import DatasetError
from smartmixed_search.tasks.classification import Classification
from smartmixed_search.tasks.regression import Regression

N = 60
X = np.random.default_rng(0).normal(size=(N, 4))
NUMBERS = np.random.default_rng(1).normal(50, 7, size=N)
PAIRS = np.column_stack([NUMBERS, 1000 - NUMBERS**2])


def saved(folder: Path, **arrays: np.ndarray) -> str:
    path = folder / "mine.npz"
    np.savez(path, **{"x": X, **arrays})
    return str(path)


@pytest.mark.parametrize(
    ("y", "task", "expected"),
    [
        (np.arange(N) % 3, None, Classification),
        (NUMBERS, None, Regression),
        (NUMBERS.astype("f2"), None, Regression),
        (PAIRS, None, Regression),
        (np.arange(N), "regression", Regression),
        (np.arange(N) % 2.0, "regression", Regression),
        (np.arange(N) % 2.0, None, Classification),
        (np.arange(N) % 20.0, None, Classification),
        (np.arange(N) % 21.0, None, Regression),
        (np.arange(N) % 2 > 0, "regression", Regression),
        (np.arange(N) % 3.0, "classification", Classification),
        (np.arange(N)[:, None] % 3.0, "classification", Classification),
        (np.arange(N) % 2 > 0, "classification", Classification),
    ],
)
def test_the_task_follows_from_the_target_unless_it_is_said(
    tmp_path: Path, y: np.ndarray, task: str | None, expected: type
) -> None:
    assert isinstance(load_dataset(saved(tmp_path, y=y), task=task).task, expected)


@pytest.mark.parametrize(("different", "taken"), [(3, "classes"), (30, "numbers")])
def test_it_is_said_what_whole_floats_are_taken_for(tmp_path: Path, different: int, taken: str) -> None:
    note = load_dataset(saved(tmp_path, y=np.arange(N) % float(different))).notes[0]
    assert f"has {different} different whole numbers, taken for {taken}; task: " in note


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (NUMBERS, "task must be regression where .*, but got classification"),
        (np.eye(3)[np.arange(N) % 3], "marks its class by the largest number"),
    ],
)
def test_numbers_are_no_classes(tmp_path: Path, y: np.ndarray, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load_dataset(saved(tmp_path, y=y), task="classification")


@pytest.mark.parametrize("y", [NUMBERS, PAIRS], ids=["one", "two"])
def test_targets_are_standardised_by_the_training_part(tmp_path: Path, y: np.ndarray) -> None:
    data = load_dataset(saved(tmp_path, y=y, x_test=X, y_test=y))
    task, stored = data.task, y.reshape(N, -1)
    assert isinstance(task, Regression)
    assert (data.y_train.shape[1], task.outputs, len(task.mean), len(task.deviation)) == (stored.shape[1],) * 4
    assert data.y_train.dtype == data.y_test.dtype == data.x_train.dtype
    assert data.y_train.double().mean(0).tolist() == pytest.approx([0] * task.targets, abs=1e-6)
    assert data.y_train.double().std(0, correction=0).tolist() == pytest.approx([1] * task.targets, abs=1e-6)
    restored = data.y_test.double().numpy() * task.deviation + task.mean
    np.testing.assert_allclose(restored, stored, rtol=1e-6, atol=1e-6 * stored.std(0).max())


def test_another_unit_is_another_dataset(tmp_path: Path) -> None:
    metres, feet = (load_dataset(saved(tmp_path, y=NUMBERS * unit)) for unit in (1, 4))
    assert (metres.y_train == feet.y_train).all()
    assert metres.checksum != feet.checksum


@pytest.fixture(scope="module")
def diabetes() -> Dataset:
    return load_dataset("diabetes")


def test_diabetes_is_a_regression(diabetes: Dataset) -> None:
    assert diabetes.sizes == {"features": 10, "targets": 1, "train": 317, "val": 36, "test": 89}
    assert describe_sizes(diabetes.sizes).startswith("442 examples of 10 features with 1 number to predict: 317 to")


def test_a_regression_is_what_its_arrays_and_its_task_say(diabetes: Dataset) -> None:
    again = Dataset.from_arrays(diabetes.arrays(), **diabetes.facts)
    assert (again.task, again.sizes, again.limited(10).sizes["train"]) == (diabetes.task, diabetes.sizes, 10)


def test_digits_can_be_numbers_too() -> None:
    assert load_dataset("digits", task="regression").sizes["targets"] == 1


def test_few_examples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"enough examples to train, validate and test, but got 2; bring more$"):
        load_dataset(saved(tmp_path, x=X[:2], y=NUMBERS[:2]))
