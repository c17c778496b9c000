"""The shared suite of the families: each keeps the contract of `Family`."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from smartmixed_search.errors import ConfigError
from smartmixed_search.families import FAMILIES, family_of
from smartmixed_search.families.family import Site
from tests.families.contract import EXAMPLES, Example

every_family = pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)


class Noted(nn.Module):
    """A site's module that keeps the shape of what comes to it."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.site = site
        self.shape: torch.Size | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.shape = x.shape
        return x


def build(example: Example, seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[nn.Module, list[Noted]]:
    made: list[Noted] = []

    def activate(site: Site) -> nn.Module:
        made.append(Noted(site))
        return made[-1]

    architecture, rng = example.family.parse(example.text), np.random.default_rng(seed)
    network = example.family.build(architecture, example.input_shape, example.outputs, activate, rng, dtype)
    return network, made


def test_every_family_has_an_example() -> None:
    assert {example.family.name for example in EXAMPLES.values()} == set(FAMILIES)


@every_family
def test_a_name_is_read_and_written(example: Example) -> None:
    architecture = example.family.parse(example.text)
    assert example.family.format(architecture) == example.text
    assert hash(architecture) is not None
    assert family_of(architecture) is example.family


@every_family
def test_what_is_no_name_is_refused(example: Example) -> None:
    for wrong in example.wrong:
        with pytest.raises(ConfigError):
            example.family.parse(wrong)


@every_family
def test_architectures_are_sorted(example: Example) -> None:
    family = example.family
    assert family.order(family.parse(example.smaller)) < family.order(family.parse(example.text))


@every_family
def test_layers_between_input_and_output_are_its_depth(example: Example) -> None:
    assert example.family.depth(example.family.parse(example.text)) == example.depth


@every_family
def test_the_network_has_the_sites_that_are_named(example: Example) -> None:
    family, architecture = example.family, example.family.parse(example.text)
    sites = family.sites(architecture, example.input_shape, example.outputs)
    assert tuple(site.units for site in sites) == example.units
    network, made = build(example)
    network(torch.zeros(4, *example.input_shape))
    assert [noted.site for noted in made] == list(sites)
    for noted in made:
        assert network.get_submodule(noted.site.name) is noted
        assert noted.shape is not None, "a site is on the way of a forward pass"
        assert noted.shape[noted.site.dim] == noted.site.units


@every_family
@pytest.mark.parametrize("batch", [1, 4])
def test_the_network_has_the_outputs_asked_for(example: Example, batch: int) -> None:
    network, _ = build(example, dtype=torch.float64)
    assert network(torch.zeros(batch, *example.input_shape).double()).shape == (batch, example.outputs)


@every_family
def test_equal_generators_draw_equal_weights(example: Example) -> None:
    one, same, other = (dict(build(example, seed)[0].named_parameters()) for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


@every_family
def test_parameters_and_products_are_counted(example: Example) -> None:
    family, architecture = example.family, example.family.parse(example.text)
    network, _ = build(example)
    counted = family.parameters(architecture, example.input_shape, example.outputs)
    assert counted == sum(parameter.numel() for parameter in network.parameters()) == example.parameters
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, *example.input_shape))
    flops = family.flops(architecture, example.input_shape, example.outputs)
    assert flops == counter.get_total_flops() == example.flops


@every_family
def test_bounds_hold_a_number(example: Example) -> None:
    assert all(1 <= low <= high for low, high in example.family.bounds.values())
