"""Learned rivals in the stack: derivatives written out agree with autograd, and survive the ends of the numbers."""

import pytest
import torch
from torch import Tensor

from smartmixed_search.engine.stack.assignment import Assignment
from smartmixed_search.engine.stack.combining import selective_assignment
from smartmixed_search.engine.stack.learned import Learned, LinearMix
from smartmixed_search.method.activations import RIVAL_NAMES, resolve_pool
from smartmixed_search.method.rivals import LINEAR_MIX, RIVALS, start_of

POOL = resolve_pool(["gelu", "relu", "tanh"])
R, H, B, MOST = 2, 5, 7, 4


def assignment(name: str, dtype: torch.dtype) -> Assignment:
    if name == LINEAR_MIX:
        return LinearMix(selective_assignment(POOL, None, torch.device("cpu"), dtype), len(POOL))
    return Learned(name)


def by_autograd(name: str, z: Tensor, mix: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Output, gradient by z and gradient by the rival's own parameters."""
    leaf, own = z.clone().requires_grad_(), mix[..., : len(start_of(name, len(POOL)))].clone().requires_grad_()
    output = RIVALS[name].function(leaf, own.unsqueeze(-1).unbind(-2), POOL)
    by_z, by_own = torch.autograd.grad(output, (leaf, own), gradient)
    return output.detach(), by_z, by_own


@pytest.mark.parametrize("name", RIVAL_NAMES)
def test_derivatives_equal_autograds(name: str) -> None:
    generator = torch.Generator().manual_seed(1)
    z, gradient = (torch.randn(R, H, B, dtype=torch.float64, generator=generator) for _ in range(2))
    mix = torch.randn(R, H, MOST, dtype=torch.float64, generator=generator)
    z[:, :, 0] = 0.0
    expected = by_autograd(name, z, mix, gradient)
    rival = assignment(name, torch.float64)
    saved = rival.forward_(z, 0, mix)
    by_mix = rival.backward_(gradient, z, saved, 0)
    for found, right in zip((z, gradient, by_mix), expected, strict=True):
        torch.testing.assert_close(found, right, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", RIVAL_NAMES)
def test_derivatives_of_huge_and_tiny_numbers_are_finite(name: str) -> None:
    """Where a gate is shut β has no derivative, though the square of the input overflows."""
    z = torch.tensor([1e30, 1e20, 1e-30, 0.0, -1e-30, -1e20, -1e30]).expand(R, H, B).clone()
    mix = torch.tensor(start_of(name, len(POOL))).expand(R, H, -1)
    gradient, rival = torch.ones_like(z), assignment(name, torch.float32)
    by_mix = rival.backward_(gradient, z, rival.forward_(z, 0, mix), 0)
    assert by_mix is not None
    assert by_mix.isfinite().all()
    assert gradient.isfinite().all()
    assert z.isfinite().all()
