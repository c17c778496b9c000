"""The contract of a task: what networks put out, what they are trained on, and what is counted of their answers.

A new task implements `Task` and passes the shared suite of the tests (`tests/tasks/contract.py`).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from smartmixed_search.tasks.metric import Metric

LOSS = "loss"
"""The sum that every tally has: of the examples' losses."""


class Task(ABC):
    """What is learned.

    Outputs are feature-major, [..., C, B], for any leading dimensions (replicates, strategies), C outputs of a network
    and B examples. Targets are [..., B] or [..., B, C], as the task says, and broadcast over the leading dimensions.
    """

    name: ClassVar[str]
    metrics: ClassVar[tuple[Metric, ...]]
    """What `figures` gives, the one that ranks by default first."""

    sums: ClassVar[tuple[str, ...]]
    """The names of the sums in a tally, `LOSS` apart."""

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

    @abstractmethod
    def tally(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return sums over the examples, each [...]: `LOSS` in float64, and those that `sums` names.

        Tallies of the parts of a split add up to that of the whole; counts are exact.
        """

    @abstractmethod
    def figures(self, tally: Mapping[str, Tensor], examples: int) -> dict[str, Tensor]:
        """Return the value of every metric, by its name, for the tally of a whole split; each [...], float64."""
