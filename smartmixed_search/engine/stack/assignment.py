"""Which function each neuron of a column applies, and what that costs: one form for each way of being determined.

A column is one strategy or control across all replicates. Activations are stored feature-major, [R, H, B], so that a
neuron's examples, and a group of neurons that chose alike, are contiguous. `forward_` overwrites pre-activations with
outputs; `backward_` overwrites the gradient by outputs with the gradient by pre-activations.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from smartmixed_search.engine.branches import apart, here
from smartmixed_search.method.functions import Activation

Saved = tuple[Tensor, ...]
"""What a backward pass needs beside the outputs."""


class Assignment(Protocol):
    """How one column determines its activations; `mix` is what weighs the pool, or what a learned rival learns."""

    def forward_(self, z: Tensor, layer: int, mix: Tensor | None) -> Saved:
        """Activate z [R, H, B] in place."""

    def backward_(self, gradient: Tensor, output: Tensor, saved: Saved, layer: int) -> Tensor | None:
        """Turn the gradient [R, H, B] in place; return the gradient by `mix` [R, H, K], if there was one."""


class Fixed:
    """Every neuron applies the same function: a fixed strategy."""

    def __init__(self, activation: Activation) -> None:
        self._activation = activation
        self._call = here if activation.needs_input else apart

    def forward_(self, z: Tensor, layer: int, mix: Tensor | None) -> Saved:
        """See `Assignment`."""
        saved = (z.clone(),) if self._activation.needs_input else ()
        self._call(self._activation.forward_, z)
        return saved

    def backward_(self, gradient: Tensor, output: Tensor, saved: Saved, layer: int) -> Tensor | None:
        """See `Assignment`."""
        self._call(self._activation.backward_, gradient, output, *saved)
        return None


class Mixed:
    """Every neuron applies a function of its own, and the neurons are sorted by function.

    Args:
        pool: the candidate functions.
        sizes: per hidden layer and replicate, how many neurons apply each function of the pool; in pool order.
    """

    def __init__(self, pool: Sequence[Activation], sizes: Sequence[Sequence[Sequence[int]]]) -> None:
        self._groups = [[_slices(pool, counts) for counts in replicates] for replicates in sizes]
        self._call = here if any(activation.needs_input for activation in pool) else apart

    def forward_(self, z: Tensor, layer: int, mix: Tensor | None) -> Saved:
        """See `Assignment`; saves the pre-activations of those groups that need them."""
        saved = []
        for replicate, groups in enumerate(self._groups[layer]):
            for activation, rows in groups:
                if activation.needs_input:
                    saved.append(z[replicate, rows].clone())
                self._call(activation.forward_, z[replicate, rows])
        return tuple(saved)

    def backward_(self, gradient: Tensor, output: Tensor, saved: Saved, layer: int) -> Tensor | None:
        """See `Assignment`."""
        kept = iter(saved)
        for replicate, groups in enumerate(self._groups[layer]):
            for activation, rows in groups:
                x = [next(kept)] if activation.needs_input else []
                self._call(activation.backward_, gradient[replicate, rows], output[replicate, rows], *x)
        return None


class Selecting:
    """Every neuron weighs the pool by its row of `mix` [R, H, K]: one-hot or relaxed samples, or the argmax choice.

    Args:
        pool: the candidate functions.
        clamp: bound on the magnitude of every candidate's output; None: no clamp.
    """

    def __init__(self, pool: Sequence[Activation], clamp: float | None) -> None:
        self._pool = pool
        self._clamp = clamp

    def forward_(self, z: Tensor, layer: int, mix: Tensor | None) -> Saved:
        """See `Assignment`."""
        assert mix is not None
        x = z.clone()
        z.zero_()
        for k, activation in enumerate(self._pool):
            output = activation.forward_(x.clone())
            z.addcmul_(self._clamped(output), mix[..., k, None])
        return x, mix

    def backward_(self, gradient: Tensor, output: Tensor, saved: Saved, layer: int) -> Tensor | None:
        """See `Assignment`."""
        x, mix = saved
        by_output, by_mix = gradient.clone(), torch.empty_like(mix)
        gradient.zero_()
        for k, activation in enumerate(self._pool):
            y = activation.forward_(x.clone())
            torch.sum(by_output * self._clamped(y), dim=-1, out=by_mix[..., k])
            part = by_output * mix[..., k, None]
            if self._clamp is not None:  # torch.clamp's derivative: 1 within the bounds, both included
                part *= y.abs() <= self._clamp
            activation.backward_(part, y, x)
            gradient += part
        return by_mix

    def _clamped(self, output: Tensor) -> Tensor:
        return output if self._clamp is None else output.clamp(-self._clamp, self._clamp)


def _slices(pool: Sequence[Activation], counts: Sequence[int]) -> list[tuple[Activation, slice]]:
    groups = []
    start = 0
    for activation, count in zip(pool, counts, strict=True):
        if count:
            groups.append((activation, slice(start, start + count)))
        start += count
    return groups
