"""Figures of many networks over one split: tallies of large batches, added up."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from smartmixed_search.engine.inputs import as_inputs
from smartmixed_search.tasks.task import LOSS

EVALUATION_BATCH = 1024
SAMPLED_DRAWS = 8
"""Draws that `sampled` evaluation averages over, each fixed over the whole split."""


@dataclass(frozen=True)
class Evaluation:
    """Figures of every network over one split."""

    loss: Tensor
    """Mean loss, float64 [R, S]."""
    sums: dict[str, Tensor]
    """The task's own sums over the examples, float64 [R, S]; means over the draws where choices are sampled.

    0 where the loss is not finite: what a network answers then is no answer.
    """

    @property
    def correct(self) -> Tensor:
        """Number of correct examples of a classification, [R, S]."""
        return self.sums["correct"]

    def replace_columns(self, columns: Sequence[int], others: "Evaluation") -> None:
        """Put the columns of another evaluation, in turn, in place of some of this one's."""
        for own, other in ((self.loss, others.loss), *((self.sums[name], others.sums[name]) for name in self.sums)):
            for index, column in enumerate(columns):
                own[:, column] = other[:, index]


def in_batches(x: Tensor, y: Tensor, shape: Sequence[int], dtype: torch.dtype) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield inputs [B, *shape] and targets [B, …] of a split, batch by batch; see `as_inputs`."""
    inputs = (as_inputs(batch, shape, dtype) for batch in torch.split(x, EVALUATION_BATCH))
    return zip(inputs, torch.split(y, EVALUATION_BATCH), strict=True)


def add_up(tallies: Sequence[Mapping[str, Tensor]], examples: int) -> Evaluation:
    """Return the evaluation that tallies [R, S] of a split's batches amount to."""
    total = {name: torch.stack([tally[name] for tally in tallies]).sum(0).double() for name in tallies[0]}
    loss = total.pop(LOSS) / examples
    return Evaluation(loss, {name: sums.where(loss.isfinite(), 0.0) for name, sums in total.items()})


def average(draws: Sequence[Evaluation]) -> Evaluation:
    """Return the mean of evaluations with different sampled choices."""
    sums = {name: torch.stack([draw.sums[name] for draw in draws]).mean(0) for name in draws[0].sums}
    return Evaluation(torch.stack([draw.loss for draw in draws]).mean(0), sums)
