"""Networks of a user's own: how they are named, and which of them can be trained."""

import random

import numpy as np
import pytest
import torch

from smartmixed_search.errors import ConfigError, NetworkError
from smartmixed_search.families import OwnNetworks, own, parse_architecture
from smartmixed_search.method.modules import FixedActivation
from tests.helpers import own_networks
from tests.helpers.own_networks import MODULE

FAMILY = OwnNetworks()


def found(name: str, input_shape: tuple[int, ...] = (2, 6, 6), outputs: int = 3) -> list[int]:
    architecture = FAMILY.parse(f"own:{MODULE}:{name}")
    return [site.units for site in FAMILY.sites(architecture, input_shape, outputs)]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("own:a.b:make", "own:a.b:make"),
        ("own:a:make()", "own:a:make"),
        ("own:a:make(width=8,depth=2)", "own:a:make(depth=2, width=8)"),
        ("own:a:Net.small(rate=1e-3, kind='x y', norm=True, skip=None)", None),
        ("own:a:make(sites=['!head*'], width=2)", "own:a:make(width=2, sites=['!head*'])"),
    ],
)
def test_names_are_canonical(text: str, written: str | None) -> None:
    name = FAMILY.format(FAMILY.parse(text))
    assert FAMILY.format(FAMILY.parse(name)) == name
    if written is not None:
        assert name == written


@pytest.mark.parametrize(
    "text",
    [
        *("own:", "own:a", "own:a:", "own:a:b:c", "own:a:make(", "own:a:make(8)", "own:a:make(width=8)(x=1)"),
        *("own:a:make(width=[8])", "own:a:make(width=open('x'))", "own:a:make(sites='x')", "own:a b:make", "own:1:x"),
    ],
)
def test_what_names_no_network_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"network|sites"):
        parse_architecture(text)


def test_a_function_is_an_architecture() -> None:
    architecture = own(own_networks.dense, width=8)
    assert FAMILY.format(architecture) == f"own:{MODULE}:dense(width=8)"


def test_a_function_that_no_name_finds_is_refused() -> None:
    with pytest.raises(ConfigError, match="function of a module"):
        own(lambda input_shape, outputs: own_networks.dense(input_shape, outputs))


def test_a_function_that_has_anothers_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="function of a module, by its name"):
        own(own_networks.wrapped)


def test_what_is_imported_is_not_run_for_that() -> None:
    with pytest.raises(ConfigError, match=r"made by collections, which you have not confirmed"):
        FAMILY.sites(FAMILY.parse("own:collections:Counter"), (3,), 2)


def test_architectures_are_sorted_by_their_numbers() -> None:
    names = [f"own:a:make(width={width})" for width in (100, 20, 3)]
    assert sorted(names, key=lambda name: FAMILY.order(FAMILY.parse(name))) == names[::-1]


@pytest.mark.parametrize(
    ("name", "units"),
    [
        ("convolutional(width=6)", [6, 5]),
        ("convolutional(sites=['hidden*'])", None),
        ("dense", [4]),
        ("tied", [8]),
        ("rude", [4]),
    ],
)
def test_sites_are_found(name: str, units: list[int] | None) -> None:
    if units is None:
        with pytest.raises(NetworkError, match="fits none of"):
            found(name)
    else:
        assert found(name) == units


def test_nothing_of_a_factory_reaches_what_runs_after_it(capsys: pytest.CaptureFixture[str]) -> None:
    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)
    threads, drawn = torch.get_num_threads(), (random.random(), np.random.rand(), float(torch.rand(1)))
    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)
    build("rude", 0)
    assert (random.random(), np.random.rand(), float(torch.rand(1))) == drawn
    assert torch.get_num_threads() == threads
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()
    assert capsys.readouterr().out == ""


def build(name: str, seed: int) -> torch.nn.Module:
    architecture = FAMILY.parse(f"own:{MODULE}:{name}")
    rng = np.random.default_rng(seed)
    return FAMILY.build(architecture, (2, 6, 6), 3, lambda site: FixedActivation("relu"), rng)


def test_weights_come_from_the_generator() -> None:
    one, same, other = (build("convolutional", seed).state_dict() for seed in (5, 5, 6))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["network.conv.weight"], other["network.conv.weight"])


def test_with_its_own_functions_a_network_answers_as_it_does() -> None:
    network = build("dense", 1).eval()
    x = torch.randn(5, 2, 6, 6)
    assert torch.equal(network(x), network.network(x))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "a factory of .* must be one of .*convolutional"),
        ("not_a_function", "must be a function, but .* is int"),
        ("raising", "it failed: ValueError: no such width"),
        ("dense(heigth=3)", "it failed: TypeError: .*heigth"),
        ("nothing", "an nn.Module, but it returned NoneType"),
        ("lazy", "1.weight is lazy"),
        ("elsewhere", "on the CPU, but 1.weight is on meta"),
        ("frozen", "none of its parameters requires a gradient"),
        ("changing", "must make equal networks"),
        ("sharing", "a network of its own at every call, but two share 3.weight"),
        ("complex_", "of real numbers, but phase is torch.complex64"),
        ("narrow", "for inputs of shape .4, 2, 6, 6. it failed: RuntimeError"),
        ("bad(answer='pair')", "in training, but got a tuple of 2"),
        ("bad(answer='words')", "but got str"),
        ("bad(answer='narrow')", r"but got one of shape \(4, 1\)"),
        ("bad(answer='nan')", "of finite numbers, but got nan before any training"),
        ("bad(answer='linear')", "must call an activation"),
        ("bad(answer='apart')", "must answer alike in training and evaluation"),
    ],
)
def test_what_cannot_be_trained_is_named_in_one_line(name: str, message: str) -> None:
    with pytest.raises((ConfigError, NetworkError), match=message) as raised:
        found(name)
    assert len(str(raised.value).splitlines()) == 1


def test_a_module_that_was_not_imported_is_not_run() -> None:
    with pytest.raises(ConfigError, match="--plugin this_module_is_nobodys"):
        FAMILY.sites(FAMILY.parse("own:this_module_is_nobodys:make"), (3,), 2)
