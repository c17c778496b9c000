"""Selecting over a pool whose functions share their parts, so that every part is computed once, for all of them.

    identity   max(x, 0) + min(x, 0)
    relu       max(x, 0)
    leaky_relu max(x, 0) + slope · min(x, 0)
    elu        max(x, 0) + expm1(min(x, 0))
    selu       scale · max(x, 0) + scale · alpha · expm1(min(x, 0))

So a neuron's weighted pool is a linear combination of max(x, 0), min(x, 0), expm1(min(x, 0)) and each other function,
such as sigmoid and tanh, with one coefficient for each: of the published pool a third of the passes of weighing six
outputs, forward and backward. Only what the pool needs is computed.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from smartmixed_search.engine.stack.assignment import Assignment, Saved, Selecting
from smartmixed_search.method.functions import FURTHER, LEAKY_SLOPE, PUBLISHED, SELU_ALPHA, SELU_SCALE, Activation

_Table = Mapping[str, tuple[float, ...]]


class _Parts(Protocol):
    """Some parts, N of them, and the functions that are combinations of these."""

    table: _Table
    """The functions, as coefficients of the parts."""
    needs_input: bool
    """Whether the derivative needs the pre-activation."""

    def fill(self, x: Tensor, parts: Tensor) -> None:
        """Write the parts [N, R, H, B] of x [R, H, B]."""

    def derivative(self, parts: Tensor, coefficients: Sequence[Tensor], x: Tensor | None) -> Tensor:
        """Return the derivative [R, H, B] of a combination, given N coefficients [R, H, 1]."""


class _Rectified:
    """ReLU and its relatives."""

    needs_input = False

    def __init__(self) -> None:
        self.table: _Table = {
            "relu": (1.0, 0.0, 0.0),
            "leaky_relu": (1.0, LEAKY_SLOPE, 0.0),
            "elu": (1.0, 0.0, 1.0),
            "selu": (SELU_SCALE, 0.0, SELU_SCALE * SELU_ALPHA),
            "identity": (1.0, 1.0, 0.0),
        }

    def fill(self, x: Tensor, parts: Tensor) -> None:
        """See `_Parts`."""
        torch.clamp(x, min=0.0, out=parts[0])
        torch.clamp(x, max=0.0, out=parts[1])
        torch.expm1(parts[1], out=parts[2])

    def derivative(self, parts: Tensor, coefficients: Sequence[Tensor], x: Tensor | None) -> Tensor:
        """See `_Parts`; as torch has it, 0 counts as negative."""
        positive, negative, expm1 = coefficients
        at_zero = negative + expm1
        derivative = torch.addcmul(at_zero, parts[2], expm1)
        return derivative.addcmul_(parts[0].sign(), positive - at_zero)  # torch.where costs ten times as much


class _Alone:
    """A function that shares nothing: it is its own part."""

    def __init__(self, activation: Activation) -> None:
        assert activation.native
        assert activation.native_backward
        self.table: _Table = {activation.name: (1.0,)}
        self.needs_input = activation.needs_input
        self._forward, self._backward = activation.native, activation.native_backward

    def fill(self, x: Tensor, parts: Tensor) -> None:
        """See `_Parts`."""
        self._forward(x, parts[0])

    def derivative(self, parts: Tensor, coefficients: Sequence[Tensor], x: Tensor | None) -> Tensor:
        """See `_Parts`."""
        derivative = torch.empty_like(parts[0])
        self._backward(coefficients[0], parts[0], x, derivative)
        return derivative


_RECTIFIED = _Rectified()
_PARTS: tuple[_Parts, ...] = (
    _RECTIFIED,
    *(_Alone(one) for one in (*PUBLISHED, *FURTHER) if one.name not in _RECTIFIED.table),
)


class Combining:
    """Every neuron weighs the pool by its row of `mix`, as `Selecting` does, over the parts of the built-in functions.

    Args:
        pool: the candidate functions, all of them built in.
        device: of the activations.
        dtype: of the activations.
    """

    def __init__(self, pool: Sequence[Activation], device: torch.device, dtype: torch.dtype) -> None:
        names = [activation.name for activation in pool]
        self._parts = [parts for parts in _PARTS if not parts.table.keys().isdisjoint(names)]
        self._sizes = [len(next(iter(parts.table.values()))) for parts in self._parts]
        self._needs_input = any(parts.needs_input for parts in self._parts)
        sized = list(zip(self._parts, self._sizes, strict=True))
        table = [[c for parts, size in sized for c in parts.table.get(name, (0.0,) * size)] for name in names]
        self._table = torch.tensor(table, device=device, dtype=dtype)

    def forward_(self, z: Tensor, layer: int, mix: Tensor | None) -> Saved:
        """See `Assignment`; saves the parts [P, R, H, B] and their coefficients [R, H, P], and z where it is needed."""
        assert mix is not None
        made = z.new_empty(len(self._table[0]), *z.shape)
        for parts, own in zip(self._parts, made.split_with_sizes(self._sizes), strict=True):
            parts.fill(z, own)
        coefficients = _product(mix, self._table.T)
        kept = (z.clone(),) if self._needs_input else ()
        first, *others = coefficients.unsqueeze(-1).unbind(-2)
        torch.mul(made[0], first, out=z)
        for part, coefficient in zip(made[1:], others, strict=True):
            z.addcmul_(part, coefficient)
        return made, coefficients, *kept

    def backward_(self, gradient: Tensor, output: Tensor, saved: Saved, layer: int) -> Tensor | None:
        """See `Assignment`."""
        made, coefficients, *kept = saved
        by_part = (made * gradient).sum(-1)
        gradient *= self._derivative(made, coefficients, kept[0] if kept else None)
        return _product(by_part.movedim(0, -1), self._table)

    def _derivative(self, made: Tensor, coefficients: Tensor, x: Tensor | None) -> Tensor:
        """Return the derivative [R, H, B] of the combination."""
        columns = coefficients.unsqueeze(-1).split_with_sizes(self._sizes, -2)
        split = zip(self._parts, made.split_with_sizes(self._sizes), columns, strict=True)
        first, *others = (parts.derivative(own, column.unbind(-2), x) for parts, own, column in split)
        for other in others:
            first += other
        return first


def _product(rows: Tensor, table: Tensor) -> Tensor:
    """Return the scalar products of rows [..., N] and the table's rows [M, N], in full precision whatever the mode."""
    return (rows.unsqueeze(-2) * table).sum(-1)


def selective_assignment(
    pool: Sequence[Activation], clamp: float | None, device: torch.device, dtype: torch.dtype
) -> Assignment:
    """Return the fastest assignment of a selecting column: a clamp, or a user's function, needs every output itself."""
    if clamp is None and all(activation in (*PUBLISHED, *FURTHER) for activation in pool):
        return Combining(pool, device, dtype)
    return Selecting(pool, clamp)
