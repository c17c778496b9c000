"""What a column is, and what its cells mean."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from smartmixed_search.datasets.tables.cells import from_texts
from smartmixed_search.datasets.tables.columns import Column, understand
from smartmixed_search.datasets.tables.numbers import as_numbers, day_layout, decimal_commas
from smartmixed_search.datasets.tables.raw import RawTable
from smartmixed_search.errors import DatasetError


def text(*cells: str) -> "pd.Series[Any]":
    return from_texts(cells)


def understood(cells: "pd.Series[Any]", name: str = "c", **overrides: str) -> Column:
    (column,) = understand(RawTable(name="t", cells={name: cells}), overrides)
    return column


MANY = [str(number) for number in (3, 1, 4, 1, 5, 9, 2, 6, 5, 3) * 4]


@pytest.mark.parametrize(
    ("cells", "kind", "reason"),
    [
        (MANY, "number", "numbers"),
        ([*MANY, "NA"], "number", "numbers"),
        ([*MANY, "<0.5", "n.d."], "number", r"'<0\.5', 'n\.d\.' taken for missing \(2 cells\)"),
        ([*MANY[:6], "n.d.", "n.d."], "number", r"'n\.d\.' taken for missing \(2 cells\)"),
        (["yes", "no", "yes", ""], "boolean", "no and yes"),
        (["TRUE", "FALSE"], "boolean", "FALSE and TRUE"),
        (["01067", "99084", "04103"], "category", "leading zeros"),
        (["red", "blue", "red", "?"], "category", r"'\?' taken for missing \(1 cell\)"),
        (["unknown", "known", "unknown"], "category", "2 different texts"),
        (["2021-03-02", "2021-03-03"], "date", "year first"),
        (["02.03.2021", "13.03.2021"], "date", "day first"),
        (["13/03/2021", "02/03/2021"], "date", "day first"),
        (["03/13/2021", "03/02/2021"], "date", "month first"),
        (["", "NA"], "ignore", "no value"),
        (["crawl", "crawl"], "ignore", "'crawl' in every row"),
        (["note", ""], "ignore", "'note' in every row that has a value"),
        ([f"text {number}" for number in range(30)], "ignore", "free text or an identifier"),
        ([str(100 + number) for number in range(30)], "ignore", "numbers the rows"),
    ],
)
def test_a_columns_kind_is_decided_with_a_reason(cells: list[str], kind: str, reason: str) -> None:
    column = understood(text(*cells))
    assert column.kind == kind
    assert re.search(reason, column.reason)


def test_a_word_that_stands_for_nothing_among_others_is_named() -> None:
    reason = understood(text("red", "None", "red", "", "NA", "blue", "None")).reason
    assert reason.endswith(", 'NA', 'None' taken for missing (3 cells): a value of that name must be written otherwise")
    assert understood(text(*MANY, "NA")).reason == "numbers"


def test_a_name_tells_an_identifier() -> None:
    numbers = [str(97 * number % 1009) for number in range(30)]
    assert understood(text(*numbers), "patientId").kind == "ignore"
    assert understood(text(*numbers), "paid").kind == "number"


def test_a_kind_may_be_given() -> None:
    column = understood(text("1", "2", "1"), c="category")
    assert (column.kind, column.reason) == ("category", "as you say")
    values = column.values(text("1", "NA"))
    assert values[0] == "1"
    assert pd.isna(values[1])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [({"d": "number"}, "no column 'd'"), ({"c": "nubmer"}, r"must be one of number, .*did you mean 'number'")],
)
def test_an_override_that_fits_nothing_is_refused(overrides: dict[str, str], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        understood(text("1", "2"), **overrides)


@pytest.mark.parametrize(
    "cells", [[*MANY, "NA", "<5"], ["yes", "no", ""], ["a", "b", "a", "", "?"], ["02.03.2021", "13.03.2021", "NA"]]
)
def test_a_cell_alone_means_what_it_means_in_the_table(cells: list[str]) -> None:
    column = understood(text(*cells))
    together = column.values(text(*cells))
    for place, cell in enumerate(cells):
        (alone,) = column.values(text(cell))
        assert alone == together[place] or (pd.isna(alone) and pd.isna(together[place]))


def test_a_type_once_fixed_is_laid_on_other_cells() -> None:
    column = understood(text(*MANY))
    np.testing.assert_array_equal(column.values(text("12", "twelve", "", "1,024")), [12, np.nan, np.nan, 1024])


@pytest.mark.parametrize(
    ("cells", "commas"),
    [
        (["1.014,9", "296,6"], True),
        (["1,014.9", "296.6"], False),
        (["1,5", "2"], True),
        (["1,024", "2,048"], False),
        (["a, b"], False),
    ],
)
def test_the_decimal_sign_is_found(cells: list[str], commas: bool) -> None:
    assert decimal_commas(cells) is commas


@pytest.mark.parametrize(
    ("cell", "commas", "value"),
    [("1.014,9", True, 1014.9), ("1,014.9", False, 1014.9), ("-1e-3", False, -1e-3), (".5", False, 0.5)],
)
def test_numbers_are_read(cell: str, commas: bool, value: float) -> None:
    assert as_numbers([cell], commas)[0] == value


@pytest.mark.parametrize("cell", ["", ".", "-", "e5", "12a", "0x10", "1_000", "inf", "1,2,3"])
def test_what_is_no_number_is_none(cell: str) -> None:
    assert np.isnan(as_numbers([cell], False)[0])


def test_days_are_counted_and_a_missing_one_is_missing() -> None:
    cells = text("1970-01-02", "", "1970-01-01T12:00", "1970-01-01T12:00+12:00")
    np.testing.assert_array_equal(understood(cells).values(cells), [1.0, np.nan, 0.5, 0.0])


def test_a_day_alone_is_read_in_the_order_of_the_training_file() -> None:
    column = understood(text("13/03/2021", "02/03/2021"))
    (alone,) = column.values(text("02/03/2021"))
    assert alone == column.values(text("13/03/2021"))[0] - 11


@pytest.mark.parametrize("cell", ["31.02.2021", "2021-13-01", "99/99/2021"])
def test_what_is_no_day_is_none(cell: str) -> None:
    assert day_layout([cell]) is None


@pytest.mark.parametrize("kind", ["date", "boolean", "number"])
def test_a_given_kind_that_no_value_is_of_is_refused(kind: str) -> None:
    with pytest.raises(DatasetError, match=f"'c' must hold values of the kind {kind}, as you say, but got 'red'"):
        understood(text("red", "green", "blue"), c=kind)


def test_a_given_kind_says_what_it_makes_missing() -> None:
    assert understood(text("x", "y", "y", "z"), c="boolean").reason == "as you say, 'x' taken for missing (2 cells)"


@pytest.mark.parametrize(
    ("texts", "likely", "commas"),
    [
        (["0,013", "0,767"], False, True),
        (["1234,567"], False, True),
        (["12,345", "1,000"], False, False),
        (["12,345", "1,000"], True, True),
        (["1,234.5", "12,345"], True, False),
        (["12", "1.234"], True, False),
    ],
)
def test_three_digits_after_a_comma_are_decimals_unless_they_can_be_thousands(
    texts: list[str], likely: bool, commas: bool
) -> None:
    assert decimal_commas(texts, likely=likely) == commas
