"""Figures of many networks over one split: tallies of large batches, added up."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from smartmixed_search.engine.inputs import as_inputs
from smartmixed_search.tasks.metric import Metric
from smartmixed_search.tasks.task import LOSS, Task, whole

EVALUATION_BATCH = 1024
SAMPLED_DRAWS = 8
"""Draws that `sampled` evaluation averages over, each fixed over the whole split."""


@dataclass(frozen=True)
class Evaluation:
    """Figures of every network over one split."""

    loss: Tensor
    """Mean loss, float64 [R, S]."""
    quantities: dict[str, Tensor]
    """By `Metric.quantity`, what was measured, float64 [R, S]; means over the draws where choices are sampled.

    Where the loss is not finite, what a network answers is no answer: counts are 0, all else is NaN.
    """

    def replace_columns(self, columns: Sequence[int], others: "Evaluation") -> None:
        """Put the columns of another evaluation, in turn, in place of some of this one's."""
        pairs = [(own, others.quantities[name]) for name, own in self.quantities.items()]
        for own, other in ((self.loss, others.loss), *pairs):
            for index, column in enumerate(columns):
                own[:, column] = other[:, index]


def in_batches(x: Tensor, y: Tensor, shape: Sequence[int], dtype: torch.dtype) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield inputs [B, *shape] and targets [B, …] of a split, batch by batch; see `as_inputs`."""
    inputs = (as_inputs(batch, shape, dtype) for batch in torch.split(x, EVALUATION_BATCH))
    return zip(inputs, torch.split(y, EVALUATION_BATCH), strict=True)


def add_up(
    task: Task, tallies: Sequence[Mapping[str, Tensor]], target: Tensor, metrics: Sequence[Metric]
) -> Evaluation:
    """Return the evaluation that tallies [R, S] of a split's batches amount to.

    Args:
        task: what made the tallies.
        tallies: of the batches.
        target: of the whole split.
        metrics: what to measure.
    """
    tally = whole(tallies)
    loss = tally[LOSS].double() / len(target)
    measured = task.quantities(tally, target, metrics)
    missing = {metric.quantity: metric.nothing for metric in metrics}
    return Evaluation(loss, {name: values.where(loss.isfinite(), missing[name]) for name, values in measured.items()})


def uninformed(task: Task, target: Tensor, metric: Metric) -> float:
    """Return the value of a metric for who knows nothing but how targets are distributed; 0 where it is undefined.

    Raises:
        ConfigError: a metric of the user's own cannot be computed.
    """
    tally = task.tally(task.uninformed(target), target, [metric])
    quantity = float(task.quantities(tally, target, [metric])[metric.quantity])
    return metric.value(quantity, len(target)) or 0.0


def average(draws: Sequence[Evaluation]) -> Evaluation:
    """Return the mean of evaluations with different sampled choices."""
    names = draws[0].quantities
    quantities = {name: torch.stack([draw.quantities[name] for draw in draws]).mean(0) for name in names}
    return Evaluation(torch.stack([draw.loss for draw in draws]).mean(0), quantities)
