"""Whether anybody's network can be trained here: tried on made-up examples, before anything else is done with it."""

import copy
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.parameter import is_lazy

from smartmixed_search.errors import ConfigError, NetworkError, UserError
from smartmixed_search.errors.messages import in_short, one_of
from smartmixed_search.method.modules import MixedActivation
from smartmixed_search.method.sites import ExchangedActivations, Found, find_sites
from smartmixed_search.system.guests import guest

Shape = tuple[int, ...]

_COUNT = 4
"""Examples of a trial run."""
_TOLERANCE = 1e-5
"""Difference of an answer, absolute or relative, up to which two of them agree."""
_TRIED = ("tanh", "elu")
"""Functions that stand at the sites while a network is tried: such as no fused kernel knows."""
_DROPPED = ("p", "dropout", "drop_prob", "drop_rate", "dropout_p")
"""What modules that drop values call the share of these."""
_DROPPING = (nn.modules.dropout._DropoutNd, nn.RNNBase, nn.MultiheadAttention)


@dataclass(frozen=True)
class Factory:
    """What makes networks, and what it is told."""

    name: str
    """Its module and its name there, `package.module:name`."""
    settings: tuple[tuple[str, Any], ...]
    function: Callable[..., Any]

    def __str__(self) -> str:
        told = ", ".join(f"{key}={value!r}" for key, value in self.settings)
        return f"{self.name}({told})"


def find_factory(name: str, settings: tuple[tuple[str, Any], ...]) -> Factory:
    """Return the factory of that name, `package.module:name`, whose module has been imported.

    Raises:
        ConfigError: there is none.
    """
    module, _, path = name.partition(":")
    found: Any = sys.modules[module]
    for part in path.split("."):
        if not hasattr(found, part):
            known = [key for key, value in vars(found).items() if callable(value) and not key.startswith("_")]
            raise ConfigError(one_of(f"a factory of {module}", part, known))
        found = getattr(found, part)
    if not callable(found):
        raise ConfigError(f"a network's factory must be a function, but {name} is {type(found).__name__}")
    return Factory(name, settings, found)


def make(factory: Factory, input_shape: Shape, outputs: int, seed: int) -> nn.Module:
    """Call a factory, with the global generators at a seed.

    Raises:
        NetworkError: it fails, or does not return a module with all its weights on the CPU.
    """
    told = f"the factory {factory} must make a network for inputs of shape {input_shape} and {outputs} outputs"
    try:
        with guest(seed):
            network = factory.function(input_shape, outputs, **dict(factory.settings))
    except Exception as error:  # anybody's code, which may raise anything
        raise NetworkError(f"{told}, but it failed: {in_short(error)}") from error
    if not isinstance(network, nn.Module):
        raise NetworkError(f"{told}, an nn.Module, but it returned {type(network).__name__}")
    tensors = dict([*network.named_parameters(), *network.named_buffers()])
    for name, tensor in tensors.items():
        if is_lazy(tensor):
            raise NetworkError(
                f"{told} whose weights all have a shape, but {name} is lazy; "
                "give sizes, or run the network in the factory once, on torch.zeros(1, *input_shape)"
            )
        if tensor.is_complex():
            raise NetworkError(f"{told} of real numbers, but {name} is {tensor.dtype}")
        if tensor.device.type != "cpu":
            raise NetworkError(f"{told} on the CPU, but {name} is on {tensor.device}; trials move it where they train")
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise NetworkError(f"{told} that can be trained, but none of its parameters requires a gradient")
    return network


def examples(input_shape: Shape) -> Tensor:
    """Return made-up inputs [4, *input_shape], always the same."""
    return torch.randn(_COUNT, *input_shape, generator=torch.Generator().manual_seed(0))


@cache
def examine(factory: Factory, input_shape: Shape, outputs: int, patterns: tuple[str, ...]) -> Found:
    """Make sure that a factory's networks can be trained here, and return what was found in them.

    They must be made alike of equal random numbers, take examples in training and in evaluation, return one tensor
    [B, outputs] of finite numbers, and call an activation; with other functions at their sites they must answer alike
    in training, in evaluation, with gradients and without, and after their weights were saved and loaded.

    Raises:
        NetworkError: they do not; the message says what, and what helps.
    """
    networks = [make(factory, input_shape, outputs, seed) for seed in (0, 0, 1)]
    _apart(factory, networks)
    _same(factory, networks[0], networks[1])
    x = examples(input_shape)
    _answers(factory, networks[0], x, outputs)
    try:
        with guest(0):
            found = find_sites(networks[0], x, patterns)
    except Exception as error:  # anybody's code, which may raise anything
        raise NetworkError(f"{factory}: {in_short(error, kind=not isinstance(error, UserError))}") from error
    _agree(factory, [_exchanged(network, found) for network in networks[1:]], x)
    return found


