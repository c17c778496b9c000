"""What families have in common whose networks are modules, and whose architectures a few settings describe."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from functools import cache
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import one_of, show
from smartmixed_search.families.calls import comparable, read_call, write_call
from smartmixed_search.families.family import Activate, Family, Site
from smartmixed_search.system.guests import guest

A = TypeVar("A")

Place = Callable[[int, int], nn.Module]
"""Makes the module of the next site, given how many units choose there and which dimension holds them."""


class ModularFamily(Family[A]):
    """Networks named by the settings that differ from the default, such as `conv(stages=3, width=16, norm='none')`.

    A family declares its architectures as a frozen dataclass, `kind`, in `bounds` the smallest and largest of each
    number, in `words` what other fields may say, and how a `network` is put together; what is neither is a boolean.
    """

    words: ClassVar[Mapping[str, tuple[str, ...]]]
    """What of an architecture is a word, and what it may be."""

    @property
    def settings(self) -> tuple[str, ...]:
        """What describes an architecture."""
        return tuple(one.name for one in self._fields())

    @abstractmethod
    def network(self, architecture: A, input_shape: Sequence[int], outputs: int, place: Place) -> nn.Module:
        """Put a network together, calling `place` once for every site, in the order of a forward pass."""

    def make(self, settings: Mapping[str, Any]) -> A:
        """Return the architecture of some settings; the others have their defaults.

        Raises:
            ConfigError: a setting is not one of the family's, or breaks its rule.
        """
        known = {one.name: one for one in self._fields()}
        for name, value in settings.items():
            if name not in known:
                raise ConfigError(one_of(f"a setting of {self.name}", name, known))
            self._check(name, value)
        missing = [name for name, one in known.items() if one.default is MISSING and name not in settings]
        if missing:
            raise ConfigError(f"{self.name} must have {' and '.join(missing)}, but got {show(dict(settings))}")
        made: A = self.kind(**settings)
        return made

    def parse(self, text: str) -> A:
        """See `Family`."""
        try:
            name, settings = read_call(text)
        except ValueError:
            name, settings = "", {}
        if name != self.name:
            needed = {one.name: self.bounds[one.name][0] for one in self._fields() if one.default is MISSING}
            example = write_call(self.name, needed)
            raise ConfigError(f"an architecture must be named such as {example}, but got {show(text)}")
        return self.make(settings)

    def format(self, architecture: A) -> str:
        """See `Family`."""
        values = {one.name: getattr(architecture, one.name) for one in self._fields()}
        told = {one.name: values[one.name] for one in self._fields() if values[one.name] != one.default}
        return write_call(self.name, told)

    def order(self, architecture: A) -> tuple[Any, ...]:
        """Sort by the settings, in their order."""
        return comparable([getattr(architecture, one.name) for one in self._fields()])

    def sites(self, architecture: A, input_shape: Sequence[int], outputs: int) -> tuple[Site, ...]:
        """See `Family`."""
        return _sites(self, architecture, tuple(input_shape), outputs)

    def build(
        self,
        architecture: A,
        input_shape: Sequence[int],
        outputs: int,
        activate: Activate,
        rng: np.random.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> nn.Module:
        """See `Family`; layers have torch's default initialisation."""
        sites = iter(self.sites(architecture, input_shape, outputs))
        modules = [activate(site) for site in sites]
        standing = iter(modules)
        with guest(int(rng.integers(2**63))):
            network = self.network(architecture, input_shape, outputs, lambda units, dim: next(standing))
        return network.to(dtype)

    def parameters(self, architecture: A, input_shape: Sequence[int], outputs: int) -> int:
        """See `Family`."""
        return _size(self, architecture, tuple(input_shape), outputs)[0]

    def flops(self, architecture: A, input_shape: Sequence[int], outputs: int) -> int:
        """See `Family`."""
        return _size(self, architecture, tuple(input_shape), outputs)[1]

    def _fields(self) -> tuple[Field[Any], ...]:
        return fields(self.kind)

    def _check(self, name: str, value: object) -> None:
        if name in self.bounds:
            low, high = self.bounds[name]
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise ConfigError(
                    f"{self.name}: {name} must be a whole number from {low} to {high}, but got {show(value)}"
                )
        elif name in self.words:
            if value not in self.words[name]:
                raise ConfigError(one_of(f"{self.name}: {name}", value, self.words[name]))
        elif not isinstance(value, bool):
            raise ConfigError(f"{self.name}: {name} must be true or false, but got {show(value)}")


class _Marked(nn.Identity):
    """Stands at a site while nothing is known of it but where it lies."""

    def __init__(self, units: int, dim: int) -> None:
        super().__init__()
        self.units, self.dim = units, dim


@cache
def _sites(
    family: ModularFamily[Any], architecture: Any, input_shape: tuple[int, ...], outputs: int
) -> tuple[Site, ...]:
    made: list[_Marked] = []

    def place(units: int, dim: int) -> nn.Module:
        made.append(_Marked(units, dim))
        return made[-1]

    with guest(0):
        network = family.network(architecture, input_shape, outputs, place)
    names = {id(module): name for name, module in network.named_modules()}
    return tuple(Site(names[id(module)], module.units, module.dim) for module in made)


@cache
def _size(family: ModularFamily[Any], architecture: Any, input_shape: tuple[int, ...], outputs: int) -> tuple[int, int]:
    """Return the numbers of parameters, and of multiplications and additions of one example."""
    with guest(0), torch.no_grad(), FlopCounterMode(display=False) as counter:
        network = family.network(architecture, input_shape, outputs, lambda units, dim: nn.Identity()).eval()
        network(torch.zeros(1, *input_shape))
    return sum(parameter.numel() for parameter in network.parameters()), counter.get_total_flops()
