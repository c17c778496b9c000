"""A task whose examples do not count alike: each example's loss is multiplied by a factor of its own.

The factor is over a constant, the number of examples, and not over the batch's sum of factors, as
`torch.nn.CrossEntropyLoss(weight=...)` has it: there, what an example weighs depends on its batch (with one example in
it, weights do nothing). All metrics stay those of the task, where every example counts once.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from smartmixed_search.errors import ConfigError
from smartmixed_search.tasks.classification import Classification
from smartmixed_search.tasks.metric import Metric
from smartmixed_search.tasks.task import LOSS, Task


@dataclass(frozen=True)
class Weighted(Task):
    """Another task with a factor for every example; targets are `packed`.

    Example:
        >>> import torch
        >>> from smartmixed_search.tasks.classification import Classification
        >>> targets = packed(torch.tensor([0, 1]), torch.tensor([1.0, 3.0]))
        >>> Weighted(Classification(2), labels=True).loss(torch.zeros(2, 2), targets)
        tensor([0.6931, 2.0794])
    """

    task: Task
    labels: bool
    """Whether its targets are labels [..., B]; else they are numbers [..., B, C]."""

    @property
    def name(self) -> str:  # type: ignore[override]  # of an object here, of a class in others
        """See `Task`."""
        return self.task.name

    @property
    def needs(self) -> Mapping[str, tuple[str, ...]]:  # type: ignore[override]  # likewise
        """See `Task`."""
        return self.task.needs

    @property
    def outputs(self) -> int:
        """See `Task`."""
        return self.task.outputs

    def receiving(self, output: str) -> "Weighted":
        """See `Task`."""
        return replace(self, task=self.task.receiving(output))

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the loss of every example times its factor; see `Task`."""
        own, factor = self._unpacked(target, output.dtype)
        return self.task.loss(output, own) * factor

    def loss_gradient(self, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """See `Task`; the gradient by an example's outputs is of its loss alone."""
        own, factor = self._unpacked(target, output.dtype)
        loss = (self.task.loss(output, own) * factor).mean(-1)
        _, gradient = self.task.loss_gradient(output, own)
        return loss, gradient * factor.unsqueeze(-2)

    def _tally(self, output: Tensor, target: Tensor, parts: Collection[str]) -> dict[str, Tensor]:
        """Return the task's own tally, but with factors for the losses; see `Task`."""
        own, factor = self._unpacked(target, output.dtype)
        loss = (self.task.loss(output, own) * factor).sum(-1, dtype=torch.float64)
        return {**self.task._tally(output, own, parts), LOSS: loss}

    def _measure(self, metric: Metric, tally: Mapping[str, Tensor], target: Tensor) -> Tensor:
        """See `Task`."""
        return self.task._measure(metric, tally, self._unpacked(target)[0])

    def answers(self, output: Tensor) -> Tensor:
        """See `Task`."""
        return self.task.answers(output)

    def restored(self, target: Tensor) -> Tensor:
        """See `Task`."""
        return self.task.restored(self._unpacked(target)[0])

    def target_deviation(self, target: Tensor) -> float | None:
        """See `Task`."""
        return self.task.target_deviation(self._unpacked(target)[0])

    def uninformed(self, target: Tensor) -> Tensor:
        """See `Task`."""
        return self.task.uninformed(self._unpacked(target)[0])

    def _unpacked(self, target: Tensor, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
        """Return targets as the task has them, and factors [..., B]."""
        own, factor = target[..., :-1], target[..., -1].to(dtype)
        return own.squeeze(-1).long() if self.labels else own.to(dtype), factor


def classes_to_balance(task: Task) -> int:
    """Return how many classes a task has that may count alike.

    Raises:
        ConfigError: it has none.
    """
    if not isinstance(task, Classification):
        raise ConfigError(f"class_weight must be none for a {task.name}, but got 'balanced'")
    return task.classes


def packed(target: Tensor, factor: Tensor) -> Tensor:
    """Return labels [..., B], or numbers [..., B, C], with a factor for each example as one more column.

    In float64, in which both stay exact.
    """
    rows = target if target.is_floating_point() else target.unsqueeze(-1)
    return torch.cat([rows.double(), factor.double().unsqueeze(-1)], -1)
