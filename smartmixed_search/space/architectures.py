"""The architectures of a search space: listed, or drawn at random."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import show
from smartmixed_search.families import Mlp, family_of, format_architecture, parse_architecture
from smartmixed_search.space.fields import Field, parse_field
from smartmixed_search.space.keys import NETWORK
from smartmixed_search.space.networks import DrawnNetworks, parse_family, parse_networks
from smartmixed_search.trials.plain import Value, check_keys, read_word
from smartmixed_search.trials.rules import DEPTH, WIDTH

Widths = tuple[int, ...]

NON_INCREASING = "non-increasing"
SHAPES = (NON_INCREASING, "free")


@dataclass(frozen=True, kw_only=True)
class ListedArchitectures:
    """Architectures by name, in the order in which they are tried."""

    listed: tuple[Any, ...]

    @property
    def modules(self) -> tuple[str, ...]:
        """What must be imported for somebody's own networks."""
        return tuple(dict.fromkeys(name for one in self.listed for name in family_of(one).modules(one)))

    @property
    def searched(self) -> bool:
        """Whether they are drawn."""
        return False

    @property
    def names(self) -> tuple[str, ...]:
        """The architectures as `512-256-128`."""
        return tuple(map(format_architecture, self.listed))

    def count(self, enough: int) -> int:
        """Return how many architectures there are; the counting may stop at `enough`."""
        return len(self.listed)

    def draw(self, rng: np.random.Generator) -> Iterator[Any]:
        """Yield every architecture once, in order; nothing is drawn."""
        yield from self.listed

    def to_plain(self) -> dict[str, Any]:
        """Return the key of a space that `parse_architectures` reads."""
        return {"architecture": self.names[0] if len(self.names) == 1 else {"choices": list(self.names)}}


@dataclass(frozen=True, kw_only=True)
class SampledArchitectures:
    """Architectures drawn at random: first the depth, then the widths."""

    depth: Field
    width: Field
    shape: str = NON_INCREASING
    """`non-increasing`: every such sequence of widths is equally likely; `free`: widths are drawn one by one.

    Where the width is a `log` range, widths are drawn one by one for either shape, and sorted for the former.
    """

    @property
    def modules(self) -> tuple[str, ...]:
        """What must be imported: nothing."""
        return ()

    @property
    def searched(self) -> bool:
        """Whether they are drawn."""
        return True

    def count(self, enough: int) -> int:
        """Return how many architectures there are; the counting may stop at `enough`."""
        total, index = 0, 0
        while index < _size(self.depth) and total < enough:
            total += self._count_of(_whole(self.depth.at(index)))
            index += 1
        return total

    def draw(self, rng: np.random.Generator) -> Iterator[Widths]:
        """Yield distinct architectures without end; ask for no more than there are."""
        seen: set[Widths] = set()
        drawn = Counter[int]()
        while True:
            depth = _whole(self.depth.draw(rng))
            if drawn[depth] == self._count_of(depth):
                continue
            widths = self._draw_widths(depth, rng)
            if widths not in seen:
                seen.add(widths)
                drawn[depth] += 1
                yield widths

    def ordered(self, widths: Widths) -> Widths:
        """Return widths drawn one by one as the shape wants them."""
        return tuple(sorted(widths, reverse=True)) if self.shape == NON_INCREASING else widths

    def to_plain(self) -> dict[str, Any]:
        """Return the key of a space that `parse_architectures` reads."""
        plain = {"depth": self.depth.to_plain(), "width": self.width.to_plain(), "shape": self.shape}
        return {"architecture": plain}

    def _count_of(self, depth: int) -> int:
        widths = _size(self.width)
        return math.comb(widths + depth - 1, depth) if self.shape == NON_INCREASING else widths**depth

    def _draw_widths(self, depth: int, rng: np.random.Generator) -> Widths:
        if self.shape == NON_INCREASING and not getattr(self.width, "log", False):
            return self._draw_multiset(depth, rng)
        return self.ordered(tuple(_whole(self.width.draw(rng)) for _ in range(depth)))

    def _draw_multiset(self, depth: int, rng: np.random.Generator) -> Widths:
        """Draw one of the multisets of widths: as a set of places among widths and bars (stars and bars)."""
        places = np.sort(rng.choice(_size(self.width) + depth - 1, depth, replace=False, shuffle=False))
        return self.ordered(tuple(_whole(self.width.at(int(place))) for place in places - np.arange(depth)))


