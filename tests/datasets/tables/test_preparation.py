"""Features are fitted on training rows and made alike of one row and of all."""

import json

import numpy as np
import pandas as pd
import pytest

from smartmixed_search.datasets.prepared import read_preparation
from smartmixed_search.datasets.tables.columns import understand
from smartmixed_search.datasets.tables.frames import read_frame
from smartmixed_search.datasets.tables.preparation import MOST_CATEGORIES, TablePreparation, prepare
from smartmixed_search.errors import DatasetError

ROWS = pd.DataFrame(
    {
        "size": ["1", "2", "NA", "4", "1", "2"],
        "colour": ["red", "blue", "red", "", "green", "red"],
        "open": ["yes", "no", "yes", "no", "no", "yes"],
        "same": ["x"] * 6,
    },
    dtype="str",
)


def fitted(rows: pd.DataFrame = ROWS, kinds: dict[str, str] | None = None) -> TablePreparation:
    raw = read_frame(rows)
    _, features = prepare(raw.cells, understand(raw, kinds), [np.arange(len(rows))])
    return TablePreparation(target="y", classes=("no", "yes"), features=features)


def test_features_have_names() -> None:
    assert fitted().names == [
        "size",
        "size missing",
        *("colour=blue", "colour=green", "colour=red", "colour other", "colour missing"),
        "open",
    ]


def test_numbers_are_standardised_and_a_missing_one_is_the_median() -> None:
    size, missing = fitted().transform(ROWS)[:, :2].T
    filled = np.array([1, 2, 2, 4, 1, 2])
    np.testing.assert_allclose(size, (filled - filled.mean()) / filled.std(), rtol=1e-6)
    np.testing.assert_array_equal(missing, [0, 0, 1, 0, 0, 0])


def test_categories_are_marked_and_a_strange_one_has_its_place() -> None:
    rows = ROWS.assign(colour=["red", "violet", "", "blue", "green", "red"])
    np.testing.assert_array_equal(fitted().transform(rows)[:4, 2:7].argmax(1), [2, 3, 4, 0])


def test_of_many_categories_the_most_frequent_have_features() -> None:
    words = [f"w{number:02}" for number in range(40) for _ in range(3 + (number < 35))]
    rows = pd.DataFrame({"word": words}, dtype="str")
    names = fitted(rows).names
    assert len(names) == MOST_CATEGORIES + 1
    assert names[-1] == "word other"


def test_every_row_alone_is_prepared_as_in_the_table() -> None:
    preparation = fitted()
    whole = preparation.transform(ROWS)
    for place in range(len(ROWS)):
        np.testing.assert_array_equal(preparation.transform(ROWS.iloc[[place]])[0], whole[place])


def test_columns_are_found_by_name_in_any_order_beside_others() -> None:
    preparation = fitted()
    shuffled = ROWS[["open", "colour", "same", "size"]].assign(more="1")
    np.testing.assert_array_equal(preparation.transform(shuffled), preparation.transform(ROWS))


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DatasetError, match="no column 'colour'"):
        fitted().transform(ROWS.drop(columns="colour"))


def test_a_number_beyond_float32_is_named() -> None:
    with pytest.raises(DatasetError, match="'size' of row 1"):
        fitted().transform(ROWS.assign(size=["1", "1e300", "1", "1", "1", "1"]))


def test_a_constant_number_is_no_division_by_zero() -> None:
    rows = pd.DataFrame({"size": ["0.1", "0.1", "0.1"]}, dtype="str")
    features = fitted(rows, {"size": "number"}).transform(rows)
    np.testing.assert_allclose(features, 0, atol=1e-15)


def test_parts_are_made_as_all_rows_together_are() -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(9000, 3)), columns=["a", "b", "c"]).where(rng.random((9000, 3)) < 0.9)
    rows = rows.assign(word=rng.choice(["red", "green", ""], 9000))
    raw, (train, rest) = read_frame(rows), np.split(rng.permutation(9000), [5000])
    parts, features = prepare(raw.cells, understand(raw), [train, rest])
    whole = TablePreparation(target="y", classes=(), features=features).transform(rows)
    for part, places in zip(parts, (train, rest), strict=True):
        np.testing.assert_array_equal(part, whole[places])


def test_what_is_written_is_read_again() -> None:
    preparation = fitted()
    assert read_preparation(json.loads(json.dumps(preparation.to_dict()))) == preparation
