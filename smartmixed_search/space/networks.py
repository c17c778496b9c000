"""The networks of a user's own factory: what it is told may be searched."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import show
from smartmixed_search.families import Own, family_of, own
from smartmixed_search.space.fields import Constant, Field, parse_field
from smartmixed_search.trials.plain import Value, as_number
from smartmixed_search.trials.rules import Numbers


@dataclass(frozen=True, kw_only=True)
class OwnArchitectures:
    """What a factory makes of settings that are drawn at random."""

    factory: str
    settings: Mapping[str, Field]
    """What it is told, by name; constants, ranges, choices."""
    sites: tuple[str, ...] = ()

    @property
    def modules(self) -> tuple[str, ...]:
        """What must be imported."""
        return family_of(self.first).modules(self.first)

    @property
    def first(self) -> Own:
        """The one of the smallest numbers and first words."""
        return self.of({name: field.extremes[0] for name, field in self.settings.items()})

    @property
    def searched(self) -> bool:
        """Whether there is more than one."""
        return any(not isinstance(field, Constant) for field in self.settings.values())

    def of(self, settings: Mapping[str, Value]) -> Own:
        """Return the network of some settings."""
        return Own(factory=self.factory, settings=tuple(settings.items()), sites=self.sites)

    def count(self, enough: int) -> int:
        """Return how many there are; the counting may stop at `enough`, and does where a number is a continuum."""
        sizes = [field.size for field in self.settings.values()]
        return enough if None in sizes else min(enough, math.prod(size for size in sizes if size is not None))

    def draw(self, rng: np.random.Generator) -> Iterator[Own]:
        """Yield distinct networks without end; ask for no more than there are."""
        seen: set[Own] = set()
        while True:
            drawn = self.of({name: field.draw(rng) for name, field in self.settings.items()})
            if drawn not in seen:
                seen.add(drawn)
                yield drawn

    def to_plain(self) -> dict[str, Any]:
        """Return the keys of a space that `parse_networks` reads."""
        told = {name: field.to_plain() for name, field in self.settings.items()}
        sites = {"sites": list(self.sites)} if self.sites else {}
        return {"network": self.factory, **({"network_settings": told} if told else {}), **sites}


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
    networks = OwnArchitectures(factory=factory, settings=settings, sites=tuple(sites))
    for extreme in (0, 1):
        networks.of({name: field.extremes[extreme] for name, field in settings.items()})
    return networks


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
