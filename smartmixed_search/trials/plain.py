"""Plain data, as YAML and JSON give it: numbers, words and keys, and how a message shows them."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import SHOWN, one_of, show

Number = int | float
Value = Number | str | None
"""What a field of a search space can take: a number, a word, or nothing."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def as_number(value: object) -> Number | None:
    """Return the finite number a value stands for, or None; `1e-3` may be text, since PyYAML reads it as such."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isinstance(value, int) or math.isfinite(value) else None


def read_word(key: str, value: object, words: Collection[str], *, other: str = "") -> str:
    """Return a value that is one of the words; `other` is what else would be valid.

    Raises:
        ConfigError: it is not one of them; the message names the nearest one.

    """
    if isinstance(value, str) and value in words:
        return value
    shown = value if isinstance(value, str) and len(value) <= SHOWN else _Shown(value)
    raise ConfigError(one_of(key, shown, words, other=other))


def check_keys(what: str, plain: Mapping[Any, Any], known: Sequence[str]) -> None:
    """Refuse a key that is not known.

    Raises:
        ConfigError: the message names the key and the nearest known one.

    """
    for key in plain:
        read_word(f"a key of {what}", key, known)


class _Shown:
    """Stands in a message for a value that is not a short word."""

    def __init__(self, value: object) -> None:
        self._text = show(value)

    def __repr__(self) -> str:
        return self._text
