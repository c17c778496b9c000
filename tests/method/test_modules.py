"""The drop-in modules: the readable specification of the method."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from smartmixed_search.errors import ConfigError
from smartmixed_search.method.activations import PUBLISHED_POOL, get_activation
from smartmixed_search.method.modules import MixedActivation, SelectiveActivation, freeze_selections


@pytest.mark.parametrize(("shape", "dim"), [((5, 4), -1), ((5, 4), 1), ((2, 4, 3, 3), 1), ((4, 7), 0)])
def test_every_feature_applies_its_most_likely_function(shape: tuple[int, ...], dim: int) -> None:
    module = SelectiveActivation(4, dim=dim).eval()
    module.logits.data = 5 * torch.eye(6)[[2, 0, 5, 3]]
    x = torch.randn(shape)
    expected = torch.stack(
        [get_activation(n).function(row) for n, row in zip(module.choices(), x.unbind(dim), strict=True)], dim
    )
    assert module.choices() == ["tanh", "relu", "selu", "leaky_relu"]
    torch.testing.assert_close(module(x), expected)
    torch.testing.assert_close(module.freeze()(x), expected)


@pytest.mark.parametrize("temperature", [0.1, 5.0])
def test_hard_frequencies_follow_softmax_of_the_logits_at_every_temperature(temperature: float) -> None:
    torch.manual_seed(3)
    logits = torch.tensor([0.0, 1.0, -1.0, 2.0, 0.5, -0.5])
    module = SelectiveActivation(40_000, temperature=temperature)
    module.logits.data = logits.expand(40_000, -1).clone()
    frequencies = module.mix().mean(0)
    error = (logits.softmax(0) * (1 - logits.softmax(0)) / 40_000).sqrt()
    assert ((frequencies - logits.softmax(0)).abs() < 4 * error).all()


def test_soft_samples_mix_functions() -> None:
    torch.manual_seed(0)
    mix = SelectiveActivation(8, temperature=1.0, hard=False).mix()
    assert mix.max() < 1
    torch.testing.assert_close(mix.sum(-1), torch.ones(8))


def test_logits_and_input_receive_gradients() -> None:
    torch.manual_seed(0)
    module = SelectiveActivation(8)
    x = torch.randn(5, 8, requires_grad=True)
    module(x).square().sum().backward()
    assert module.logits.grad is not None
    assert module.logits.grad.abs().sum() > 0
    assert x.grad is not None


def test_clamp_bounds_the_outputs_until_the_freeze() -> None:
    module = SelectiveActivation(2, clamp=1.5).eval()
    module.logits.data = torch.eye(6)[[0, 0]]
    x = torch.tensor([[1.0, 9.0]])
    assert module(x).tolist() == [[1.0, 1.5]]
    assert module.freeze()(x).tolist() == [[1.0, 9.0]]


def test_freeze_reaches_every_selection_once_and_keeps_the_function() -> None:
    shared = SelectiveActivation(4)
    network = nn.Sequential(nn.Linear(4, 4), shared, nn.Sequential(nn.Linear(4, 4), shared), SelectiveActivation(4))
    network.eval()
    x = torch.randn(3, 4)
    before = network(x)
    frozen = freeze_selections(network)
    assert frozen is network
    assert network[1] is network[2][1]
    assert [type(m) for m in network.modules()].count(MixedActivation) == 2
    assert not any(isinstance(m, SelectiveActivation) for m in network.modules())
    torch.testing.assert_close(network(x), before)


def test_mixed_activation_agrees_with_a_loop_over_features() -> None:
    names = [PUBLISHED_POOL[k] for k in (5, 0, 0, 3, 1, 5, 2, 4)]
    x = torch.randn(6, 8, dtype=torch.float64, requires_grad=True)
    expected = torch.stack([get_activation(n).function(x[:, i]) for i, n in enumerate(names)], 1)
    torch.testing.assert_close(MixedActivation(names)(x), expected)
    assert torch.autograd.gradcheck(MixedActivation(names), x)


def test_published_initial_logits() -> None:
    module = SelectiveActivation(50)
    assert module.logits.shape == (50, 6)
    torch.testing.assert_close(module.logits.sum(1), torch.full((50,), 0.001))
    torch.testing.assert_close(module.logits.max(1).values, torch.full((50,), 0.001))
    assert len(set(module.choices())) > 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SelectiveActivation(0), "features must be at least 1"),
        (lambda: SelectiveActivation(4, temperature=0), "temperature must be greater than 0"),
        (lambda: SelectiveActivation(4, clamp=-1), "clamp must be greater than 0"),
        (lambda: SelectiveActivation(4, ["rleu"]), "did you mean 'relu'"),
        (lambda: SelectiveActivation(4, []), "pool must hold at least one"),
        (lambda: SelectiveActivation(4)(torch.zeros(2, 5)), "must hold 4 features, but got 5"),
        (lambda: SelectiveActivation(4, dim=2)(torch.zeros(2, 4)), "dim must be one of"),
        (lambda: MixedActivation([]), "choices must name a function"),
    ],
)
def test_bad_arguments_are_named(make: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_gumbel_softmax_is_torchs() -> None:
    module = SelectiveActivation(5, temperature=0.7)
    torch.manual_seed(11)
    expected = F.gumbel_softmax(module.logits, tau=0.7, hard=True)
    torch.manual_seed(11)
    torch.testing.assert_close(module.mix(), expected)


def test_modules_and_choices_survive_being_saved(tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(4, 8), SelectiveActivation(8))
    torch.save(network, tmp_path / "network.pt")
    loaded = torch.load(tmp_path / "network.pt", weights_only=False)
    assert loaded[1].choices() == network[1].choices()
    frozen = MixedActivation(["relu", "tanh"])
    MixedActivation(["relu", "tanh"]).load_state_dict(frozen.state_dict())
    with pytest.raises(ConfigError, match="same choices"):
        MixedActivation(["tanh", "relu"]).load_state_dict(frozen.state_dict())
