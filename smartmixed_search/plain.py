"""Plain data, as YAML and JSON give it: numbers, words and keys, and how a message shows them."""

import math
import re
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

from smartmixed_search.errors import ConfigError, one_of

Number = int | float
Value = Number | str | None
"""What a field of a search space can take: a number, a word, or nothing."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SHOWN = 60
_SECRETS = (
    re.compile(r"((?<!sqlite)(?<!file)://)\S*(@)"),  # a password may hold slashes and quotes, although it should not
    re.compile(r"((?<!sqlite)(?<!file)://[^\s'\"?#]*[?#])[^\s'\")]+()"),
)


def show(value: object) -> str:
    """Write a value for a message: one line, however large the value is."""
    writer = reprlib.Repr()
    writer.maxstring = writer.maxother = writer.maxlong = _SHOWN
    return writer.repr(value)


def concealed(text: str) -> str:
    """Return text with user, password, token and query of every URI in it left out.

    Example:
        >>> concealed("no answer of http://me:secret@host:5000/?key=secret")
        'no answer of http://…@host:5000/?…'
    """
    for secret in _SECRETS:
        text = secret.sub(r"\1…\2", text)
    return text


def counted(count: int, noun: str) -> str:
    """Write a number of things.

    Example:
        >>> counted(1, "trial"), counted(12000, "trial")
        ('1 trial', '12,000 trials')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def are(count: int) -> str:
    """Return the verb of a number of things."""
    return "is" if count == 1 else "are"


def as_number(value: object) -> Number | None:
    """Return the finite number a value stands for, or None; `1e-3` may be text, since PyYAML reads it as such."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isinstance(value, int) or math.isfinite(value) else None


def read_word(key: str, value: object, words: Sequence[str]) -> str:
    """Return a value that is one of the words.

    Raises:
        ConfigError: it is none of them; the message names the nearest one.

    """
    if isinstance(value, str) and value in words:
        return value
    raise ConfigError(one_of(key, value if isinstance(value, str) and len(value) <= _SHOWN else _Shown(value), words))


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
