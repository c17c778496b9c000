"""Loss and accuracy of every network of a stack over one split, in large batches."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from smartmixed_search.engine.stack import Stack
from smartmixed_search.method.selection import one_hot, relaxed_sample

EVALUATION_BATCH = 1024
SAMPLED_DRAWS = 8
"""Draws that `sampled` evaluation averages over, each fixed over the whole split."""


@dataclass(frozen=True)
class Evaluation:
    """Figures of every network over one split."""

    loss: Tensor
    """Mean cross-entropy in nats, float64 [R, S]."""
    correct: Tensor
    """Number of correct examples, float64 [R, S]; a mean over the draws where choices are sampled."""


def evaluate(stack: Stack, x: Tensor, y: Tensor, mixes: Sequence[Tensor] = ()) -> Evaluation:
    """Evaluate every network of a stack.

    Args:
        stack: R × S networks.
        x: inputs [N, D].
        y: labels [N].
        mixes: how the selecting columns weigh the pool, per hidden layer [R, J, H, K].
    """
    losses, corrects = [], []
    for inputs, labels in zip(torch.split(x, EVALUATION_BATCH), torch.split(y, EVALUATION_BATCH), strict=True):
        output = stack.forward(inputs.unsqueeze(0), mixes)
        target = labels.expand(*output.shape[:2], 1, -1)
        losses.append(-output.log_softmax(2).gather(2, target).sum((2, 3), dtype=torch.float64))
        corrects.append((output.argmax(2) == labels).sum(2))
    loss = torch.stack(losses).sum(0) / len(x)
    correct = torch.stack(corrects).sum(0).double()
    return Evaluation(loss, correct.where(loss.isfinite(), 0.0))  # the argmax of NaN is no answer


def evaluate_sampled(
    stack: Stack, x: Tensor, y: Tensor, noise: Sequence[Tensor], temperature: Tensor, *, hard: bool
) -> Evaluation:
    """Evaluate a stack of selecting columns with sampled choices: the mean over fixed draws.

    Args:
        stack: R × J networks, all of them selecting.
        x: inputs [N, D].
        y: labels [N].
        noise: Gumbel noise of the draws, per hidden layer [draws, R, H, K].
        temperature: broadcastable to [R, J, H, K].
        hard: one-hot samples, else relaxed ones.
    """
    draws = []
    for draw in zip(*noise, strict=True):
        logits = stack.parameters.logits
        relaxed = [relaxed_sample(logit, g, temperature) for logit, g in zip(logits, draw, strict=True)]
        draws.append(evaluate(stack, x, y, [one_hot(sample) for sample in relaxed] if hard else relaxed))
    loss = torch.stack([draw.loss for draw in draws]).mean(0)
    return Evaluation(loss, torch.stack([draw.correct for draw in draws]).mean(0))


def selecting_part(stack: Stack, columns: Sequence[int]) -> Stack:
    """Return a stack of copies of some selecting columns."""
    indices = [index for column in columns if (index := stack.selecting[column]) is not None]
    assert len(indices) == len(columns)
    assignments = [stack.assignments[column] for column in columns]
    return Stack(
        stack.parameters.columns(columns, indices),
        assignments,
        range(len(columns)),
        inputs=stack.inputs,
        softmax_output=stack.softmax_output,
        precision=stack.products.precision,
    )
