"""What only modules have: buffers, layers that draw, inputs with a shape, units in another dimension than the last."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from smartmixed_search.datasets import Dataset
from smartmixed_search.engine.generic.networks import GenericNetworks
from smartmixed_search.engine.measurement import measure
from smartmixed_search.engine.state import dump, load
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.families.family import Activate, Site
from smartmixed_search.families.mlp import Mlp
from smartmixed_search.method.activations import register_activation, unregister_activation
from smartmixed_search.trials.config import SMARTMIXED
from tests.engine import contract
from tests.engine.contract import CONFIG
from tests.helpers.reference import toy_dataset


class SmallConv(Mlp):
    """One convolution of `widths[0]` channels with batch norm, dropout, and a hidden layer of `widths[1]`."""

    def sites(self, architecture: tuple[int, ...], input_shape: Sequence[int], outputs: int) -> tuple[Site, ...]:
        return Site("first", architecture[0], 1), Site("second", architecture[1], -1)

    def build(
        self,
        architecture: tuple[int, ...],
        input_shape: Sequence[int],
        outputs: int,
        activate: Activate,
        rng: np.random.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> nn.Module:
        first, second = self.sites(architecture, input_shape, outputs)
        network = nn.Sequential()
        network.add_module("conv", nn.Conv1d(1, first.units, 3, padding=1, dtype=dtype))
        network.add_module("norm", nn.BatchNorm1d(first.units, dtype=dtype))
        network.add_module(first.name, activate(first))
        network.add_module("flatten", nn.Flatten())
        network.add_module("dropout", nn.Dropout(0.3))
        network.add_module("hidden", nn.Linear(first.units * input_shape[-1], second.units, dtype=dtype))
        network.add_module(second.name, activate(second))
        network.add_module("out", nn.Linear(second.units, outputs, dtype=dtype))
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.data.copy_(torch.from_numpy(rng.normal(0, 0.3, parameter.shape)))
        for layer in (network.conv, network.hidden, network.out):
            layer.bias.data.zero_()
        return network


class Backwards(nn.Module):
    """Layers that are registered in the opposite order to the one they are applied in."""

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.names = [name for name, _ in layers.named_children()]
        for name in reversed(self.names):
            self.add_module(name, layers.get_submodule(name))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for name in self.names:
            x = self.get_submodule(name)(x)
        return x


class BackwardsMlp(Mlp):
    """A multilayer perceptron of such layers."""

    def build(self, *arguments: Any) -> nn.Module:
        return Backwards(super().build(*arguments))


class TiedMlp(Mlp):
    """The first two layers share their weight, and the last one's is not to be trained."""

    def build(self, *arguments: Any) -> nn.Module:
        network = super().build(*arguments)
        network.layer1.weight = network.layer0.weight
        network.layer2.weight.requires_grad_(False)
        return network


FAMILY = "smartmixed_search.engine.generic.networks.family_of"


@pytest.fixture(autouse=True)
def small_conv(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the generic engine build these networks for any architecture; `again` is `relu` by another name."""
    monkeypatch.setattr(FAMILY, lambda architecture: SmallConv())
    register_activation("again", torch.relu)
    yield
    unregister_activation("again")


def rows() -> Dataset:
    """Return the toy data as sequences of one channel, [N, 1, 6]."""
    data = toy_dataset()
    reshaped = {f"x_{split}": getattr(data, f"x_{split}").unsqueeze(1) for split in ("train", "val", "test")}
    return dataclasses.replace(data, shape=(1, *data.shape), **reshaped)


def training() -> TwoPhaseTraining:
    pool = ("relu", "tanh", "again")
    config = dataclasses.replace(CONFIG, pool=pool, strategies=(SMARTMIXED, *pool))
    return TwoPhaseTraining(config, rows(), torch.device("cpu"), engine=GenericNetworks)


def trained() -> TwoPhaseTraining:
    made = training()
    made.run()
    return made


def test_layers_that_draw_draw_alike_in_all_networks_of_a_replicate() -> None:
    made = trained()
    losses = torch.stack(made.curves["train_loss"])
    relu, again = (losses[:, :, made.layout.columns[name]] for name in ("relu", "again"))
    torch.testing.assert_close(relu, again, rtol=0, atol=0)
    assert made.networks.optimizer.alive.all()


def test_torchs_generator_is_left_as_it_was() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    trained()
    assert torch.equal(torch.rand(3), expected)


def test_a_checkpoint_has_the_buffers_of_its_epoch() -> None:
    made = trained()
    name, column = "norm.running_mean", made.layout.columns["relu"]
    networks = made.networks
    assert isinstance(networks, GenericNetworks)
    index = [*networks._names, *networks._buffers].index(name)
    best, last = (state.shared[index][:, column] for state in (made.final.parameters, networks.parameters))
    earlier = made.final.epoch[:, column] < CONFIG.epochs - 1
    assert ((best != last).any(-1) == earlier).all()
    assert f"replicate0.{name}" in measure(made).weights


def test_a_state_goes_on_to_the_same_numbers() -> None:
    whole, begun, resumed = trained(), training(), training()
    kept: list[bytes] = []
    begun.run(lambda epoch, _: kept.append(dump(begun, 0.0)))
    assert load(resumed, kept[2]) is not None
    resumed.run()
    for ours, theirs in zip(whole.final.parameters.tensors(), resumed.final.parameters.tensors(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_poisoned_batch_norm_ends_a_network() -> None:
    """One batch that is not finite spoils running statistics for ever, while training would go on finite."""
    made = training()
    networks = made.networks
    assert isinstance(networks, GenericNetworks)
    column = made.layout.columns["tanh"]
    index = [*networks._names, *networks._buffers].index("norm.running_var")
    networks.parameters.shared[index][0, column] = torch.inf
    made.run()
    assert networks.optimizer.alive.logical_not().nonzero().tolist() == [[0, column]]


def test_units_choose_in_the_dimension_of_their_site() -> None:
    made = trained()
    assert [len(layer) for layer in measure(made).choices[0].functions] == list(CONFIG.architecture)


def test_sites_are_found_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal widths, so that nothing else would tell one site's noise from the other's."""
    monkeypatch.setattr(FAMILY, lambda architecture: BackwardsMlp())
    stack, generic = (contract.trained(engine, architecture=(6, 6)) for engine in ("stack", "generic"))
    for ours, theirs in zip(stack.curves["val_loss"], generic.curves["val_loss"], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=0)


def test_what_modules_share_stays_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FAMILY, lambda architecture: TiedMlp())
    made = contract.trained("generic", architecture=(6, 6))
    networks = made.networks
    assert isinstance(networks, GenericNetworks)
    weights = networks.parameters.shared[networks._names.index("layer0.weight")]
    assert "layer1.weight" not in networks._names
    for row, modules in enumerate(networks._modules):
        for column, network in enumerate(modules):
            assert network.layer1.weight is network.layer0.weight
            assert torch.equal(network.layer0.weight, weights[row, column])


def test_what_is_not_to_be_trained_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FAMILY, lambda architecture: TiedMlp())
    before, after = (make("generic", architecture=(6, 6)).networks for make in (contract.training, contract.trained))
    assert isinstance(before, GenericNetworks)
    moved = [not torch.equal(*pair) for pair in zip(before.parameters.shared, after.parameters.shared, strict=True)]
    assert [name for name, has in zip(before._names, moved, strict=True) if not has] == ["layer2.weight"]
