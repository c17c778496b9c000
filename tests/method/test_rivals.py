"""Learned rivals: what they are at first, and that every unit has parameters of its own."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from smartmixed_search.errors import ConfigError
from smartmixed_search.method.activations import RIVAL_NAMES, register_activation
from smartmixed_search.method.rivals import LearnedActivation

POOL = ["relu", "tanh"]
FIRST: dict[str, Callable[[Tensor], Tensor]] = {
    "prelu": lambda x: F.prelu(x, torch.tensor([0.25])),
    "swish_beta": F.silu,
    "acon_c": F.silu,
    "linear_mix": lambda x: 0.5 * (torch.relu(x) + torch.tanh(x)),
}


@pytest.mark.parametrize("name", RIVAL_NAMES)
def test_it_begins_as_a_known_function(name: str) -> None:
    x = torch.randn(9, 4)
    torch.testing.assert_close(LearnedActivation(name, 4, POOL)(x), FIRST[name](x))


@pytest.mark.parametrize("name", RIVAL_NAMES)
@pytest.mark.parametrize("dim", [1, -1])
def test_units_learn_apart(name: str, dim: int) -> None:
    layer, x = LearnedActivation(name, 3, POOL, dim=dim), torch.randn(2, 3, 3)
    layer(x.movedim(-1, dim)[..., :]).movedim(dim, -1)[..., 1].sum().backward()
    gradient = layer.coefficients.grad
    assert gradient is not None
    assert (gradient[:, [0, 2]] == 0).all()
    assert (gradient[:, 1] != 0).all()


@pytest.mark.parametrize("name", RIVAL_NAMES)
def test_no_function_may_take_its_name(name: str) -> None:
    with pytest.raises(ConfigError, match="must be an identifier other than"):
        register_activation(name, torch.tanh)
