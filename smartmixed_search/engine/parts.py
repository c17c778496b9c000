"""Parts of a trial: some replicates of some members, trained by themselves where the whole does not fit into memory.

Networks of a trial do not depend on each other, and every random number is addressed by its replicate. So a trial may
be trained in any parts: the results are the same, up to the rounding of products that are batched differently.
"""

import gc
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Self, TypeVar

import torch

from smartmixed_search.errors import ResourceError
from smartmixed_search.families import format_architecture
from smartmixed_search.system.memory import is_out_of_memory
from smartmixed_search.trials.config import TrialConfig

Outcome = TypeVar("Outcome")


@dataclass(frozen=True, kw_only=True)
class Part:
    """Networks that are trained as one stack: some of a trial's members, each in the same replicates."""

    members: tuple[str, ...]
    """Strategies and controls, in the configuration's order."""
    replicates: tuple[int, ...]
    """The replicates' numbers, which address their random streams; those of a stack share one split of the data."""

    @classmethod
    def whole(cls, config: TrialConfig) -> Self:
        """Return all networks of a trial."""
        return cls(members=config.members, replicates=tuple(range(config.all_replicates)))

    @property
    def networks(self) -> int:
        """Number of networks."""
        return len(self.members) * len(self.replicates)

    def without(self, members: Collection[str]) -> Self:
        """Leave members out."""
        return replace(self, members=tuple(name for name in self.members if name not in members))

    def of_split(self, split: int, splits: int) -> Self:
        """Return the networks that are trained on one of so many splits of the data."""
        return replace(self, replicates=tuple(number for number in self.replicates if number % splits == split))

    def halves(self) -> tuple[Self, Self]:
        """Split two networks or more: by replicates, or by members where there is but one replicate."""
        if len(self.replicates) > 1:
            middle = len(self.replicates) // 2
            first, second = self.replicates[:middle], self.replicates[middle:]
            return replace(self, replicates=first), replace(self, replicates=second)
        middle = len(self.members) // 2
        return replace(self, members=self.members[:middle]), replace(self, members=self.members[middle:])


def in_parts(config: TrialConfig, part: Part, attempt: Callable[[Part], Outcome]) -> list[Outcome]:
    """Do something with networks of a trial: at once if memory suffices, else with halves, one after another.

    Halves of halves, where those do not fit either. A part as large as one that did not fit is not tried.

    Args:
        config: the trial's configuration.
        part: the networks.
        attempt: what to do with a part; it starts afresh with every part, and must not keep an earlier one alive.

    Returns:
        The outcome of every part that fitted; together these hold each network once.

    Raises:
        ResourceError: one network by itself does not fit.
    """
    waiting, outcomes = [part], []
    too_large = part.networks + 1
    while waiting:
        part = waiting.pop(0)
        fitted = _try(attempt, part) if part.networks < too_large else []
        outcomes += fitted
        if not fitted:
            if part.networks == 1:
                raise ResourceError(_too_large(config, part))
            too_large = min(too_large, part.networks)
            waiting[:0] = part.halves()
    return outcomes


def _try(attempt: Callable[[Part], Outcome], part: Part) -> list[Outcome]:
    """Return the outcome, or nothing if memory does not suffice."""
    try:
        return [attempt(part)]
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    gc.collect()  # here, not above: the error's traceback held whatever the attempt had allocated
    torch.cuda.empty_cache()
    return []


def _too_large(config: TrialConfig, part: Part) -> str:
    network = f"{part.members[0]} of {format_architecture(config.architecture)} with batch_size {config.batch_size}"
    return (
        f"a network must fit into memory by itself, but {network} does not; a smaller batch_size or architecture, "
        "or a larger share of a GPU (gpus_per_trial), helps"
    )
