"""What the numbers and words of a configuration must be: one rule, for a trial's fields and for a space's keys."""

from collections.abc import Mapping
from dataclasses import dataclass

from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import show
from smartmixed_search.method.selection_rate import AUTO
from smartmixed_search.trials.plain import Number, Value, as_number, read_word

COUNT_LIMIT = 10**6
"""Largest value of the fields that count something, and the most values a range may have."""

_LEAST_FLOAT, _LARGEST_FLOAT = 2.0**-126, (2.0 - 2.0**-23) * 2.0**127  # float32's smallest normal number, and largest


@dataclass(frozen=True, kw_only=True)
class Rule:
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

    def choice(self, key: str, value: object) -> str:
        """Return one of the words.

        Raises:
            ConfigError: it is not one of them.

        """
        return read_word(key, value, self.words)


def whole_number(low: int, high: int = COUNT_LIMIT, *, optional: bool = False) -> Rule:
    """Return the rule of a whole number from `low` to `high`."""
    text = f"a whole number from {low} to {high}" + (", or none" if optional else "")
    return Rule(text=text, whole=True, low=low, high=high, optional=optional)


def positive_number(*words: str, optional: bool = False) -> Rule:
    """Return the rule of a finite number greater than 0, both as training computes (in float32), or of some words."""
    others = [*words, *(["none"] if optional else [])]
    text = "a finite number greater than 0, both in float32" + (f", or {' or '.join(others)}" if others else "")
    return Rule(text=text, whole=False, low=_LEAST_FLOAT, high=_LARGEST_FLOAT, optional=optional, words=words)


FRACTION = Rule(text="between 0 and 1, both excluded", whole=False, low=0, high=1, open=True)
"""The rule of a share that is neither nothing nor everything."""

SETTINGS: Mapping[str, Rule] = {
    "phase_fraction": FRACTION,
    "temperature": positive_number(),
    "temperature_final": positive_number(optional=True),
    "epochs": whole_number(2),
    "learning_rate": positive_number(),
    "logit_learning_rate": positive_number(AUTO, optional=True),
    "batch_size": whole_number(1),
    "train_examples": whole_number(1, optional=True),
    "clip_norm": positive_number(),
    "clamp": positive_number(optional=True),
}
"""The numbers that a space may vary."""

COUNTS: Mapping[str, Rule] = {"replicates": whole_number(1), "seed": whole_number(0, 2**63 - 1)}
"""The numbers that are equal in all trials of a space."""

DEPTH, WIDTH = whole_number(1, 1000), whole_number(1, 2**20)
"""Of an architecture: how many hidden layers it has, and how wide each is."""

CHOICES: dict[str, tuple[str, ...]] = {
    "estimator": ("hard", "soft"),
    "output": ("logits", "softmax"),
    "handoff": ("inherit", "reinitialize"),
    "handoff_from": ("last", "best"),
    "evaluation": ("argmax", "sampled"),
    "objective": ("margin", "accuracy"),
    "precision": ("float32", "tf32", "bf16"),
}
"""The fields that take one of a few words, each with its default first."""

_IDENTITY = ("name", "dataset", "architecture", "architectures", "trials")
_SEARCH = ("sampler", "search", "scheduler", "resources")
OPTIONS = ("strategies", "controls", "pool", "plugins", *COUNTS, "objective")
"""The keys of a space that are equal in all of its trials."""
SPACE_KEYS = (*_IDENTITY, *SETTINGS, *(key for key in CHOICES if key != "objective"), *OPTIONS, *_SEARCH)
"""Every key that a space may have."""
