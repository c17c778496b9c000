"""The learned rivals in the stack, with derivatives written out: by the pre-activation and by every parameter.

For a column of a rival, `mix` holds the parameters of its units, [R, H, P or more]: those beyond P are other rivals'.
A linear mix is what a selecting column computes, with weights that are learned where that one's are drawn.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from smartmixed_search.engine.stack.assignment import Assignment, Saved
from smartmixed_search.method.rivals import RIVALS, start_of

_Derivatives = tuple[Tensor, list[Tensor]]
"""By x, and by every parameter, [R, H, B]."""


def _prelu(x: Tensor, slope: Tensor) -> _Derivatives:
    return slope + (1 - slope) * (x > 0), [x.clamp(max=0.0)]


def _swish_beta(x: Tensor, beta: Tensor) -> _Derivatives:
    by_x, by_beta = _gated(x, beta)
    return by_x, [by_beta]


def _acon_c(x: Tensor, first: Tensor, second: Tensor, beta: Tensor) -> _Derivatives:
    slope = first - second
    by_gated, by_beta = _gated(slope * x, beta)
    by_first = by_gated * x
    return slope * by_gated + second, [by_first, x - by_first, by_beta]


def _gated(u: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
    """Return the derivatives of u · sigmoid(β u), by u and by β; u² alone might overflow where the gate is shut."""
    gate = torch.sigmoid(beta * u)
    slope = gate * (1 - gate) * u
    return gate + beta * slope, slope * u


_DERIVATIVES: dict[str, Callable[..., _Derivatives]] = {
    "prelu": _prelu,
    "swish_beta": _swish_beta,
    "acon_c": _acon_c,
}


class Learned:
    """Every neuron applies the function of a rival by parameters of its own.

    Args:
        name: of the rival, any but `linear_mix`.
    """

    def __init__(self, name: str) -> None:
        self._function, self._derivatives = RIVALS[name].function, _DERIVATIVES[name]
        self._size = len(start_of(name, 0))

    def forward_(self, z: Tensor, layer: int, mix: Tensor | None) -> Saved:
        """See `Assignment`."""
        assert mix is not None
        x = z.clone()
        z.copy_(self._function(x, self._parameters(mix), ()))
        return x, mix

    def backward_(self, gradient: Tensor, output: Tensor, saved: Saved, layer: int) -> Tensor | None:
        """See `Assignment`."""
        x, mix = saved
        by_x, by_parameters = self._derivatives(x, *self._parameters(mix))
        by_mix = torch.stack([(gradient * one).sum(-1) for one in by_parameters], -1)
        gradient *= by_x
        return by_mix

    def _parameters(self, mix: Tensor) -> Sequence[Tensor]:
        return mix[..., : self._size].unsqueeze(-1).unbind(-2)


class LinearMix:
    """Every neuron weighs the pool by parameters of its own.

    Args:
        selecting: how a selecting column weighs it.
        functions: size of the pool K.
    """

    def __init__(self, selecting: Assignment, functions: int) -> None:
        self._selecting, self._size = selecting, functions

    def forward_(self, z: Tensor, layer: int, mix: Tensor | None) -> Saved:
        """See `Assignment`."""
        assert mix is not None
        return self._selecting.forward_(z, layer, mix[..., : self._size])

    def backward_(self, gradient: Tensor, output: Tensor, saved: Saved, layer: int) -> Tensor | None:
        """See `Assignment`."""
        return self._selecting.backward_(gradient, output, saved, layer)
