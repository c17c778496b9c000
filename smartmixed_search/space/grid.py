"""The grid of settings: every combination of the fields' values, by index and never as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass

from smartmixed_search.errors import ConfigError
from smartmixed_search.space.fields import Field, Range
from smartmixed_search.trials.plain import Number, Value


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Combinations of values, numbered from 0; the first field varies fastest.

    Raises:
        ConfigError: a field is a range without a step.

    """

    fields: Mapping[str, Field]
    first: Mapping[str, Number]
    """Values that their fields take before all others, so that combination 0 has them all."""

    def __post_init__(self) -> None:
        for name, field in self.fields.items():
            if isinstance(field, Range) and field.step is None:
                raise ConfigError(
                    f"{name} must have a step or be choices for sampler 'grid', but got {field.to_plain()}"
                )

    @property
    def size(self) -> int:
        """Number of combinations."""
        total = 1
        for field in self.fields.values():
            total *= _size(field)
        return total

    def at(self, index: int) -> dict[str, Value]:
        """Return the combination of that index."""
        values: dict[str, Value] = {}
        for name, field in self.fields.items():
            index, place = divmod(index, _size(field))
            values[name] = field.at(_moved_to_front(self._first_index(name), place))
        return values

    def _first_index(self, name: str) -> int:
        if name not in self.first:
            return 0
        index = self.fields[name].index(self.first[name])
        assert index is not None
        return index


def _moved_to_front(front: int, place: int) -> int:
    """Return the index that comes at a place once `front` is moved before all others."""
    if place == 0:
        return front
    return place - 1 if place <= front else place


def _size(field: Field) -> int:
    size = field.size
    assert size is not None
    return size
