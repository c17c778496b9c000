"""Classification: one of C classes, learned by cross-entropy."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from smartmixed_search.tasks.metric import ACCURACY, AUROC, BALANCED_ACCURACY, LOG_LOSS, MACRO_F1, Metric
from smartmixed_search.tasks.ranks import area_under_curve
from smartmixed_search.tasks.task import LOSS, OUTPUTS, Task

CORRECT, HITS, GIVEN, SURPRISE = "correct", "hits", "given", "surprise"
"""The number of examples whose largest output is their class's, the same by class, how many were given each class, and
the sum of minus the logarithms of the probabilities that the right classes are given."""


@dataclass(frozen=True)
class Classification(Task):
    """One of several classes; targets are integers 0 … C-1, [..., B].

    Example:
        >>> import torch
        >>> Classification(3).tally(torch.eye(3), torch.tensor([0, 1, 1]), [ACCURACY])["correct"]
        tensor(2)
    """

    classes: int
    softmax_output: bool = False
    """Apply the softmax before the cross-entropy, which applies its own (the published code)."""

    name: ClassVar[str] = "classification"
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        ACCURACY.name: (CORRECT,),
        BALANCED_ACCURACY.name: (HITS,),
        MACRO_F1.name: (HITS, GIVEN),
        AUROC.name: (OUTPUTS,),
        LOG_LOSS.name: (SURPRISE,),
    }

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

    def _tally(self, output: Tensor, target: Tensor, parts: Collection[str]) -> dict[str, Tensor]:
        """See `Task`."""
        received = self._received(output)
        rows = _rows(target, output)
        tally = {LOSS: -received.log_softmax(-2).gather(-2, rows).sum((-2, -1), dtype=torch.float64)}
        answer = received.argmax(-2)
        right = answer == target
        made = {
            CORRECT: lambda: right.sum(-1),
            HITS: lambda: self._by_class(target.expand(right.shape), right),
            GIVEN: lambda: self._by_class(answer, torch.ones_like(right)),
            SURPRISE: lambda: -output.double().log_softmax(-2).gather(-2, rows).sum((-2, -1)),
            OUTPUTS: lambda: output,
        }
        return tally | {part: made[part]() for part in parts}

    def _measure(self, metric: Metric, tally: Mapping[str, Tensor], target: Tensor) -> Tensor:
        """See `Task`; classes that do not occur are in no mean, unless they are answered."""
        if metric == ACCURACY:
            return tally[CORRECT].double()
        if metric == LOG_LOSS:
            return tally[SURPRISE] / target.shape[-1]
        present = self._by_class(target, torch.ones_like(target, dtype=torch.bool))
        if metric == AUROC:  # of two classes the one's is the other's, but for the rounding of 1 - p
            first = 1 if self.classes == 2 else 0
            classes = torch.arange(first, self.classes, device=target.device).unsqueeze(-1)
            shares = self.answers(tally[OUTPUTS])[..., first:, :]
            return area_under_curve(shares, target.unsqueeze(-2) == classes).nanmean(-1)
        if metric == BALANCED_ACCURACY:
            return (tally[HITS] / present.double()).nanmean(-1)
        assert metric == MACRO_F1
        return (2 * tally[HITS].double() / (tally[GIVEN] + present)).nanmean(-1)

    def answers(self, output: Tensor) -> Tensor:
        """Return probabilities; see `Task`."""
        return output.double().softmax(-2)

    def restored(self, target: Tensor) -> Tensor:
        """See `Task`."""
        return target

    def uninformed(self, target: Tensor) -> Tensor:
        """See `Task`."""
        shares = self._by_class(target, torch.ones_like(target, dtype=torch.bool)).double() / len(target)
        return shares.log().unsqueeze(-1).expand(-1, len(target))

    def _by_class(self, classes: Tensor, counted: Tensor) -> Tensor:
        """Count, by class, the examples [..., B] that are to be; [..., C]."""
        counts = torch.zeros(*classes.shape[:-1], self.classes, dtype=torch.int64, device=classes.device)
        return counts.scatter_add_(-1, classes, counted.long())

    def _received(self, output: Tensor) -> Tensor:
        """Return what the cross-entropy receives."""
        return output.softmax(-2) if self.softmax_output else output


def _rows(target: Tensor, output: Tensor) -> Tensor:
    """Return targets [..., B] as one row for every network, [..., 1, B]."""
    return target.unsqueeze(-2).expand(*output.shape[:-2], 1, -1)
