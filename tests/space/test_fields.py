import math
from typing import Any

import numpy as np
import pytest

from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import show
from smartmixed_search.space.fields import Choices, Constant, Field, Range, parse_field
from smartmixed_search.trials.plain import as_number
from smartmixed_search.trials.rules import FRACTION, Rule, positive_number, whole_number

POSITIVE = positive_number()
COUNT = whole_number(2)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    ("text", "number"), [("1e-3", 0.001), ("5", 5.0), (".5", 0.5), ("1.", 1.0), ("-2E+1", -20.0), (7, 7), (0.25, 0.25)]
)
def test_numbers_are_numbers_also_as_text(text: str | float, number: float) -> None:
    assert as_number(text) == number


@pytest.mark.parametrize("value", ["abc", "", "1e", "nan", "inf", "1e999", math.nan, math.inf, True, None, [1], "1_0"])
def test_other_values_are_no_numbers(value: Any) -> None:
    assert as_number(value) is None


def test_shown_values_are_one_short_line() -> None:
    shown = show({"a": ["line\nbreak\u2028" * 50] * 50, "b": "x" * 1000})
    assert len(shown.splitlines()) == 1
    assert len(shown) < 600


@pytest.mark.parametrize(
    ("value", "rule", "field"),
    [
        (0.3, POSITIVE, Constant(value=0.3)),
        ("1e-3", POSITIVE, Constant(value=0.001)),
        (30.0, COUNT, Constant(value=30)),
        ({"low": 1, "high": "3e0", "log": True}, POSITIVE, Range(low=1.0, high=3.0, log=True)),
        ({"low": 2, "high": 8, "step": 2}, COUNT, Range(low=2, high=8, step=2)),
        ({"choices": [2, "4"]}, COUNT, Choices(values=(2, 4))),
        ({"choices": [0.5]}, FRACTION, Constant(value=0.5)),
        ({"choices": [10, "none"]}, positive_number(optional=True), Choices(values=(10.0, None))),
        (None, positive_number(optional=True), Constant(value=None)),
        ("none", positive_number(optional=True), Constant(value=None)),
    ],
)
def test_parsed(value: Any, rule: Rule, field: Field) -> None:
    assert parse_field("key", value, rule) == field


def test_high_need_not_be_a_step_away() -> None:
    field = Range(low=0.1, high=0.95, step=0.2)
    assert [field.at(index) for index in range(field.size)] == [0.1, 0.3, 0.5, 0.7, 0.9]


@pytest.mark.parametrize(
    "field",
    [
        Constant(value=0.3),
        Constant(value=None),
        Range(low=0.1, high=3.0, log=True),
        Range(low=0.05, high=0.5, step=0.025),
        Range(low=2, high=30),
        Choices(values=(0.1, 0.3, 1.0)),
    ],
)
def test_fields_survive_as_plain_data(field: Field) -> None:
    rule = COUNT if isinstance(field, Range) and field.whole else positive_number(optional=True)
    assert parse_field("key", field.to_plain(), rule) == field


@pytest.mark.parametrize(
    "field",
    [
        Range(low=0.1, high=3.0),
        Range(low=0.1, high=3.0, log=True),
        Range(low=0.05, high=0.5, step=0.025),
        Range(low=2, high=30),
        Range(low=1, high=10, log=True),
        Range(low=16, high=64, step=16),
        Choices(values=(0.1, 0.3, 1.0)),
    ],
)
def test_a_field_contains_whatever_it_draws(field: Field) -> None:
    generator = rng()
    assert all(field.contains(field.draw(generator)) for _ in range(200))


def test_whole_ranges_draw_both_ends() -> None:
    generator = rng()
    assert {Range(low=1, high=3).draw(generator) for _ in range(100)} == {1, 2, 3}


def test_log_ranges_draw_every_decade_equally() -> None:
    generator = rng()
    field = Range(low=0.01, high=100.0, log=True)
    assert np.mean([field.draw(generator) < 1 for _ in range(2000)]) == pytest.approx(0.5, abs=0.05)


def test_steps_are_the_decimal_numbers_one_would_write() -> None:
    field = Range(low=0.1, high=0.7, step=0.1)
    assert [field.at(index) for index in range(7)] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]


def test_index_is_the_inverse_of_at() -> None:
    field = Range(low=0.05, high=0.5, step=0.025)
    assert [field.index(field.at(index)) for index in range(field.size)] == list(range(19))
    assert field.index(0.06) is None


def test_nearest_is_a_value_of_the_range() -> None:
    assert Range(low=0.05, high=0.5, step=0.025).nearest(0.05 + 3 * 0.025) == 0.125


@pytest.mark.parametrize(
    ("value", "rule", "fragments"),
    [
        ([0.1, 0.2], POSITIVE, ["[0.1, 0.2]", "choices"]),
        ("abc", POSITIVE, ["'abc'", "greater than 0"]),
        (True, POSITIVE, ["True"]),
        (math.nan, POSITIVE, ["nan"]),
        (".inf", POSITIVE, [".inf"]),
        (0, POSITIVE, ["0"]),
        (-1.5, POSITIVE, ["-1.5"]),
        (1, FRACTION, ["1", "between 0 and 1"]),
        (10**400, POSITIVE, ["finite"]),
        (2.5, COUNT, ["2.5", "whole"]),
        (1, COUNT, ["1", "from 2"]),
        (10**7, COUNT, ["10000000", "1000000"]),
        (None, POSITIVE, ["None"]),
        ({}, POSITIVE, ["low"]),
        ({"low": 1}, POSITIVE, ["high"]),
        ({"low": 3, "high": 1}, POSITIVE, ["low is 3.0", "high is 1.0"]),
        ({"low": 3, "high": 3}, POSITIVE, ["low is 3.0", "write key: 3.0"]),
        ({"low": 0, "high": 1, "log": True}, POSITIVE, ["low", "0"]),
        ({"low": -1, "high": 1}, POSITIVE, ["low", "-1"]),
        ({"low": 0.5, "high": 1}, FRACTION, ["high", "1"]),
        ({"low": 1, "high": 3, "log": "yes"}, POSITIVE, ["log", "'yes'"]),
        ({"low": 1, "high": 3, "step": 0}, POSITIVE, ["step", "0"]),
        ({"low": 1, "high": 3, "step": -1}, POSITIVE, ["step", "-1"]),
        ({"low": 1, "high": 3, "step": 5}, POSITIVE, ["step", "5"]),
        ({"low": 1, "high": 3, "step": 1e-9}, POSITIVE, ["step", "1e-09"]),
        ({"low": 2, "high": 8, "step": 0.5}, COUNT, ["step", "0.5", "whole"]),
        ({"low": 1, "high": 3, "step": 1, "log": True}, POSITIVE, ["log", "step"]),
        ({"low": 1, "hihg": 3}, POSITIVE, ["hihg", "did you mean 'high'"]),
        ({"choices": []}, POSITIVE, ["choices", "[]"]),
        ({"choices": 3}, POSITIVE, ["choices", "3"]),
        ({"choices": [1, 1.0]}, POSITIVE, ["choices", "twice"]),
        ({"choices": [1], "low": 1}, POSITIVE, ["low"]),
        ({"choices": [1, None]}, POSITIVE, ["None"]),
        ({"choices": [None, "none"]}, positive_number(optional=True), ["choices", "twice"]),
    ],
)
def test_refused(value: Any, rule: Rule, fragments: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_field("key", value, rule)
    message = str(raised.value)
    assert len(message.splitlines()) == 1
    assert all(fragment in message for fragment in ["key", *fragments]), message
