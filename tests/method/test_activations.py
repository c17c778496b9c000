"""The pool: in-place forms agree with autograd, and users can add functions."""

import pickle
from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smartmixed_search.errors import ConfigError
from smartmixed_search.method.activations import (
    PUBLISHED_POOL,
    get_activation,
    known_activations,
    register_activation,
    registered_activations,
    unregister_activation,
)
from smartmixed_search.method.functions import POOLS

TORCH: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": nn.ReLU(),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "leaky_relu": nn.LeakyReLU(0.01),
    "elu": nn.ELU(),
    "selu": nn.SELU(),
    "gelu": nn.GELU(),
    "gelu_tanh": nn.GELU(approximate="tanh"),
    "silu": nn.SiLU(),
    "mish": nn.Mish(),
    "softplus": nn.Softplus(),
    "hardswish": nn.Hardswish(),
    "relu6": nn.ReLU6(),
    "squared_relu": lambda x: F.relu(x) ** 2,
    "identity": nn.Identity(),
}
precisions = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


def extremes(dtype: torch.dtype) -> Tensor:
    """Return finite numbers from the smallest to the largest of both signs, and where functions change."""
    limits = torch.finfo(dtype)
    some = [limits.max, 1e30, 1.9e19, 1e10, 1e4, 709.0, 104.0, 88.0, 30.0, 20.5, 6.0, 5.5, 3.0, 1.0, 1e-3, 1e-30]
    positive = torch.tensor([*some, limits.tiny, 0.0], dtype=dtype)
    return torch.cat([positive, -positive]).repeat(3)  # some end up in a vectorised loop, some after it


def wavy(x: Tensor) -> Tensor:
    return torch.sin(x) * x


@pytest.fixture
def user_function() -> Iterator[str]:
    register_activation("wavy", wavy)
    yield "wavy"
    unregister_activation("wavy")


def test_every_built_in_function_is_compared_with_torchs() -> None:
    assert tuple(TORCH) == known_activations()


@pytest.mark.parametrize("name", TORCH)
def test_definition_is_torchs(name: str) -> None:
    x = torch.linspace(-5, 5, 101, dtype=torch.float64)
    torch.testing.assert_close(get_activation(name).function(x), TORCH[name](x), rtol=0, atol=0)


@precisions
@pytest.mark.parametrize("name", TORCH)
def test_values_are_torchs_at_the_ends_of_the_numbers(name: str, dtype: torch.dtype) -> None:
    """At infinity too, and for no number: there GELU, SiLU, Mish and Hardswish are what torch says."""
    x = torch.cat([extremes(dtype), torch.tensor([torch.inf, -torch.inf, torch.nan], dtype=dtype)])
    found = get_activation(name).forward_(x.clone())
    torch.testing.assert_close(found, TORCH[name](x), rtol=0, atol=0, equal_nan=True)
    assert found[-1].isnan()


@precisions
@pytest.mark.parametrize("name", TORCH)
def test_derivatives_are_right_at_the_ends_of_the_numbers(name: str, dtype: torch.dtype) -> None:
    """Compared with autograd in float64, on numbers that its own derivatives can take."""
    x = extremes(dtype)
    activation, near = get_activation(name), x.double().clamp(-1e10, 1e10).requires_grad_()
    (expected,) = torch.autograd.grad(TORCH[name](near).sum(), near)
    if name == "squared_relu":
        expected = expected.where(x < 1e10, 2 * x.double()).to(dtype).double()  # may overflow
    gradient = torch.ones_like(x)
    activation.backward_(gradient, activation.forward_(x.clone()), x)
    torch.testing.assert_close(gradient.double(), expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("name", [*TORCH, "wavy"])
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


@precisions
@pytest.mark.parametrize("name", TORCH)
def test_a_gradient_may_be_one_number_for_all_examples_of_a_unit(name: str, dtype: torch.dtype) -> None:
    """Of a tensor as large as training has them, for which torch calls other kernels than for a small one."""
    activation = get_activation(name)
    assert activation.native
    assert activation.native_backward
    x, gradient = torch.randn(2, 64, 256, dtype=dtype), torch.randn(2, 64, 1, dtype=dtype)
    output, expected = torch.empty_like(x), gradient.expand_as(x).clone()
    found = torch.empty_like(x)
    activation.native(x, output)
    activation.backward_(expected, output, x)
    activation.native_backward(gradient, output, x, found)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)


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


@pytest.mark.parametrize("name", ["relu", "gelu"])
def test_built_in_functions_stay(name: str) -> None:
    with pytest.raises(ConfigError, match="built in"):
        unregister_activation(name)
    assert name in known_activations()


def test_a_space_that_names_no_pool_has_the_published_one() -> None:
    assert registered_activations() == PUBLISHED_POOL == ("relu", "sigmoid", "tanh", "leaky_relu", "elu", "selu")


def test_pools_with_a_name_hold_built_in_functions_once() -> None:
    for pool in POOLS.values():
        assert set(pool) <= set(TORCH)
        assert len(set(pool)) == len(pool)


def test_a_users_function_stands_in_the_place_of_a_built_in_one_that_is_not_published() -> None:
    """A sweep that began when the name was free goes on with its own function."""
    register_activation("gelu", wavy)
    try:
        assert get_activation("gelu").function is wavy
        assert registered_activations() == (*PUBLISHED_POOL, "gelu")
    finally:
        unregister_activation("gelu")
    assert get_activation("gelu").function is F.gelu


@pytest.mark.parametrize("name", TORCH)
def test_a_function_crosses_processes_by_its_name(name: str) -> None:
    assert pickle.loads(pickle.dumps(get_activation(name))) is get_activation(name)


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
