"""Networks that settings describe, which may be searched: of a family such as `conv`, and of a user's own factory."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import show
from smartmixed_search.families import FAMILIES, Own, family_of, own
from smartmixed_search.families.modular import ModularFamily
from smartmixed_search.space.fields import Constant, Field, parse_field
from smartmixed_search.trials.plain import Value, as_number, read_word
from smartmixed_search.trials.rules import Numbers, Rule, Words, whole_number

_MOST_MISSES = 10_000
"""How many combinations of settings may be drawn that no network has."""
_MODULAR = {name: family for name, family in FAMILIES.items() if isinstance(family, ModularFamily)}


@dataclass(frozen=True, kw_only=True)
class DrawnNetworks(ABC):
    """Networks of settings that are drawn at random."""

    settings: Mapping[str, Field]
    """Constants, ranges and choices by name."""

    @abstractmethod
    def of(self, settings: Mapping[str, Value]) -> Any:
        """Return the architecture of some settings."""

    @abstractmethod
    def to_plain(self) -> dict[str, Any]:
        """Return the keys of a space that `parse_architectures` reads."""

    @property
    def modules(self) -> tuple[str, ...]:
        """What must be imported."""
        return family_of(self.first).modules(self.first)

    @property
    def first(self) -> Any:
        """The one of the smallest numbers and first words."""
        return self._extreme(0)

    @property
    def searched(self) -> bool:
        """Whether there is more than one."""
        return any(not isinstance(field, Constant) for field in self.settings.values())

    def count(self, enough: int) -> int:
        """Return how many there are; the counting may stop at `enough`, and does where a number is a continuum."""
        sizes = [field.size for field in self.settings.values()]
        return enough if None in sizes else min(enough, math.prod(size for size in sizes if size is not None))

    def draw(self, rng: np.random.Generator) -> Iterator[Any]:
        """Yield distinct networks without end; ask for no more than there are."""
        seen: set[Any] = set()
        missed = 0
        while True:
            try:
                drawn = self.of({name: field.draw(rng) for name, field in self.settings.items()})
            except ConfigError:  # an even kernel, say
                missed += 1
                if missed > _MOST_MISSES:
                    raise
                continue
            if drawn not in seen:
                seen.add(drawn)
                yield drawn

    def checked(self) -> Self:
        """Return itself, if its extremes are networks.

        Raises:
            ConfigError: one is not.
        """
        for place in (0, 1):
            self._extreme(place)
        return self

    def _extreme(self, place: int) -> Any:
        return self.of({name: field.extremes[place] for name, field in self.settings.items()})

    def _plain(self) -> dict[str, Any]:
        return {name: field.to_plain() for name, field in self.settings.items()}


@dataclass(frozen=True, kw_only=True)
class OwnArchitectures(DrawnNetworks):
    """What a user's own factory makes."""

    factory: str
    sites: tuple[str, ...] = ()

    def of(self, settings: Mapping[str, Value]) -> Own:
        """See `DrawnNetworks`."""
        return Own(factory=self.factory, settings=tuple(settings.items()), sites=self.sites)

    def to_plain(self) -> dict[str, Any]:
        """See `DrawnNetworks`."""
        told = {"network_settings": self._plain(), "sites": list(self.sites)}
        return {"network": self.factory, **{key: value for key, value in told.items() if value}}


@dataclass(frozen=True, kw_only=True)
class FamilyArchitectures(DrawnNetworks):
    """Networks of a family that a few settings describe."""

    family: str

    def of(self, settings: Mapping[str, Value]) -> Any:
        """See `DrawnNetworks`."""
        return _MODULAR[self.family].make(settings)

    def to_plain(self) -> dict[str, Any]:
        """See `DrawnNetworks`."""
        return {"architecture": {"family": self.family, **self._plain()}}


def parse_family(plain: Mapping[str, Any]) -> FamilyArchitectures:
    """Read `{family: conv, width: {choices: [16, 32]}, …}`.

    Raises:
        ConfigError: there is no such family, or a setting breaks its rule.
    """
    name = read_word("architecture: family", plain["family"], tuple(_MODULAR))
    family, settings = _MODULAR[name], {}
    for key, value in plain.items():
        if key != "family":
            rule = _rule(family, read_word(f"a setting of {name}", key, family.settings))
            settings[key] = parse_field(f"architecture: {key}", value, rule)
    return FamilyArchitectures(family=name, settings=settings).checked()


def _rule(family: ModularFamily[Any], key: str) -> Rule:
    if key in family.bounds:
        return whole_number(*family.bounds[key])
    return Words(words=family.words[key]) if key in family.words else _Truth()


def parse_networks(plain: Mapping[str, Any]) -> OwnArchitectures:
    """Read `network`, a factory or `package.module:name`, and of a space's other keys `network_settings` and `sites`.

    Raises:
        ConfigError: they break a rule.
    """
    told, sites = plain.get("network_settings") or {}, plain.get("sites") or ()
    if not isinstance(told, Mapping):
        raise ConfigError(f"network_settings must be such as {{width: {{choices: [16, 32]}}}}, but got {show(told)}")
    if isinstance(sites, str) or not isinstance(sites, list | tuple):
        raise ConfigError(f"sites must be a list of patterns, such as ['!head*'], but got {show(sites)}")
    factory = plain["network"]
    if not isinstance(factory, str) and not callable(factory):
        raise ConfigError(f"network must be the factory of a module, MODULE:NAME, but got {show(factory)}")
    factory = own(factory, sites).factory
    if factory.startswith("__main__:"):
        raise ConfigError(f"network must be in a module that workers can import, but got {factory}; save it in a file")
    settings = {str(name): _parse_setting(f"network_settings: {name}", value) for name, value in told.items()}
    return OwnArchitectures(factory=factory, settings=settings, sites=tuple(sites)).checked()


def _parse_setting(key: str, value: object) -> Field:
    if isinstance(value, Mapping) and "choices" not in value:
        bounds = [value.get(name) for name in ("low", "high")]
        whole = all(isinstance(bound, int) and not isinstance(bound, bool) for bound in bounds)
        log = bool(value.get("log"))
        low = (1 if whole else 2.0**-126) if log else -math.inf
        text = f"a {'whole ' if whole else ''}number{' greater than 0' if log else ''}"
        return parse_field(key, value, Numbers(text=text, whole=whole, low=low, high=math.inf))
    return parse_field(key, value, _Argument())


class _Argument:
    """A number, a word, true, false, or `none`."""

    def choice(self, key: str, value: object) -> Value:
        if value is None or value == "none":
            return None
        number = as_number(value)
        if number is not None:
            return number
        if isinstance(value, bool | str):
            return value
        raise ConfigError(f"{key} must be a number, a word, true, false, a range or choices, but got {show(value)}")


class _Truth:
    """True or false."""

    def choice(self, key: str, value: object) -> bool:
        if not isinstance(value, bool):
            raise ConfigError(f"{key} must be true or false, but got {show(value)}")
        return value
