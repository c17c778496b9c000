"""Classification: one of C classes, learned by cross-entropy."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from smartmixed_search.tasks.metric import ACCURACY, NATS, Metric
from smartmixed_search.tasks.task import LOSS, Task

CORRECT = "correct"
"""The sum of examples whose largest output is their class's."""


@dataclass(frozen=True)
class Classification(Task):
    """One of several classes; targets are integers 0 … C-1, [..., B].

    Example:
        >>> import torch
        >>> Classification(3).tally(torch.eye(3), torch.tensor([0, 1, 1]))["correct"]
        tensor(2)
    """

    classes: int
    softmax_output: bool = False
    """Apply the softmax before the cross-entropy, which applies its own (the published code)."""

    name: ClassVar[str] = "classification"
    metrics: ClassVar[tuple[Metric, ...]] = (
        ACCURACY,
        Metric(name="loss", label="loss", direction="min", unit=NATS),
    )
    sums: ClassVar[tuple[str, ...]] = (CORRECT,)

    @property
    def outputs(self) -> int:
        """See `Task`."""
        return self.classes

    def receiving(self, output: str) -> "Classification":
        """See `Task`."""
        return replace(self, softmax_output=output == "softmax")

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the cross-entropy of every example in nats; see `Task`."""
        received = self._received(output)
        return -received.log_softmax(-2).gather(-2, _rows(target, output)).squeeze(-2)

    def loss_gradient(self, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """See `Task`."""
        received, rows = self._received(output), _rows(target, output)
        log_p = received.log_softmax(-2)
        loss = -log_p.gather(-2, rows).mean(-1).squeeze(-1)
        gradient = log_p.exp_()
        gradient.scatter_add_(-2, rows, gradient.new_full((), -1.0).expand(rows.shape))
        gradient /= target.shape[-1]
        if self.softmax_output:
            gradient = torch.ops.aten._softmax_backward_data(gradient, received, -2, received.dtype)
        return loss, gradient

    def tally(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return `loss` and `correct`; see `Task`."""
        received = self._received(output)
        log_p = received.log_softmax(-2).gather(-2, _rows(target, output))
        return {
            LOSS: -log_p.sum((-2, -1), dtype=torch.float64),
            CORRECT: (received.argmax(-2) == target).sum(-1),
        }

    def figures(self, tally: Mapping[str, Tensor], examples: int) -> dict[str, Tensor]:
        """Return `accuracy` and `loss`; the argmax of NaN is no answer, so without a finite loss no answer counts."""
        loss = tally[LOSS] / examples
        correct = tally[CORRECT].double().where(loss.isfinite(), 0.0)
        return {"accuracy": correct / examples, "loss": loss}

    def _received(self, output: Tensor) -> Tensor:
        """Return what the cross-entropy receives."""
        return output.softmax(-2) if self.softmax_output else output


def _rows(target: Tensor, output: Tensor) -> Tensor:
    """Return targets [..., B] as one row for every network, [..., 1, B]."""
    return target.unsqueeze(-2).expand(*output.shape[:-2], 1, -1)
