"""What a space's settings mean for the course of its trials: how long they may select, and when they are compared."""

from collections.abc import Mapping, Sequence

from smartmixed_search.errors import ConfigError
from smartmixed_search.space.fields import Field
from smartmixed_search.trials.config import SMARTMIXED, selection_epochs
from smartmixed_search.trials.settings import SETTINGS

RUNG_FACTOR = 3
"""A rung is this many times as late as the one before; one in this many trials goes on from it to the next."""


def selection_lengths(settings: Mapping[str, Field], epochs: int) -> tuple[int, ...]:
    """Return every length of the selection phase that trials of that many epochs can have.

    That is for trials which share baselines; where the settings that matter to these never recur, there are none.
    """
    if any(field.size is None for key, field in settings.items() if SETTINGS[key].baseline):
        return ()
    fraction = settings["phase_fraction"]
    if fraction.size is None:
        shortest, longest = (selection_epochs(float(end or 0), epochs) for end in fraction.extremes)
        return tuple(range(shortest, longest + 1))
    fractions = (float(fraction.at(place) or 0) for place in range(fraction.size))
    return tuple(sorted({selection_epochs(one, epochs) for one in fractions}))


def rungs(settings: Mapping[str, Field]) -> tuple[int, ...]:
    """Return after how many epochs trials are compared: first when the longest selection phase has been over for one.

    Asynchronous successive halving (Li et al. 2020) calls that the grace period. No rung is as late as the last epoch.
    """
    epochs = _extreme(settings, "epochs", 1)
    found = [_grace(settings)]
    while found[-1] * RUNG_FACTOR < epochs:
        found.append(found[-1] * RUNG_FACTOR)
    return tuple(found)


def check_rungs(settings: Mapping[str, Field], strategies: Sequence[str]) -> None:
    """Make sure that trials can be compared before they end.

    Raises:
        ConfigError: there is no epoch to do it at, or no strategy to compare SmartMixed with.
    """
    grace, fewest = _grace(settings), int(_extreme(settings, "epochs", 0))
    if grace >= fewest:
        raise ConfigError(
            "scheduler asha must have an epoch to compare trials at, after the longest selection phase and before the "
            f"last epoch, but trials may select for {grace - 1} of {fewest} epochs; "
            "allow smaller phase fractions or more epochs"
        )
    if not set(strategies) - {SMARTMIXED}:
        raise ConfigError("scheduler asha needs a fixed strategy beside smartmixed, but strategies has none; add one")


def _grace(settings: Mapping[str, Field]) -> int:
    return selection_epochs(_extreme(settings, "phase_fraction", 1), int(_extreme(settings, "epochs", 1))) + 1


def _extreme(settings: Mapping[str, Field], key: str, which: int) -> float:
    return float(settings[key].extremes[which] or 0)