Architectures = ListedArchitectures | SampledArchitectures | DrawnNetworks


def parse_architectures(plain: Mapping[str, Any]) -> Architectures:
    """Read of a space `architecture`: one, `{choices: [...]}`, `{depth, width, shape?}`, `{family, …}`; or `network`.

    Raises:
        ConfigError: it is not one of these, or breaks a rule.

    """
    value, network = plain.get("architecture"), plain.get("network")
    if value is None and network is None:
        raise ConfigError("a space must have the key architecture, or network, but it is missing")
    extra = [key for key in NETWORK if plain.get(key) is not None and (network is None or value is not None)]
    if extra:
        beside = "a space without network" if network is None else "a space with architecture"
        raise ConfigError(f"{beside} must not have the key {extra[0]}, but got {show(plain[extra[0]])}")
    if network is not None:
        return parse_networks(plain)
    if isinstance(value, Mapping):
        if "family" in value:
            return parse_family(value)
        return _parse_listed(value) if "choices" in value else _parse_sampled(value)
    return ListedArchitectures(listed=(_parse_one(value),))


def _parse_one(value: object) -> Any:
    """Read `512-256-128`, a single width, which YAML reads as a number, or another family's canonical name."""
    if isinstance(value, str) and (":" in value or "(" in value):
        return parse_architecture(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ConfigError(
            f"architecture must be widths such as 512-256-128, {{choices: [...]}} or {{depth, width, shape}}, "
            f"but got {show(value)}"
        )
    parts = str(value).split("-")
    if len(parts) > DEPTH.high:
        raise ConfigError(f"architecture must have at most {DEPTH.high} layers, but got {len(parts)}")
    if any(part.isdigit() and len(part) > len(str(WIDTH.high)) for part in parts):
        raise ConfigError(f"architecture: a width must be at most {WIDTH.high}, but got {show(value)}")
    try:
        widths = Mlp().parse(str(value))
    except ConfigError as error:
        raise ConfigError(str(error).replace(repr(str(value)), show(str(value)))) from error
    for width in widths:
        WIDTH.read("architecture: a width", width)
    return widths


def _parse_listed(value: Mapping[str, Any]) -> ListedArchitectures:
    check_keys("architecture", value, ("choices",))
    choices = value["choices"]
    if not isinstance(choices, list | tuple) or not choices:
        raise ConfigError(f"architecture: choices must be a list of architectures, but got {show(choices)}")
    listed = tuple(_parse_one(choice) for choice in choices)
    if len(set(listed)) < len(listed):
        twice = next(format_architecture(item) for item, times in Counter(listed).items() if times > 1)
        raise ConfigError(f"architecture: choices must not name anything twice, but got {twice!r}")
    return ListedArchitectures(listed=listed)


def _parse_sampled(value: Mapping[str, Any]) -> SampledArchitectures:
    check_keys("architecture", value, ("depth", "width", "shape", "choices"))
    for name in ("depth", "width"):
        if name not in value:
            raise ConfigError(f"architecture must have depth and width, but {show(dict(value))} has no {name}")
    return SampledArchitectures(
        depth=parse_field("architecture: depth", value["depth"], DEPTH),
        width=parse_field("architecture: width", value["width"], WIDTH),
        shape=read_word("architecture: shape", value.get("shape", NON_INCREASING), SHAPES),
    )


def _size(field: Field) -> int:
    size = field.size
    assert size is not None, "depth and width are whole numbers"
    return size


def _whole(value: Value) -> int:
    assert isinstance(value, int), "depth and width are whole numbers"
    return value
