"""A choosing site computes what the drop-in module of the method does, by parts that functions share."""

import pytest
import torch
from torch import Tensor

from smartmixed_search.engine.generic.choosing import ChoosingActivation
from smartmixed_search.method.activations import PUBLISHED_POOL
from smartmixed_search.method.modules import SelectiveActivation

POOLS = [PUBLISHED_POOL, ("relu", "tanh"), ("gelu", "identity", "elu"), ("selu",)]


def pair(features: int | None, pool: tuple[str, ...], dim: int) -> list[SelectiveActivation]:
    torch.manual_seed(0)
    modules = [made(features, pool, dim=dim).double() for made in (SelectiveActivation, ChoosingActivation)]
    logits = torch.randn_like(modules[0].logits)
    weights = torch.randn_like(logits).softmax(-1)
    for module in modules:
        module.logits.data = logits
        module.mix = lambda module=module: weights * module.logits.exp()
    return modules


def outcome(module: SelectiveActivation, x: Tensor) -> tuple[Tensor, ...]:
    given = x.clone().requires_grad_()
    answer = module(given)
    (answer * torch.linspace(-1, 1, answer.numel(), dtype=torch.float64).view(answer.shape)).sum().backward()
    assert given.grad is not None
    assert module.logits.grad is not None
    return answer.detach(), given.grad, module.logits.grad


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize(
    ("shape", "dim"), [((5, 4), -1), ((5, 4, 3, 2), 1), ((5, 4, 3), -2), ((2, 3, 4), 2), ((4, 3), 0)]
)
@pytest.mark.parametrize("together", [False, True])
def test_values_and_gradients_are_the_modules(
    pool: tuple[str, ...], shape: tuple[int, ...], dim: int, together: bool
) -> None:
    x = 2 * torch.randn(shape, dtype=torch.float64)
    expected, found = (outcome(module, x) for module in pair(None if together else 4, pool, dim))
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one)


def test_images_whose_channels_are_last_in_memory_give_the_same() -> None:
    x = torch.randn(3, 4, 5, 5, dtype=torch.float64).to(memory_format=torch.channels_last)
    expected, found = (outcome(module, x) for module in pair(4, PUBLISHED_POOL, 1))
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one)
