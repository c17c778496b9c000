"""What numbers, words and names must be, wherever a person or a record gives them: one rule for each.

A rule may be relaxed, never tightened: what it refused could not be read any more from the records of earlier sweeps.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import one_of, show
from smartmixed_search.tasks.metric import METRICS
from smartmixed_search.trials.plain import Number, Value, as_number, read_word

COUNT_LIMIT = 10**6
"""Largest value of the fields that count something, and the most values a range may have."""

_LEAST_FLOAT, _LARGEST_FLOAT = 2.0**-126, (2.0 - 2.0**-23) * 2.0**127  # float32's smallest normal number, and largest


_TAKEN = ("loss", "correct", "rank")
"""What is recorded of every network, so that no function of a user's may be called so."""


class Rule(Protocol):
    """What the value of a field must be."""

    def choice(self, key: str, value: object) -> Any:
        """Return the value as a configuration has it.

        Raises:
            ConfigError: it breaks the rule.

        """


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """What the numbers of a field must be."""

    text: str
    """The rule in words, as messages have it."""
    whole: bool
    low: Number
    high: Number
    open: bool = False
    """Whether `low` and `high` themselves are excluded."""
    optional: bool = False
    """Whether the field may say `none`."""
    words: tuple[str, ...] = ()
    """Words that the field may say instead of a number."""

    def choice(self, key: str, value: object) -> Value:
        """Return a number that keeps the rule, or one of its words, or None for `none`; raises as `read` does."""
        if self.optional and (value is None or (isinstance(value, str) and value == "none")):
            return None
        return value if isinstance(value, str) and value in self.words else self.read(key, value)

    def read(self, key: str, value: object) -> Number:
        """Return a number that keeps the rule: an `int` where it is whole, else a `float`.

        Raises:
            ConfigError: the value is not a number, or breaks the rule.

        """
        number = as_number(value)
        if number is None or (self.whole and number != int(number)) or not self._holds(number):
            raise ConfigError(f"{key} must be {self.text}, but got {show(value)}")
        return int(number) if self.whole else float(number)

    def _holds(self, number: Number) -> bool:
        return self.low < number < self.high if self.open else self.low <= number <= self.high


@dataclass(frozen=True, kw_only=True)
class Words:
    """The words of which a field takes one."""

    words: tuple[str, ...]
    optional: bool = False
    """Whether the field may say `none`."""

    def choice(self, key: str, value: object) -> str | None:
        """Return one of the words, or None for `none`.

        Raises:
            ConfigError: it is not one of them.

        """
        if self.optional and (value is None or value == "none"):
            return None
        return read_word(key, value, self.words)


@dataclass(frozen=True, kw_only=True)
class Names:
    """A list of names; whether each is known, and whether they fit together, is for `TrialConfig` to say."""

    word: str | None = None
    """A word that stands for a list, which follows from other fields."""
    optional: bool = False
    """Whether the field may say `none`, for no name."""
    lists: Callable[[], Mapping[str, tuple[str, ...]]] | None = None
    """Returns lists with a name, by which the field may give them; a configuration has the list."""

    def choice(self, key: str, value: object) -> tuple[str, ...] | str:
        """Return the names, or the word.

        Raises:
            ConfigError: it is neither of these.

        """
        if self.optional and (value is None or value == "none"):
            return ()
        if isinstance(value, str) and value == self.word:
            return value
        if self.lists and not isinstance(value, list | tuple):
            lists = self.lists()
            return lists[read_word(key, value, lists, other="a list of names")]
        words = [*([self.word] if self.word else []), *(["none"] if self.optional else [])]
        text = f"{key} must be {' or '.join([*map(repr, words), 'a list of names'])}"
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise ConfigError(f"{text}, but got {show(value)}")
        for name in value:
            if not isinstance(name, str):
                raise ConfigError(f"{text}, but {show(name)} is in it")
        return tuple(value)


@dataclass(frozen=True, kw_only=True)
class Text:
    """A name that is somebody else's, such as of a column; or `none`."""

    def choice(self, key: str, value: object) -> str | None:
        """Return the text, or None for nothing.

        Raises:
            ConfigError: it is not text.

        """
        if value is None or value == "none":
            return None
        if isinstance(value, bool | list | dict) or not str(value).strip():
            raise ConfigError(f"{key} must be a name, but got {show(value)}")
        return str(value)


@dataclass(frozen=True, kw_only=True)
class WordFor:
    """For each of some names one of the words; or `none`."""

    words: tuple[str, ...]

    def choice(self, key: str, value: object) -> dict[str, str] | None:
        """Return words by name, or None for nothing.

        Raises:
            ConfigError: it is not a mapping, or a word is not one of them.

        """
        if value is None or value == "none":
            return None
        if not isinstance(value, Mapping) or not value:
            raise ConfigError(
                f"{key} must be names with a word for each, such as {{zip: category}}, but got {show(value)}"
            )
        for name, word in value.items():
            if word not in self.words and name in self.words:
                raise ConfigError(
                    f"{key} must be {{NAME: {name}}}, but got {show(value)}; did you mean {{{word}: {name}}}?"
                )
        return {str(name): read_word(f"{key}: {name}", word, self.words) for name, word in value.items()}


