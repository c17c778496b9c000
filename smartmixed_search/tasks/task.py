"""The contract of a task: what networks put out, what they are trained on, and what is counted of their answers.

A new task implements `Task` and passes the shared suite of the tests (`tests/tasks/contract.py`).
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from smartmixed_search.tasks.metric import METRICS, Metric
from smartmixed_search.tasks.own import OwnMetric

LOSS = "loss"
"""The sum that every tally has: of the examples' losses."""
OUTPUTS = "outputs"
"""The entry of a tally that metrics need which are no function of sums: the outputs themselves, [..., C, B]."""


class Task(ABC):
    """What is learned.

    Outputs are feature-major, [..., C, B], for any leading dimensions (replicates, strategies), C outputs of a network
    and B examples. Targets are [..., B] or [..., B, C], as the task says, and broadcast over the leading dimensions.
    """

    name: ClassVar[str]

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What every network is measured by; the first one ranks where nothing else is said."""
        return METRICS[self.name]

    @property
    @abstractmethod
    def outputs(self) -> int:
        """C: how many numbers a network puts out for an example."""

    @abstractmethod
    def receiving(self, output: str) -> "Task":
        """Return the same task with a loss that receives the outputs as they are, `logits`, or their `softmax`.

        Raises:
            ConfigError: the task has no such loss.
        """

    @abstractmethod
    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the loss of every example, [..., B]; autograd may go through it."""

    @abstractmethod
    def loss_gradient(self, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean loss [...] of every network's batch, and its gradient by the output, [..., C, B].

        Written out, for engines that run without autograd; the output may be overwritten.
        """

    def tally(self, output: Tensor, target: Tensor, metrics: Sequence[Metric]) -> dict[str, Tensor]:
        """Return `LOSS`, the sum of the losses in float64 [...], and what the metrics are computed from.

        Tallies of the parts of a split make that of the whole, see `whole`; counts are exact.
        """
        parts = {part for metric in metrics for part in self.needs.get(metric.name, (OUTPUTS,))}
        return self._tally(output, target, parts)

    needs: ClassVar[Mapping[str, tuple[str, ...]]]
    """By metric, the parts of a tally that it is computed from; of a user's own it is the outputs."""

    @abstractmethod
    def _tally(self, output: Tensor, target: Tensor, parts: Collection[str]) -> dict[str, Tensor]:
        """Return a tally with these parts."""

    def quantities(self, tally: Mapping[str, Tensor], target: Tensor, metrics: Sequence[Metric]) -> dict[str, Tensor]:
        """Return, by `Metric.quantity`, what networks are measured to be; each [...], float64, NaN where undefined.

        Args:
            tally: of a whole split.
            target: of a whole split.
            metrics: those that the tally was made for.
        """
        return {metric.quantity: self._quantity(metric, tally, target) for metric in metrics}

    def _quantity(self, metric: Metric, tally: Mapping[str, Tensor], target: Tensor) -> Tensor:
        if isinstance(metric, OwnMetric):
            return metric.of_all(self.restored(target), self.answers(tally[OUTPUTS]))
        return self._measure(metric, tally, target)

    @abstractmethod
    def _measure(self, metric: Metric, tally: Mapping[str, Tensor], target: Tensor) -> Tensor:
        """Return the quantity of one of the task's own metrics."""

    @abstractmethod
    def answers(self, output: Tensor) -> Tensor:
        """Return what outputs [..., C, B] say, in float64: probabilities, or numbers in the target's unit."""

    @abstractmethod
    def restored(self, target: Tensor) -> Tensor:
        """Return targets as a user has them: labels, or float64 numbers in their unit."""

    def target_deviation(self, target: Tensor) -> float | None:
        """Return the standard deviation of targets in their unit, mean over several; None: they are classes."""
        return None

    @abstractmethod
    def uninformed(self, target: Tensor) -> Tensor:
        """Return the outputs [C, N] of who answers all N examples alike, by how often or how large targets are."""


def whole(tallies: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the tally of a split from those of its parts: sums are added up, outputs stand one after another."""
    parts = {name: [tally[name] for tally in tallies] for name in tallies[0]}
    return {name: torch.cat(all_, -1) if name == OUTPUTS else torch.stack(all_).sum(0) for name, all_ in parts.items()}
