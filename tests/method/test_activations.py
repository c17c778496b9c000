"""The pool: in-place forms agree with autograd, and users can add functions."""

from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smartmixed_search.errors import ConfigError
from smartmixed_search.method import activations
from smartmixed_search.method.activations import (
    PUBLISHED_POOL,
    get_activation,
    register_activation,
    registered_activations,
    unregister_activation,
)

TORCH = dict(
    zip(PUBLISHED_POOL, (nn.ReLU(), nn.Sigmoid(), nn.Tanh(), nn.LeakyReLU(0.01), nn.ELU(), nn.SELU()), strict=True)
)


def wavy(x: Tensor) -> Tensor:
    return torch.sin(x) * x


@pytest.fixture
def user_function() -> Iterator[str]:
    register_activation("wavy", wavy)
    yield "wavy"
    unregister_activation("wavy")


@pytest.mark.parametrize("name", PUBLISHED_POOL)
def test_definition_is_torchs(name: str) -> None:
    x = torch.linspace(-5, 5, 101, dtype=torch.float64)
    torch.testing.assert_close(get_activation(name).function(x), TORCH[name](x), rtol=0, atol=0)


@pytest.mark.parametrize("name", [*PUBLISHED_POOL, "wavy"])
def test_in_place_forms_agree_with_autograd(name: str, user_function: str) -> None:
    activation = get_activation(name)
    x = torch.randn(2, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 3
    strided = x.clone()[:, 1:4]
    gradient = torch.randn(strided.shape, dtype=torch.float64)
    leaf = strided.detach().clone().requires_grad_()
    expected = activation.function(leaf)
    (expected_gradient,) = torch.autograd.grad(expected, leaf, gradient)
    pre = strided.clone()
    with torch.no_grad():
        activation.forward_(strided)
        activation.backward_(gradient, strided, pre)
    torch.testing.assert_close(strided, expected.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-9, atol=1e-12)


def test_a_users_function_joins_the_pool(user_function: str) -> None:
    assert registered_activations() == (*PUBLISHED_POOL, "wavy")
    assert register_activation("wavy", wavy) is get_activation("wavy")


@pytest.mark.parametrize("name", ["relu", "smartmixed", "random-mixed", "a b", ""])
def test_a_taken_or_impossible_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="an activation's name must be ") as error:
        register_activation(name, F.softplus)
    assert repr(name) in str(error.value)


def test_an_unknown_function_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'leaky_relu'"):
        get_activation("leakyrelu")


def test_built_in_functions_stay() -> None:
    with pytest.raises(ConfigError, match="built in"):
        unregister_activation("relu")
    assert set(PUBLISHED_POOL) <= set(activations.registered_activations())


@pytest.mark.parametrize(
    ("function", "rule"),
    [
        (lambda x: torch.softmax(x, 0), "elementwise"),
        (lambda x: x.sum(), "elementwise"),
        (lambda x: x.detach(), "differentiable"),
        (lambda x: x @ torch.ones(3), "RuntimeError"),
        (lambda x: None, "AttributeError"),
    ],
)
def test_a_function_that_is_no_activation_is_refused(function: Callable[[Tensor], Tensor], rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        register_activation("odd", function)
    assert "odd" not in registered_activations()