@dataclass(frozen=True, kw_only=True)
class NamedBy:
    """A name that is somebody else's, such as of a column, by one of some words: `{group: patient}`; or `none`."""

    words: tuple[str, ...]

    def choice(self, key: str, value: object) -> dict[str, str] | None:
        """Return the word and its name, or None for nothing; `group=patient` is read too.

        Raises:
            ConfigError: it is not a word with a name, or the word is not one of them.

        """
        if value is None or value == "none":
            return None
        if isinstance(value, str) and value.partition("=")[2]:
            value = dict([value.split("=", 1)])
        text = " or ".join(f"{{{word}: NAME}}" for word in self.words)
        if not isinstance(value, Mapping) or len(value) != 1:
            raise ConfigError(f"{key} must be {text}, but got {show(value)}")
        ((word, name),) = value.items()
        if word not in self.words:
            turned = f"; did you mean {{{name}: {word}}}?" if name in self.words else ""
            raise ConfigError(f"{key} must be {text}, but got {show(value)}{turned}")
        named = Text().choice(f"{key}: {word}", name)
        if named is None:
            raise ConfigError(f"{key}: {word} must be a name, but got {show(name)}")
        return {word: named}


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """What pictures are made: `size` in pixels, `channels`, 1 or 3, `range`, of black and white; or `none`."""

    def choice(self, key: str, value: object) -> dict[str, Any] | None:
        """Return what is said of them, or None for nothing.

        Raises:
            ConfigError: it is not a mapping, has an unknown key, or a value breaks its rule.

        """
        if value is None or value == "none":
            return None
        if not isinstance(value, Mapping) or not value:
            raise ConfigError(f"{key} must be such as {{size: 32, channels: 3}}, but got {show(value)}")
        said = {read_word(f"a key of {key}", one, ("size", "channels", "range")): given for one, given in value.items()}
        if "size" in said:
            said["size"] = whole_number(1, 4096).read(f"{key}: size", said["size"])
        if "channels" in said and said["channels"] not in (1, 3):
            raise ConfigError(f"{key}: channels must be 1 (grey) or 3 (colour), but got {show(said['channels'])}")
        if "range" in said:
            said["range"] = self._range(f"{key}: range", said["range"])
        return said

    def _range(self, key: str, value: object) -> list[float]:
        numbers = [as_number(one) for one in value] if isinstance(value, list | tuple) else []
        low, high = numbers if len(numbers) == 2 else (None, None)
        if low is None or high is None or not low < high:
            raise ConfigError(f"{key} must be the values of black and white, such as [0, 1], but got {show(value)}")
        return [float(low), float(high)]


@dataclass(frozen=True, kw_only=True)
class MetricName:
    """A metric of some task, `module:function` for a user's own, or `none`; whose it is, is not checked here."""

    def choice(self, key: str, value: object) -> str | None:
        """Return the name, or None for nothing.

        Raises:
            ConfigError: it is neither.

        """
        if value is None or value == "none":
            return None
        names = [metric.name for metrics in METRICS.values() for metric in metrics]
        if not isinstance(value, str) or value in names:
            return read_word(key, value, names)
        module, colon, function = value.partition(":")
        if not colon:
            raise ConfigError(one_of(key, value, names, other="module:function"))
        words = [*module.split("."), function]
        if not all(word.isidentifier() and word.isascii() for word in words) or function in (*names, *_TAKEN):
            raise ConfigError(f"{key} must be module:function, whose name no other figure has, but got {show(value)}")
        return value


def whole_number(low: int, high: int = COUNT_LIMIT, *, optional: bool = False) -> Numbers:
    """Return the rule of a whole number from `low` to `high`."""
    text = f"a whole number from {low} to {high}" + (", or none" if optional else "")
    return Numbers(text=text, whole=True, low=low, high=high, optional=optional)


def positive_number(*words: str, optional: bool = False) -> Numbers:
    """Return the rule of a finite number greater than 0, both as training computes (in float32), or of some words."""
    others = [*words, *(["none"] if optional else [])]
    text = "a finite number greater than 0, both in float32" + (f", or {' or '.join(others)}" if others else "")
    return Numbers(text=text, whole=False, low=_LEAST_FLOAT, high=_LARGEST_FLOAT, optional=optional, words=words)


FRACTION = Numbers(text="between 0 and 1, both excluded", whole=False, low=0, high=1, open=True)
"""The rule of a share that is neither nothing nor everything."""

DEPTH, WIDTH = whole_number(1, 1000), whole_number(1, 2**20)
"""Of an architecture: how many hidden layers it has, and how wide each is."""
