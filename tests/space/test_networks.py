"""Spaces of a user's own networks."""

from typing import Any

import pytest

from smartmixed_search.errors import ConfigError
from smartmixed_search.families import format_architecture
from smartmixed_search.search.proposing.proposals import Proposer
from smartmixed_search.space.space import SearchSpace
from tests.helpers import own_networks
from tests.helpers.own_networks import MODULE

SPACE = {"dataset": "digits", "network": f"{MODULE}:dense", "epochs": 4}
WIDTHS = {"width": {"choices": [2, 4, 8]}}


def space(**keys: Any) -> SearchSpace:
    return SearchSpace.from_dict({**SPACE, **keys})


def proposed(space: SearchSpace, count: int) -> list[str]:
    proposer, names = Proposer(space), []
    for number in range(count):
        proposal = proposer.propose(number)
        names.append(format_architecture(proposal.config.architecture))
        proposer.tell(proposal, "finished", float(number))
    return names


def test_every_combination_of_settings_is_an_architecture() -> None:
    made = space(network_settings=WIDTHS | {"depth": {"low": 1, "high": 2}})
    assert made.architectures == made.trials == 6
    assert len(set(map(format_architecture, made.draw_architectures()))) == 6


def test_it_is_read_again_from_what_was_recorded() -> None:
    made = space(network_settings=WIDTHS | {"norm": True, "kind": "a"}, sites=["!x*"])
    again = SearchSpace.from_dict(made.to_dict())
    assert again.to_dict() == made.to_dict()
    assert again.hash == made.hash


def test_a_function_is_taken_from_python() -> None:
    assert space(network=own_networks.dense).to_dict() == space().to_dict()


def test_its_module_is_a_plugin_of_every_trial() -> None:
    made = space(temperature=0.3, phase_fraction=0.5)
    assert made.options["plugins"] == (MODULE,)
    assert made.config(next(made.draw_architectures()), {}).plugins == (MODULE,)


@pytest.mark.parametrize("search", ["settings", "joint"])
def test_its_settings_are_searched(search: str) -> None:
    made = space(network_settings=WIDTHS, search=search, trials=12)
    names = {f"own:{MODULE}:dense(width={width})" for width in (2, 4, 8)}
    assert set(proposed(made, 12)) == names


def test_architectures_may_be_listed_by_name() -> None:
    listed = [f"own:{MODULE}:dense(width=2)", "8-4"]
    made = SearchSpace.from_dict({"dataset": "digits", "architecture": {"choices": listed}})
    assert proposed(made, 2) == listed
    assert made.options["plugins"] == (MODULE,)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"architecture": "8"}, "a space with architecture must not have the key network"),
        ({"network": None, "sites": ["x"]}, "must have the key architecture, or network"),
        ({"network": None, "architecture": "8", "sites": ["x"]}, "a space without network must not have the key sites"),
        ({"network": "module"}, "MODULE:NAME, but got 'module'"),
        ({"network": 3}, "MODULE:NAME, but got 3"),
        ({"network": "no_such_module:make"}, "'no_such_module'"),
        ({"network_settings": [1]}, "network_settings must be such as"),
        ({"network_settings": {"width": [1, 2]}}, "network_settings: width must be a number"),
        ({"network_settings": {"width": {"low": 3, "high": 2}}}, "low must be less than high"),
        ({"network_settings": {"rate": {"low": 0, "high": 2, "log": True}}}, "greater than 0"),
        ({"network_settings": {"sites": 3}}, "argument of its factory"),
        ({"sites": "head*"}, "sites must be a list of patterns"),
    ],
)
def test_what_is_wrong_is_named(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        space(**keys)
    assert message in str(raised.value)


def test_architectures_of_a_family_are_sampled() -> None:
    plain = {"family": "conv", "stages": {"low": 1, "high": 2}, "width": {"choices": [4, 8]}, "norm": "none"}
    made = SearchSpace.from_dict({"dataset": "digits", "architecture": plain, "epochs": 4})
    names = {f"conv(stages={stages}, width={width}, norm='none')" for stages in (1, 2) for width in (4, 8)}
    assert set(proposed(made, 4)) == names
    assert SearchSpace.from_dict(made.to_dict()).hash == made.hash
    assert made.to_dict()["architecture"] == plain


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({"family": "conf"}, "did you mean 'conv'"),
        ({"family": "conv", "width": 4}, "conv must have stages"),
        ({"family": "conv", "stages": 1, "width": 0}, "a whole number from 1 to 4096, but got 0"),
        ({"family": "conv", "stages": 1, "width": 4, "norm": "layer"}, "architecture: norm must be one of batch"),
        ({"family": "conv", "stages": 1, "width": 4, "residual": 3}, "residual must be true or false"),
        ({"family": "conv", "stages": 1, "width": 4, "deep": 3}, "a setting of conv"),
        ({"family": "conv", "stages": 1, "width": 4, "kernel": 4}, "kernel must be odd"),
        ("conv(stages=1)", "conv must have width"),
        ("conv(stages=1, width=4", "named such as conv(stages=1, width=1)"),
    ],
)
def test_what_is_no_network_of_a_family_is_named(architecture: Any, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        SearchSpace.from_dict({"dataset": "digits", "architecture": architecture})
    assert message in str(raised.value)
