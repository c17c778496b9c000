"""Learned rivals: activations with parameters of their own for every unit, trained as weights are.

They are what SmartMixed is compared with where a fixed function is not enough: PReLU (He et al. 2015, eq. 1), Swish
with a learned β (Ramachandran et al. 2017), ACON-C (Ma et al. 2021, eq. 6), and a linear combination of the pool
(Manessi & Rozza 2018, without their constraint). Here they are specified; the stack has their derivatives written out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from smartmixed_search.method.activations import RIVAL_NAMES, resolve_pool
from smartmixed_search.method.functions import Activation


@dataclass(frozen=True, kw_only=True)
class Rival:
    """One learned activation."""

    start: Callable[[int], tuple[float, ...]]
    """Returns what the P parameters of every unit are at first, for a pool of K functions."""
    function: Callable[[Tensor, Sequence[Tensor], Sequence[Activation]], Tensor]
    """(x, P parameters that broadcast with it, pool) -> output, differentiable by all of them."""


def _prelu(x: Tensor, parameters: Sequence[Tensor], pool: Sequence[Activation]) -> Tensor:
    return torch.where(x > 0, x, parameters[0] * x)


def _swish_beta(x: Tensor, parameters: Sequence[Tensor], pool: Sequence[Activation]) -> Tensor:
    return x * torch.sigmoid(parameters[0] * x)


def _acon_c(x: Tensor, parameters: Sequence[Tensor], pool: Sequence[Activation]) -> Tensor:
    first, second, beta = parameters
    gated = (first - second) * x
    return gated * torch.sigmoid(beta * gated) + second * x


def _linear_mix(x: Tensor, parameters: Sequence[Tensor], pool: Sequence[Activation]) -> Tensor:
    weighted = [weight * one.function(x) for weight, one in zip(parameters, pool, strict=True)]
    return torch.stack(weighted).sum(0)


LINEAR_MIX = RIVAL_NAMES[-1]
RIVALS = dict(
    zip(
        RIVAL_NAMES,
        (
            Rival(start=lambda functions: (0.25,), function=_prelu),  # torch's start
            Rival(start=lambda functions: (1.0,), function=_swish_beta),
            Rival(start=lambda functions: (1.0, 0.0, 1.0), function=_acon_c),
            Rival(start=lambda functions: (1.0 / functions,) * functions, function=_linear_mix),
        ),
        strict=True,
    )
)
"""By name. ACON-C begins as Swish does (p1 = 1, p2 = 0; its authors draw both), the mix as the mean of the pool."""


def start_of(strategy: str, functions: int) -> tuple[float, ...]:
    """Return what the parameters of a strategy's units are at first, for a pool of that many functions.

    Example:
        >>> start_of("acon_c", 6), start_of("relu", 6)
        ((1.0, 0.0, 1.0), ())
    """
    return RIVALS[strategy].start(functions) if strategy in RIVALS else ()


class LearnedActivation(nn.Module):
    """Activation in which every feature has parameters of its own, trained with the network's weights.

    Args:
        name: of the rival: `prelu`, `swish_beta`, `acon_c` or `linear_mix`.
        features: number of features, H.
        pool: names of the functions that `linear_mix` combines, K.
        dim: the dimension of the input that holds the features.

    Shape:
        Input and output are equal; dimension `dim` has size H. Parameter `coefficients`: [P, H].

    Example:
        >>> import torch
        >>> LearnedActivation("prelu", 2, ["relu"])(torch.tensor([-1.0, 2.0])).tolist()
        [-0.25, 2.0]
    """

    def __init__(self, name: str, features: int, pool: Sequence[str], *, dim: int = -1) -> None:
        super().__init__()
        self.name = name
        self.functions = resolve_pool(pool)
        self.dim = dim
        start = torch.tensor(start_of(name, len(self.functions)))
        self.coefficients = nn.Parameter(start.unsqueeze(1).repeat(1, features))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation to x."""
        shape = [1] * x.ndim
        shape[self.dim % x.ndim] = self.coefficients.shape[1]
        parameters = [row.view(shape) for row in self.coefficients]
        return RIVALS[self.name].function(x, parameters, self.functions)

    def extra_repr(self) -> str:
        """Describe the module for print."""
        return f"{self.name}, {self.coefficients.shape[1]}, dim={self.dim}"
