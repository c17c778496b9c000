"""Kinds of networks: how they are named, ordered, sized and built."""

import re
from typing import Any

from smartmixed_search.families.blocks import MixerNetworks, TransformerNetworks
from smartmixed_search.families.conv import ConvNetworks
from smartmixed_search.families.family import Family, Site
from smartmixed_search.families.mlp import Mlp
from smartmixed_search.families.own import Own, OwnNetworks, own

_ALL: tuple[Family[Any], ...] = (Mlp(), ConvNetworks(), MixerNetworks(), TransformerNetworks(), OwnNetworks())

FAMILIES: dict[str, Family[Any]] = {family.name: family for family in _ALL}
"""Every family by its name; the first is that of architectures whose names do not begin with a family's."""

_DEFAULT = next(iter(FAMILIES.values()))


def family_of(architecture: object) -> Family[Any]:
    """Return the family that an architecture is of."""
    return next(family for family in FAMILIES.values() if isinstance(architecture, family.kind))


def parse_architecture(text: str) -> Any:
    """Read an architecture's canonical name; those of other families than `mlp` begin with the family's.

    Raises:
        ConfigError: the text names none.

    Example:
        >>> parse_architecture("512-256-128")
        (512, 256, 128)
    """
    return FAMILIES.get(re.split("[:(]", text, maxsplit=1)[0], _DEFAULT).parse(text)


def format_architecture(architecture: object) -> str:
    """Write an architecture's canonical name."""
    return family_of(architecture).format(architecture)


def by_size(name: str) -> tuple[int, tuple[Any, ...]]:
    """Return by what canonical names are sorted: the family, then what it sorts by, the smallest first."""
    architecture = parse_architecture(name)
    family = family_of(architecture)
    return [*FAMILIES].index(family.name), family.order(architecture)


def depth_of(name: str) -> int | None:
    """Return how many layers the architecture of a canonical name has; None: the name does not tell."""
    architecture = parse_architecture(name)
    return family_of(architecture).depth(architecture)


__all__ = [
    "FAMILIES",
    "Family",
    "Mlp",
    "Own",
    "Site",
    "by_size",
    "depth_of",
    "family_of",
    "format_architecture",
    "own",
    "parse_architecture",
]