def _apart(factory: Factory, networks: Sequence[nn.Module]) -> None:
    """Make sure that every call makes weights and buffers of its own."""
    seen: dict[int, int] = {}
    for place, network in enumerate(networks):
        for name, tensor in (*network.named_parameters(), *network.named_buffers()):
            if tensor.numel() and seen.setdefault(tensor.untyped_storage().data_ptr(), place) != place:
                raise NetworkError(
                    f"the factory {factory} must make a network of its own at every call, but two share {name}; "
                    "copy it in the factory (copy.deepcopy)"
                )


def _same(factory: Factory, one: nn.Module, other: nn.Module) -> None:
    """Make sure that two networks made of equal random numbers are equal."""
    first, second = (dict([*network.named_parameters(), *network.named_buffers()]) for network in (one, other))
    alike = first.keys() == second.keys() and all(
        torch.equal(first[name].nan_to_num(), second[name].nan_to_num()) for name in first
    )
    if not alike:
        raise NetworkError(
            f"the factory {factory} must make equal networks of equal random numbers, but two of one seed differ; "
            "let it draw from the generators of torch, numpy or random alone"
        )


def _answers(factory: Factory, network: nn.Module, x: Tensor, outputs: int) -> None:
    """Make sure that a network takes examples, and returns what a task can use."""
    for training in (True, False):
        mode = "training" if training else "evaluation"
        told = f"the network of {factory} must return one tensor of shape {(len(x), outputs)} in {mode}"
        twin = copy.deepcopy(network).train(training)
        try:
            with guest(0):
                answer = twin(x.clone())
        except Exception as error:  # anybody's code, which may raise anything
            raise NetworkError(
                f"{told}, but for inputs of shape {tuple(x.shape)} it failed: {in_short(error)}"
            ) from error
        if not isinstance(answer, Tensor):
            raise NetworkError(f"{told}, but got {_described(answer)}; return the one that is to be trained")
        if answer.shape != (len(x), outputs) or not answer.is_floating_point():
            raise NetworkError(f"{told}, but got one of shape {tuple(answer.shape)}, {answer.dtype}")
        if not bool(answer.isfinite().all()):
            raise NetworkError(f"{told} of finite numbers, but got {_strange(answer)} before any training")


def _described(answer: object) -> str:
    if isinstance(answer, tuple | list):
        return f"a {type(answer).__name__} of {len(answer)}"
    return type(answer).__name__


def _strange(answer: Tensor) -> float:
    return float(answer.detach()[~answer.isfinite()][0])


def _exchanged(network: nn.Module, found: Found) -> ExchangedActivations:
    """Return a network with several functions at every site, as after a handoff; nothing in it is random any more."""
    for module in network.modules():
        drops = isinstance(module, _DROPPING) or "drop" in type(module).__name__.lower()
        for name in _DROPPED if drops else ():
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    return ExchangedActivations(
        network, found, [_mixed(site.layout.units, found, place) for place, site in enumerate(found.sites)]
    )


def _mixed(units: int, found: Found, place: int) -> nn.Module:
    layout = found.sites[place].layout
    names = [_TRIED[unit % len(_TRIED)] for unit in range(units)]
    return MixedActivation(names, dim=-1 if layout.block > 1 else layout.dim)


def _agree(factory: Factory, networks: Sequence[ExchangedActivations], x: Tensor) -> None:
    """Make sure that two networks of unequal weights answer alike in every mode, once one has the other's weights."""
    network, other = networks
    try:
        other.load_state_dict(network.state_dict())
        answers = {
            "evaluation": _answer(network, x, training=False),
            "evaluation without gradients": _answer(network, x, training=False, gradients=False),
            "evaluation, saved and loaded": _answer(other, x, training=False, gradients=False),
        }
        again = [_answer(network, x, training=True, seed=seed) for seed in (0, 1)]
    except UserError:
        raise
    except Exception as error:  # anybody's code, which may raise anything
        raise NetworkError(
            f"the network of {factory} must run with other activations, but failed: {in_short(error)}"
        ) from error
    if torch.equal(*again):  # else there is randomness left, and two answers cannot be compared
        answers["training"] = again[0]
    for mode, answer in answers.items():
        if not torch.allclose(answer, answers["evaluation"], _TOLERANCE, _TOLERANCE):
            apart = float((answer - answers["evaluation"]).abs().max())
            raise NetworkError(
                f"the network of {factory} must answer alike in training and evaluation, dropout and batch norm apart, "
                f"but {mode} differs from evaluation by {apart:.2g}; a fused path, or state outside of parameters and "
                "buffers, may be the cause"
            )


def _answer(network: nn.Module, x: Tensor, *, training: bool, gradients: bool = True, seed: int = 0) -> Tensor:
    network.train(training)
    for module in network.modules():
        if isinstance(module, _NormBase):
            module.eval()
    with guest(seed), torch.set_grad_enabled(gradients):
        answer: Tensor = network(x.clone())
    return answer.detach()
