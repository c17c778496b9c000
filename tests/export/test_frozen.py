"""The frozen network for use elsewhere, held to the drop-in modules."""

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import pairwise

import pytest
import torch
from torch import nn

from smartmixed_search.errors import ConfigError, NetworkError
from smartmixed_search.export.frozen import FrozenNetwork, sort_neurons
from smartmixed_search.method.activations import register_activation, unregister_activation
from smartmixed_search.method.functions import FURTHER
from tests.helpers.networks import draw, drop_in


@pytest.fixture
def softsign() -> Iterator[None]:
    """A user's own function: no in-place kernel."""
    register_activation("softsign", nn.functional.softsign)
    yield
    unregister_activation("softsign")


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("batch", [1, 3, 511, 512, 700])
def test_it_computes_what_the_drop_in_modules_compute(
    batch: int, mode: Callable[[], AbstractContextManager[None]]
) -> None:
    parts = draw()
    x = torch.randn(batch, 6)
    expected = drop_in(*parts)(x)
    with mode():
        torch.testing.assert_close(FrozenNetwork(*parts)(x), expected)


@pytest.mark.parametrize(
    "names",
    [["relu"], ["tanh"], ["selu", "tanh"], ["elu", "sigmoid", "softsign", "tanh"], [one.name for one in FURTHER]],
)
def test_functions_may_be_missing_or_a_users(names: list[str], softsign: None) -> None:
    parts = draw(names=names)
    x = torch.randn(9, 6)
    torch.testing.assert_close(FrozenNetwork(*parts)(x), drop_in(*parts)(x))
    with torch.inference_mode():
        torch.testing.assert_close(FrozenNetwork(*parts)(x), drop_in(*parts)(x))


def test_it_can_be_trained_on() -> None:
    parts = draw()
    x, reference = torch.randn(9, 6, requires_grad=True), drop_in(*parts)
    network = FrozenNetwork(*parts)
    network(x).square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    by_x, x.grad = x.grad, None
    reference(x).square().mean().backward()
    torch.testing.assert_close(by_x, x.grad)


def test_it_leaves_inputs_and_arguments_alone() -> None:
    parts, x = draw(), torch.randn(3, 6)
    before = copy.deepcopy((parts, x))
    with torch.inference_mode():
        FrozenNetwork(*parts)(x)
    for old, new in zip([*before[0][0], *before[0][1], before[1]], [*parts[0], *parts[1], x], strict=True):
        assert torch.equal(old, new)


def test_neurons_of_a_function_adjoin_and_sorting_them_again_changes_nothing() -> None:
    sorted_once = sort_neurons(*draw())
    weights, biases, choices = sort_neurons(*sorted_once)
    assert choices == sorted_once[2]
    assert [sum(a != b for a, b in pairwise(names)) for names in choices] == [5, 5]
    assert all(map(torch.equal, weights + biases, sorted_once[0] + sorted_once[1]))


def test_state_copies_and_conversions_keep_the_function() -> None:
    network, x = FrozenNetwork(*draw()), torch.randn(3, 6)
    other = FrozenNetwork(*draw(seed=1)[:2], draw()[2])
    other.load_state_dict(network.state_dict())
    with torch.inference_mode():
        for same in (other, copy.deepcopy(network)):
            assert torch.equal(same(x), network(x))
        torch.testing.assert_close(copy.deepcopy(network).double()(x.double()).float(), network(x))


def test_bad_arguments_are_named() -> None:
    weights, biases, choices = draw()
    with pytest.raises(NetworkError, match=r"must fit hidden layers of \[40, 23\] neurons"):
        FrozenNetwork(weights, biases, [choices[0], choices[1][1:]])
    with pytest.raises(NetworkError, match="shapes"):
        FrozenNetwork(weights[:1], biases[:1], [])
    with pytest.raises(ConfigError, match="did you mean 'relu'"):
        FrozenNetwork(weights, biases, [["rleu"] * 40, choices[1]])
