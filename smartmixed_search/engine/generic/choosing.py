"""A selecting site whose noise is given, so that every engine draws the same."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from smartmixed_search.engine.stack.assignment import Assignment
from smartmixed_search.engine.stack.combining import Combining, selective_assignment
from smartmixed_search.method.modules import SelectiveActivation
from smartmixed_search.method.selection import one_hot, relaxed_sample


class ChoosingActivation(SelectiveActivation):
    """The drop-in module of the method, choosing by given Gumbel noise instead of the global generator's."""

    noise: Tensor | None = None
    """Of the next samples, [H, K]; None: every unit applies its most likely function."""
    given_temperature: Tensor
    """Of the next samples, a scalar tensor."""
    _made: tuple[torch.device, torch.dtype, Assignment] | None = None

    def mix(self) -> Tensor:
        """Return how the units weigh the pool, [H, K]; exactly one-hot samples where they are hard."""
        if self.noise is None:
            return one_hot(self.logits)
        relaxed = relaxed_sample(self.logits[None, None], self.noise[None], self.given_temperature)[0, 0]
        return one_hot(relaxed) + (relaxed - relaxed.detach()) if self.hard else relaxed

    def forward(self, x: Tensor) -> Tensor:
        """Apply the mixture of the pool to x, by the parts that its functions share, if they are built in."""
        assignment = self._assignment(x)
        if not isinstance(assignment, Combining):
            return super().forward(x)
        self.check(x)
        answer: Tensor = _Combined.apply(x, self.mix(), assignment, None if self.together else self.dim % x.ndim)
        return answer

    def _assignment(self, x: Tensor) -> Assignment:
        if self._made is None or self._made[:2] != (x.device, x.dtype):
            made = selective_assignment(self.functions, self.clamp, x.device, x.dtype)
            self._made = x.device, x.dtype, made
        return self._made[2]


class _Combined(torch.autograd.Function):
    """Weighs a pool by its parts, forward and backward; units may lie in any dimension."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, mix: Tensor, combining: Combining, dim: int | None) -> Tensor:
        z, back = _by_unit(x, dim)
        ctx.saved = combining.forward_(z, 0, mix[None].to(z))
        ctx.combining, ctx.dim, ctx.of_mix = combining, dim, mix.dtype
        return back(z)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        gradient, back = _by_unit(gradients[0], ctx.dim)
        by_mix = ctx.combining.backward_(gradient, gradient, ctx.saved, 0)
        return back(gradient), by_mix.sum(0).to(ctx.of_mix), None, None


def _by_unit(x: Tensor, dim: int | None) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Return a copy of x as [any, H, any], and what brings such a tensor back; without a dimension H is 1."""
    if dim is None:
        return x.clone(memory_format=torch.contiguous_format).view(1, 1, -1), lambda z: z.view(x.shape)
    if dim == x.ndim - 1:
        by_unit = x.reshape(-1, x.shape[-1]).T.clone(memory_format=torch.contiguous_format)[None]
        return by_unit, lambda z: z[0].T.reshape(x.shape)
    shape = x.shape[:dim].numel(), x.shape[dim], x.shape[dim + 1 :].numel()
    return x.clone(memory_format=torch.contiguous_format).view(shape), lambda z: z.view(x.shape)


def give_noise(sites: Sequence[ChoosingActivation], noise: Sequence[Tensor] | None, temperature: Tensor) -> None:
    """Let a network's sites draw their next samples from noise [H, K]; None: apply their most likely functions."""
    for place, site in enumerate(sites):
        site.noise = None if noise is None else noise[place]
        site.given_temperature = temperature
