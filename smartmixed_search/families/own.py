"""Networks of somebody's own, made by a factory: named such as `own:my_networks:cnn(depth=3, width=64)`."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import show
from smartmixed_search.families.calls import comparable, read_call, write_call
from smartmixed_search.families.examination import Factory, examine, examples, find_factory, make
from smartmixed_search.families.family import Activate, Family, Site
from smartmixed_search.method.sites import ExchangedActivations, Found
from smartmixed_search.system.guests import guest
from smartmixed_search.system.plugins import confirm, require_confirmed

PREFIX = "own"
_SITES = "sites"
"""The word for the patterns of sites in a name, so that no setting of a factory may be called so."""
_EXAMPLE = f"{PREFIX}:my_networks:cnn(width=64)"

Value = bool | int | float | str | None


@dataclass(frozen=True, kw_only=True)
class Own:
    """What a factory makes of some settings.

    Raises:
        ConfigError: a part breaks its rule.

    Example:
        >>> str(Own(factory="my_networks:cnn", settings=(("width", 64),)))
        'own:my_networks:cnn(width=64)'
    """

    factory: str
    """Its module and its name there, `package.module:name`."""
    settings: tuple[tuple[str, Value], ...] = ()
    """What it is told beside input shape and outputs, by name; sorted."""
    sites: tuple[str, ...] = ()
    """Patterns of the sites that are exchanged, see `find_sites`."""

    def __post_init__(self) -> None:
        module, _, name = self.factory.partition(":")
        if not all(part.isidentifier() for part in [*module.split("."), *name.split(".")]):
            raise ConfigError(f"a network must be the factory of a module, MODULE:NAME, but got {show(self.factory)}")
        for key, value in self.settings:
            if not key.isidentifier() or key == _SITES:
                raise ConfigError(f"a setting of a network must be an argument of its factory, but got {show(key)}")
            if not isinstance(value, Value):
                raise ConfigError(
                    f"network: {key} must be a number, a word, true, false or none, but got {show(value)}"
                )
        if isinstance(self.sites, str) or not all(isinstance(pattern, str) for pattern in self.sites):
            raise ConfigError(f"{_SITES} must be patterns of names, but got {show(self.sites)}")
        object.__setattr__(self, "settings", tuple(sorted(self.settings)))
        object.__setattr__(self, "sites", tuple(self.sites))

    def __str__(self) -> str:
        sites = {_SITES: list(self.sites)} if self.sites else {}
        return write_call(f"{PREFIX}:{self.factory}", dict(self.settings) | sites)


def own(factory: str | Callable[..., nn.Module], /, sites: Sequence[str] = (), **settings: Value) -> Own:
    """Return the architecture of one's own network.

    Args:
        factory: called with the shape of one example, the number of outputs, and the settings; returns the network. Or
            where it is found, `package.module:name`.
        sites: which of its activations are exchanged, see `find_sites`.
        settings: what else it is told.

    Raises:
        ConfigError: it cannot be found under a name again, as what is defined inside a function.
    """
    if not isinstance(factory, str):
        found: Any = sys.modules.get(getattr(factory, "__module__", ""))
        name = getattr(factory, "__qualname__", "")
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is None or found is not factory:
            raise ConfigError(f"a network must be a function of a module, by its name, but got {show(factory)}")
        confirm(factory.__module__)
        factory = f"{factory.__module__}:{name}"
    return Own(factory=factory, settings=tuple(settings.items()), sites=tuple(sites))


class OwnNetworks(Family[Own]):
    """Modules that a factory makes; what they call their activations is found as they run."""

    name: ClassVar[str] = PREFIX
    kind: ClassVar[type] = Own
    bounds: ClassVar[Mapping[str, tuple[int, int]]] = MappingProxyType({})

    def parse(self, text: str) -> Own:
        """See `Family`; settings are written as Python writes the arguments of a call."""
        try:
            where, told = read_call(text.removeprefix(f"{PREFIX}:"))
        except ValueError as error:
            raise ConfigError(f"a network must be named such as {_EXAMPLE}, but got {show(text)}") from error
        sites = told.pop(_SITES, [])
        return Own(factory=where, settings=tuple(told.items()), sites=sites)

    def format(self, architecture: Own) -> str:
        """See `Family`."""
        return str(architecture)

    def order(self, architecture: Own) -> tuple[Any, ...]:
        """Sort by factory, then by settings, numbers before words."""
        names, values = zip(*architecture.settings, strict=True) if architecture.settings else ((), ())
        return architecture.factory, names, comparable(values), architecture.sites

    def depth(self, architecture: Own) -> int | None:
        """Return None: its name does not tell."""
        return None

    def modules(self, architecture: Own) -> tuple[str, ...]:
        """Return the factory's module."""
        return (architecture.factory.partition(":")[0],)

    def sites(self, architecture: Own, input_shape: Sequence[int], outputs: int) -> tuple[Site, ...]:
        """See `Family`."""
        found = self.found(architecture, input_shape, outputs)
        return tuple(
            Site(f"{_SITES}.{place}", site.layout.units, -1 if site.layout.block > 1 else site.layout.dim)
            for place, site in enumerate(found.sites)
        )

    def found(self, architecture: Own, input_shape: Sequence[int], outputs: int) -> Found:
        """Return what was found in a network, which is examined first.

        Raises:
            ConfigError: there is no such factory, or its module has not been imported.
            NetworkError: it makes no network that can be trained; see `examination`.
        """
        return examine(_factory(architecture), tuple(input_shape), outputs, architecture.sites)

    def build(
        self,
        architecture: Own,
        input_shape: Sequence[int],
        outputs: int,
        activate: Activate,
        rng: np.random.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> nn.Module:
        """See `Family`; global generators begin at a number from `rng` while the factory runs."""
        found = self.found(architecture, input_shape, outputs)
        network = make(_factory(architecture), tuple(input_shape), outputs, int(rng.integers(2**63)))
        modules = [activate(site) for site in self.sites(architecture, input_shape, outputs)]
        return ExchangedActivations(network, found, modules).to(dtype)

    def parameters(self, architecture: Own, input_shape: Sequence[int], outputs: int) -> int:
        """See `Family`; what a network shares counts once."""
        return _size(_factory(architecture), tuple(input_shape), outputs)[0]

    def flops(self, architecture: Own, input_shape: Sequence[int], outputs: int) -> int:
        """See `Family`."""
        return _size(_factory(architecture), tuple(input_shape), outputs)[1]


def _factory(architecture: Own) -> Factory:
    for name in OwnNetworks().modules(architecture):
        require_confirmed(name)
    return find_factory(architecture.factory, architecture.settings)


@cache
def _size(factory: Factory, input_shape: tuple[int, ...], outputs: int) -> tuple[int, int]:
    """Return the numbers of parameters, and of multiplications and additions of one example."""
    network = make(factory, input_shape, outputs, seed=0).eval()
    with guest(0), torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(examples(input_shape)[:2])
    return sum(parameter.numel() for parameter in network.parameters()), counter.get_total_flops() // 2
