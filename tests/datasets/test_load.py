"""Datasets by name, and what every dataset can do."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from smartmixed_search.datasets import DATASETS, Dataset, check_dataset, data_directory, dataset_name, load_dataset
from smartmixed_search.datasets.dataset import ARRAYS, checksum
from smartmixed_search.errors import DatasetError


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


def test_digits_hold_every_example_once(digits: Dataset) -> None:
    from sklearn.datasets import load_digits

    stored = np.sort(load_digits().data.astype(np.float32) / 16, axis=0)
    split = np.concatenate([digits.x_train, digits.x_val, digits.x_test])
    np.testing.assert_array_equal(np.sort(split, axis=0), stored)


def test_digits_have_the_promised_shapes_and_types(digits: Dataset) -> None:
    described = [(tensor.shape, tensor.dtype) for tensor in (getattr(digits, name) for name in ARRAYS)]
    sizes = (1293, 144, 360)
    assert described == [pair for n in sizes for pair in (((n, 64), torch.float32), ((n,), torch.int64))]
    assert (digits.features, digits.classes) == (64, 10)


def test_digits_pixels_lie_between_0_and_1(digits: Dataset) -> None:
    assert (digits.x_train.min(), digits.x_train.max()) == (0, 1)


def test_digits_are_the_same_on_every_machine(digits: Dataset) -> None:
    assert digits.checksum == "6db233865eb3d919"


def test_a_table_of_measurements_is_standardised_by_its_training_examples() -> None:
    table = load_dataset("breast-cancer")
    assert (table.features, table.classes) == (30, 2)
    assert [len(y) for y in (table.y_train, table.y_val, table.y_test)] == [409, 46, 114]
    assert table.x_train.mean(dim=0).abs().max() < 1e-6
    assert table.x_train.std(dim=0, correction=0) == pytest.approx(1, abs=1e-5)


def test_checksum_changes_with_one_label(digits: Dataset) -> None:
    arrays = digits.arrays() | {"y_val": digits.y_val.numpy()[::-1]}
    assert checksum(arrays) != digits.checksum


def test_read_only_arrays_are_shared_without_a_copy_or_a_warning(digits: Dataset) -> None:
    arrays = {name: array.copy() for name, array in digits.arrays().items()}
    for array in arrays.values():
        array.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rebuilt = Dataset.from_arrays(arrays, **digits.facts)
    addresses = {name: getattr(rebuilt, name).data_ptr() for name in ARRAYS}
    assert addresses == {name: array.ctypes.data for name, array in arrays.items()}


def test_arrays_share_memory(digits: Dataset) -> None:
    assert digits.arrays()["x_train"].ctypes.data == digits.x_train.data_ptr()


def test_moving_to_the_device_it_is_on_copies_nothing(digits: Dataset) -> None:
    assert digits.to("cpu") is digits


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_dataset_survives_a_gpu(digits: Dataset) -> None:
    assert checksum(digits.to("cuda").to("cpu").arrays()) == digits.checksum


def test_names() -> None:
    specs = (*DATASETS, "wine.npz", "some/where/wine.v2.npz")
    assert [dataset_name(spec) for spec in specs] == [*DATASETS, "wine", "wine.v2"]


def test_an_unknown_dataset_is_answered_with_the_nearest() -> None:
    with pytest.raises(DatasetError, match=r"but got 'fashion_mnist'; did you mean 'fashion-mnist'\? known: digits, "):
        check_dataset("fashion_mnist")


@pytest.mark.parametrize("spec", ["", "/", ".npz", "data.xlsx", "MNIST"])
def test_unknown_datasets_are_refused(spec: str) -> None:
    with pytest.raises(
        DatasetError,
        match=r"^a dataset must be a known one, but got .* known: digits, .*, or the path of a folder or file",
    ):
        check_dataset(spec)


def test_a_file_cannot_take_the_name_of_another_dataset() -> None:
    with pytest.raises(DatasetError, match=r"but got 'mine/mnist.npz'; rename the file$"):
        check_dataset("mine/mnist.npz")


def test_a_name_is_checked_without_looking_for_the_file() -> None:
    check_dataset("no/such/file.npz")


def test_the_data_directory_is_the_one_given_then_the_variable_then_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("SMARTMIXED_DATA_DIR", "~/data")
    given, variable = data_directory("/given"), data_directory()
    monkeypatch.setenv("SMARTMIXED_DATA_DIR", "")
    expected = ("/given", "/home/ada/data", "/home/ada/.cache/smartmixed-search")
    assert (given, variable, data_directory()) == tuple(map(Path, expected))
