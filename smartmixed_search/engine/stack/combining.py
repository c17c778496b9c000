"""Selecting over a pool whose functions share their parts, so that every part is computed once, for all of them.

    relu       max(x, 0)
    leaky_relu max(x, 0) + slope · min(x, 0)
    elu        max(x, 0) + expm1(min(x, 0))
    selu       scale · max(x, 0) + scale · alpha · expm1(min(x, 0))

So a neuron's weighted pool is a linear combination of max(x, 0), min(x, 0), expm1(min(x, 0)), sigmoid and tanh, with
one coefficient for each: a third of the passes of weighing six outputs, forward and backward.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from smartmixed_search.engine.stack.assignment import Assignment, Saved, Selecting
from smartmixed_search.method.activations import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE, Activation

_POSITIVE, _NEGATIVE, _EXPM1, _SIGMOID, _TANH = range(5)

_COMBINATIONS = {
    "relu": (1.0, 0.0, 0.0, 0.0, 0.0),
    "sigmoid": (0.0, 0.0, 0.0, 1.0, 0.0),
    "tanh": (0.0, 0.0, 0.0, 0.0, 1.0),
    "leaky_relu": (1.0, LEAKY_SLOPE, 0.0, 0.0, 0.0),
    "elu": (1.0, 0.0, 1.0, 0.0, 0.0),
    "selu": (SELU_SCALE, 0.0, SELU_SCALE * SELU_ALPHA, 0.0, 0.0),
}
"""The built-in functions, as coefficients of the five parts."""


class Combining:
    """Every neuron weighs the pool by its row of `mix`, as `Selecting` does, over the parts of the built-in functions.

    Args:
        pool: the candidate functions, all of them built in.
        device: of the activations.
        dtype: of the activations.
    """

    def __init__(self, pool: Sequence[Activation], device: torch.device, dtype: torch.dtype) -> None:
        table = [_COMBINATIONS[activation.name] for activation in pool]
        self._table = torch.tensor(table, device=device, dtype=dtype)

    def forward_(self, z: Tensor, layer: int, mix: Tensor | None) -> Saved:
        """See `Assignment`; saves the parts [5, R, H, B] and their coefficients [R, H, 5]."""
        assert mix is not None
        parts = z.new_empty(len(self._table[0]), *z.shape)
        torch.clamp(z, min=0.0, out=parts[_POSITIVE])
        torch.clamp(z, max=0.0, out=parts[_NEGATIVE])
        torch.expm1(parts[_NEGATIVE], out=parts[_EXPM1])
        torch.sigmoid(z, out=parts[_SIGMOID])
        torch.tanh(z, out=parts[_TANH])
        coefficients = _product(mix, self._table.T)
        first, *others = coefficients.unsqueeze(-1).unbind(-2)
        torch.mul(parts[0], first, out=z)
        for part, coefficient in zip(parts[1:], others, strict=True):
            z.addcmul_(part, coefficient)
        return parts, coefficients

    def backward_(self, gradient: Tensor, output: Tensor, saved: Saved, layer: int) -> Tensor | None:
        """See `Assignment`."""
        parts, coefficients = saved
        by_part = (parts * gradient).sum(-1)
        gradient *= _derivative(parts, *coefficients.unsqueeze(-1).unbind(-2))
        return _product(by_part.movedim(0, -1), self._table)


def _product(rows: Tensor, table: Tensor) -> Tensor:
    """Return the scalar products of rows [..., N] and the table's rows [M, N], in full precision whatever the mode."""
    return (rows.unsqueeze(-2) * table).sum(-1)


def _derivative(
    parts: Tensor, positive: Tensor, negative: Tensor, expm1: Tensor, sigmoid: Tensor, tanh: Tensor
) -> Tensor:
    """Return the combination's derivative [R, H, B]; as torch has it, 0 counts as negative."""
    at_zero = negative + expm1
    derivative = torch.addcmul(at_zero, parts[_EXPM1], expm1)
    derivative.addcmul_(parts[_POSITIVE].sign(), positive - at_zero)  # torch.where costs ten times as much
    derivative += torch.ops.aten.sigmoid_backward(sigmoid, parts[_SIGMOID])
    derivative += torch.ops.aten.tanh_backward(tanh, parts[_TANH])
    return derivative


def selective_assignment(
    pool: Sequence[Activation], clamp: float | None, device: torch.device, dtype: torch.dtype
) -> Assignment:
    """Return the fastest assignment of a selecting column: a clamp, or a user's function, needs every output itself."""
    if clamp is None and all(activation.name in _COMBINATIONS for activation in pool):
        return Combining(pool, device, dtype)
    return Selecting(pool, clamp)
