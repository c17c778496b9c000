"""The stratified split, and scaling by its training part."""

import json

import numpy as np
import pytest

from smartmixed_search.datasets.preparation import Preparation
from smartmixed_search.datasets.prepared import preparation_of
from smartmixed_search.datasets.source import Source
from smartmixed_search.datasets.split import split
from smartmixed_search.errors import DatasetError


def source(n: int = 200, classes: int = 4, own_test: bool = False, **changes: object) -> Source:
    """Return examples of one feature that tells which example it is."""
    y = np.arange(n) % classes
    values = {"name": "toy", "x": np.arange(n)[:, None], "y": y, "largest": 1.0}
    if own_test:
        values |= {"x_test": np.arange(n, n + 10)[:, None], "y_test": np.arange(10) % classes}
    return Source(**(values | changes))


def test_every_example_is_in_exactly_one_part() -> None:
    dataset = split(source())
    parts = [dataset.x_train, dataset.x_val, dataset.x_test]
    assert sorted(np.concatenate(parts).ravel()) == list(range(200))


def test_a_fifth_is_for_testing_and_a_tenth_of_the_rest_for_validation() -> None:
    dataset = split(source())
    assert [len(y) for y in (dataset.y_train, dataset.y_val, dataset.y_test)] == [144, 16, 40]


def test_every_part_holds_the_classes_in_equal_shares() -> None:
    dataset = split(source())
    counts = [np.bincount(y).tolist() for y in (dataset.y_train, dataset.y_val, dataset.y_test)]
    assert counts == [[36] * 4, [4] * 4, [10] * 4]


def test_labels_stay_with_their_examples() -> None:
    dataset = split(source())
    np.testing.assert_array_equal(dataset.x_train[:, 0].long() % 4, dataset.y_train)


def test_an_official_test_set_is_kept_as_it_is() -> None:
    dataset = split(source(own_test=True))
    assert dataset.x_test.ravel().tolist() == list(range(200, 210))
    assert [len(y) for y in (dataset.y_train, dataset.y_val)] == [180, 20]


def test_the_split_is_the_same_every_time() -> None:
    assert split(source()).checksum == split(source()).checksum


def test_features_are_standardised_by_the_training_part() -> None:
    dataset = split(source(largest=None))
    train, stored = dataset.x_train.double(), split(source())
    assert train.mean().item() == pytest.approx(0, abs=1e-6)
    assert train.std(correction=0).item() == pytest.approx(1, abs=1e-6)
    mean, deviation = stored.x_train.mean(), stored.x_train.std(correction=0)
    np.testing.assert_allclose(dataset.x_test, (stored.x_test - mean) / deviation, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, -3e38, 1e-300])
def test_a_constant_feature_becomes_zero(value: float) -> None:
    dataset = split(source(largest=None, x=np.full((200, 1), value)))
    assert max(abs(x).max().item() for x in (dataset.x_train, dataset.x_val, dataset.x_test)) <= 1e-6 * abs(value)


def test_a_small_spread_around_a_large_mean_is_no_constant() -> None:
    x = 1.6e9 + np.arange(200.0)[:, None]
    np.testing.assert_allclose(split(source(largest=None, x=x)).x_train, split(source(largest=None)).x_train, atol=1e-5)


def test_integers_are_standardised_like_floats() -> None:
    x = np.arange(200, dtype=np.uint8)[:, None]
    assert split(source(largest=None, x=x)).checksum == split(source(largest=None)).checksum


def test_a_test_example_beyond_float32_is_refused() -> None:
    x, x_test = np.linspace(0, 1e-30, 200)[:, None], np.full((4, 1), 1e30)
    with pytest.raises(DatasetError, match=r"finite when standardised .* but one lies .*e\+.* away$"):
        split(source(largest=None, x=x, x_test=x_test, y_test=np.arange(4)))


@pytest.mark.parametrize(("n", "classes"), [(4, 4), (3, 2)])
@pytest.mark.parametrize("label", [np.int64, np.uint64])
def test_too_few_examples_are_refused(n: int, classes: int, label: type) -> None:
    with pytest.raises(DatasetError, match=rf"examples of every class to train, validate and test, but got {n} in"):
        split(source(n, classes, y=(np.arange(n) % classes).astype(label)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": np.arange(200) % 4 - 1}, "integers 0 … C-1, but got -1; classes, y = numpy.unique.*"),
        ({"y": np.arange(200) % 4 + 1}, "every class 0 … 4 of 'toy', but 0 is missing; y = y - 1 makes them so.*"),
        (
            {"y": np.arange(200) % 4 * 2},
            "every class 0 … 6 of 'toy', but 1 is missing; classes, y = numpy.unique.*",
        ),
        ({"y": np.full(200, 2**64 - 1, np.uint64)}, "two classes, but got only 18446744073709551615"),
        ({"y": np.zeros(200, int)}, "at least two classes, but got only 0"),
        ({"x_test": np.zeros((2, 1)), "y_test": np.array([0, 4])}, "training, 0 … 3, but got 4"),
        ({"x_test": np.zeros((2, 1)), "y_test": np.array([-7, 0])}, "training, 0 … 3, but got -7"),
    ],
)
def test_labels_that_are_not_the_classes_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(DatasetError, match=f"{message}$"):
        source(**changes)


def test_a_class_may_be_absent_from_an_official_test_set() -> None:
    assert source(x_test=np.zeros((2, 1)), y_test=np.array([0, 1])).classes == 4


@pytest.mark.parametrize("largest", [None, 16.0])
def test_a_dataset_says_how_raw_examples_are_prepared(largest: float | None) -> None:
    raw = source(own_test=True, largest=largest)
    dataset = split(raw)
    said = dataset.preparation
    assert said is not None
    assert Preparation.from_dict(json.loads(json.dumps(said.to_dict()))) == said
    if said.divisor is None:
        prepared = (raw.x_test - np.asarray(said.mean)) / np.asarray(said.deviation)
    else:
        prepared = raw.x_test / said.divisor
    np.testing.assert_allclose(dataset.x_test, prepared, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("digits", "divided by 16"),
        ("kmnist", "divided by 255"),
        ("wine", "each feature less its mean, divided by its standard deviation, of the training examples"),
    ],
)
def test_a_name_tells_the_kind_of_preparation(name: str, said: str) -> None:
    assert str(preparation_of(name)) == said
