"""What is known of a sweep before its first trial: how many distinct trials there are, and how far logits move."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Self, TypeVar

from smartmixed_search.method.selection_rate import AUTO, ENOUGH_TRAVEL, logit_rate
from smartmixed_search.space.fields import Choices, Constant, Field, Range
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.trials.config import selection_epochs
from smartmixed_search.trials.plain import Value

T = TypeVar("T", int, float)

_MORE_STEPS = "more epochs, a larger phase_fraction or a smaller batch_size give more steps"


def count_trials(space: SearchSpace, enough: int) -> int:
    """Count the distinct trials of a space; the counting stops at `enough`."""
    schedules = {"epochs", "phase_fraction"}
    total = space.architectures or space.architecture.count(enough)
    for key, field in space.settings.items():
        total = total if key in schedules else _times(total, field.size, enough)
    lengths, epochs = 0, space.settings["epochs"]
    assert epochs.size is not None, "whole numbers"
    for place in range(min(epochs.size, enough)):
        lengths += _count_lengths(space.settings["phase_fraction"], int(epochs.at(place) or 0))
        if total * lengths >= enough:
            return enough
    return total * lengths


def remarks(space: SearchSpace) -> list[str]:
    """Return what a user may not expect of the trials, a line each: fewer are possible, or none is tuned."""
    possible = count_trials(space, space.trials)
    if possible < space.trials:
        return [f"trials: {space.trials:,} asked, {possible:,} possible; a range or choices for a setting give more"]
    first = space.architectures or 0
    if space.trials <= first and space.tunable and space.contains_published:
        tuned = ", ".join(space.tunable)
        return [f"trials: {space.trials:,}, each at the published setting; {tuned} are tuned from trial {first + 1} on"]
    return []


def _times(total: int, size: int | None, enough: int) -> int:
    return enough if size is None else min(enough, total * size)


def _count_lengths(fraction: Field, epochs: int) -> int:
    """Count the lengths in whole epochs that a selection phase of that many epochs can have."""
    if isinstance(fraction, Range) and (fraction.step is None or fraction.step * epochs < 1):  # none is left out
        shortest, longest = (selection_epochs(end, epochs) for end in fraction.extremes)
        return longest - shortest + 1
    assert fraction.size is not None
    return len({selection_epochs(float(fraction.at(place) or 0), epochs) for place in range(fraction.size)})


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How far a logit can move in the selections of a space's trials; each the least and the most of all trials."""

    steps: tuple[int, int]
    rates: tuple[float, float]
    """Adam's learning rate for logits."""
    travel: tuple[float, float]
    """Steps times rate: as far as Adam moves a number whose gradients agree."""

    @classmethod
    def of(cls, space: SearchSpace, train_examples: int) -> Self:
        """Return it for a dataset of that many training examples."""
        keys = ("epochs", "phase_fraction", "batch_size", "train_examples", "learning_rate", "logit_learning_rate")
        steps: list[int] = []
        rates, travel = [], []
        for values in product(*(_ends(space.settings[key]) for key in keys)):
            config = space.config((1,), {**_any_values(space), **dict(zip(keys, values, strict=True))})
            examples = min(train_examples, config.train_examples or train_examples)
            steps.append(config.selection_epochs * -(-examples // config.batch_size))
            rates.append(logit_rate(config.logit_learning_rate, config.learning_rate, steps[-1]))
            travel.append(steps[-1] * rates[-1])
        return cls(steps=_span(steps), rates=_span(rates), travel=_span(travel))

    @property
    def enough(self) -> bool:
        """Whether neurons can decide in every trial."""
        return self.travel[0] >= ENOUGH_TRAVEL

    def in_words(self) -> str:
        """Return it in a line.

        Example:
            >>> print(Reach(steps=(16, 80), rates=(0.1, 0.1), travel=(1.6, 8.0)).in_words().partition(": too")[0])
            selection: 16 to 80 steps at logit_learning_rate 0.1 move a logit by 1.6 to 8 at most
        """
        told = f"selection: {_between(*self.steps)} steps at logit_learning_rate {_between(*self.rates)}"
        told += f" move a logit by {_between(*self.travel)} at most"
        if self.enough:
            return told
        fewest = self.steps[0]
        auto_does = fewest * logit_rate(AUTO, 0.0, fewest) >= ENOUGH_TRAVEL
        return f"{told}: too little to decide with confidence (about {ENOUGH_TRAVEL:g} is needed); " + (
            f"logit_learning_rate auto does, or {ENOUGH_TRAVEL / fewest:.2g} or more" if auto_does else _MORE_STEPS
        )


def _ends(field: Field) -> tuple[Value, ...]:
    """Return the least and the largest number of a field, and every word: steps, rates and travel are monotonic."""
    words = field.values if isinstance(field, Choices) else ()
    return tuple(dict.fromkeys([*field.extremes, *(one for one in words if not isinstance(one, int | float))]))


def _any_values(space: SearchSpace) -> dict[str, Value]:
    return {key: field.extremes[0] for key, field in space.settings.items() if not isinstance(field, Constant)}


def _span(values: Iterable[T]) -> tuple[T, T]:
    found = sorted(values)
    return found[0], found[-1]


def _between(low: float, high: float) -> str:
    texts = [f"{value:,}" if isinstance(value, int) else f"{value:.2g}" for value in (low, high)]
    return texts[0] if texts[0] == texts[1] else " to ".join(texts)
