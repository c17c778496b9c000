"""A field of a search space that holds numbers or words: a constant, a range of numbers, or choices."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import show
from smartmixed_search.trials.plain import Number, Value, check_keys
from smartmixed_search.trials.rules import COUNT_LIMIT, Numbers, Rule

_RANGE_KEYS = ("low", "high", "log", "step")


@dataclass(frozen=True, kw_only=True)
class Constant:
    """One value; None: the field says `none`."""

    value: Value

    @property
    def extremes(self) -> tuple[Value, Value]:
        """Smallest and largest value."""
        return self.value, self.value

    @property
    def size(self) -> int:
        """Number of values."""
        return 1

    def at(self, index: int) -> Value:
        """Return the value; its index is 0."""
        return self.value

    def index(self, value: Value) -> int | None:
        """Return the index of a value, or None if the field does not contain it."""
        return 0 if value == self.value else None

    def contains(self, value: Value) -> bool:
        """Whether the field can take the value."""
        return value == self.value

    def draw(self, rng: np.random.Generator) -> Value:
        """Return the value; nothing is drawn."""
        return self.value

    def to_plain(self) -> Value:
        """Return what `parse_field` reads."""
        return self.value


@dataclass(frozen=True, kw_only=True)
class Choices:
    """One of several values, all equally likely."""

    values: tuple[Value, ...]

    @property
    def extremes(self) -> tuple[Value, Value]:
        """Smallest and largest value; of words, which have no order, the first and the last."""
        numbers = [value for value in self.values if isinstance(value, int | float)]
        return (min(numbers), max(numbers)) if numbers else (self.values[0], self.values[-1])

    @property
    def size(self) -> int:
        """Number of values."""
        return len(self.values)

    def at(self, index: int) -> Value:
        """Return the value of that index, counted from 0."""
        return self.values[index]

    def index(self, value: Value) -> int | None:
        """Return the index of a value, or None if the field does not contain it."""
        return self.values.index(value) if value in self.values else None

    def contains(self, value: Value) -> bool:
        """Whether the field can take the value."""
        return value in self.values

    def draw(self, rng: np.random.Generator) -> Value:
        """Draw a value."""
        return self.values[int(rng.integers(self.size))]

    def to_plain(self) -> dict[str, Any]:
        """Return what `parse_field` reads."""
        return {"choices": list(self.values)}


@dataclass(frozen=True, kw_only=True)
class Range:
    """Every number from `low` to `high`, both included; whole numbers where both are."""

    low: Number
    high: Number
    log: bool = False
    """Whether the logarithm is drawn uniformly, not the number."""
    step: Number | None = None
    """Distance between the values, the first of which is `low`; None: every (whole) number."""

    @property
    def whole(self) -> bool:
        """Whether the values are whole numbers."""
        return isinstance(self.low, int)

    @property
    def extremes(self) -> tuple[Number, Number]:
        """Smallest and largest value."""
        return self.low, self.high

    @property
    def size(self) -> int | None:
        """Number of values; None: a continuum."""
        if self.step is None and not self.whole:
            return None
        return int((_exact(self.high) - _exact(self.low)) // _exact(self.step or 1)) + 1

    def at(self, index: int) -> Number:
        """Return the value of that index, counted from 0; the range must not be a continuum."""
        value = _exact(self.low) + index * _exact(self.step or 1)
        return int(value) if self.whole else float(value)

    def index(self, value: Number) -> int | None:
        """Return the index of a value, or None if the field does not contain it; not for a continuum."""
        index = self._nearest_index(value)
        return index if self.at(index) == value else None

    def nearest(self, value: Number) -> Number:
        """Return the value of the range that is nearest to a number; of a continuum the number itself."""
        return value if self.size is None else self.at(self._nearest_index(value))

    def _nearest_index(self, value: Number) -> int:
        assert self.size is not None
        index = round((_exact(value) - _exact(self.low)) / _exact(self.step or 1))
        return min(max(index, 0), self.size - 1)

    def contains(self, value: Number) -> bool:
        """Whether the field can take the value."""
        return self.low <= value <= self.high if self.size is None else self.index(value) is not None

    def draw(self, rng: np.random.Generator) -> Number:
        """Draw a value."""
        if self.log:
            return self._draw_log(rng)
        if self.size is not None:
            return self.at(int(rng.integers(self.size)))
        return float(rng.uniform(self.low, self.high))

    def _draw_log(self, rng: np.random.Generator) -> Number:
        margin = 0.5 if self.whole else 0.0  # so that the first and last whole number get their full share
        drawn = math.exp(rng.uniform(math.log(self.low - margin), math.log(self.high + margin)))
        return min(max(round(drawn) if self.whole else drawn, self.low), self.high)

    def to_plain(self) -> dict[str, Any]:
        """Return what `parse_field` reads."""
        plain: dict[str, Any] = {"low": self.low, "high": self.high}
        if self.log:
            plain["log"] = True
        if self.step is not None:
            plain["step"] = self.step
        return plain


Field = Constant | Range | Choices


def parse_field(key: str, value: object, rule: Rule) -> Field:
    """Read a constant, `{choices: [...]}`, or of numbers `{low, high, log?, step?}`; all that is in it keeps the rule.

    Raises:
        ConfigError: it is not one of these, or a value breaks the rule.

    Example:
        >>> from smartmixed_search.trials.rules import positive_number
        >>> parse_field("temperature", {"low": 0.1, "high": "3e0", "log": True}, positive_number())
        Range(low=0.1, high=3.0, log=True, step=None)

    """
    if isinstance(value, Mapping):
        if isinstance(rule, Numbers) and "choices" not in value:
            return _parse_range(key, value, rule)
        return _parse_choices(key, value, rule)
    if isinstance(rule, Numbers) and isinstance(value, Sequence) and not isinstance(value, str):
        raise ConfigError(f"{key} must be a number, {{low, high}} or {{choices: [...]}}, but got {show(value)}")
    return Constant(value=rule.choice(key, value))


def _parse_choices(key: str, value: Mapping[str, Any], rule: Rule) -> Choices | Constant:
    check_keys(key, value, ("choices",))
    choices = value.get("choices")
    if not isinstance(choices, list | tuple) or not choices:
        raise ConfigError(f"{key}: choices must be a list of one or more values, but got {show(choices)}")
    values = tuple(rule.choice(key, choice) for choice in choices)
    if len(set(values)) < len(values):
        raise ConfigError(f"{key}: choices must not name a value twice, but got {show(list(choices))}")
    return Choices(values=values) if len(values) > 1 else Constant(value=values[0])


def _parse_range(key: str, value: Mapping[str, Any], rule: Numbers) -> Range:
    check_keys(key, value, (*_RANGE_KEYS, "choices"))
    for name in ("low", "high"):
        if name not in value:
            raise ConfigError(f"{key}: a range must have low and high, but {show(dict(value))} has no {name}")
    low, high = (rule.read(f"{key}: {name}", value[name]) for name in ("low", "high"))
    if low >= high:
        raise ConfigError(
            f"{key}: low must be less than high, but low is {low}, high is {high}"
            + (f"; for one value write {key}: {low}" if low == high else "")
        )
    log = value.get("log", False)
    if not isinstance(log, bool):
        raise ConfigError(f"{key}: log must be true or false, but got {show(log)}")
    step = value.get("step")
    if step is None:
        return Range(low=low, high=high, log=log)
    if log:
        raise ConfigError(f"{key}: a range must not have both log and step, but step is {show(step)}")
    return _with_step(key, low, high, step, rule.whole)


def _with_step(key: str, low: Number, high: Number, step: object, whole: bool) -> Range:
    distance = float(_exact(high) - _exact(low))
    least = 1 if whole else distance / COUNT_LIMIT
    text = f"a {'whole ' if whole else ''}number from {least} to {distance:g}"
    rule = Numbers(text=text, whole=whole, low=least, high=distance)
    return Range(low=low, high=high, step=rule.read(f"{key}: step", step))


def _exact(number: Number) -> Fraction:
    """Return the decimal number that was written, so that 0.1 + 2 · 0.1 is 0.3."""
    return Fraction(repr(number))
