"""A table as it was read: its columns of cells, and what was understood of how it is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from smartmixed_search.datasets.source import check_size
from smartmixed_search.errors import DatasetError

_CELL_BYTES, _FEATURE_BYTES = 8, 4
"""Of memory for a cell as it is held, and for a feature."""


@dataclass(frozen=True, kw_only=True)
class RawTable:
    """A table's cells."""

    name: str
    """For messages: the file's, say."""
    cells: dict[str, "pd.Series[Any]"]
    """The columns by name, see `cells`."""
    remarks: tuple[str, ...] = ()
    """What was understood of the file that is not plain, in words."""
    labelled: frozenset[str] = frozenset()
    """Columns that the file itself says hold categories."""
    commas: bool = False
    """Whether texts write numbers with decimal commas."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Columns whose values are none that could be learned from, and what they are."""

    @property
    def names(self) -> list[str]:
        """Of all columns."""
        return [*self.cells, *self.unreadable]

    @property
    def rows(self) -> int:
        """N: how many there are."""
        return len(next(iter(self.cells.values()))) if self.cells else 0


def check_names(what: str, names: Sequence[str]) -> None:
    """Make sure that no name is there twice.

    Raises:
        DatasetError: one is.
    """
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise DatasetError(f"columns must have different names, but {what} has {twice!r} twice; rename one")


def check_cells(what: str, cells: int) -> None:
    """Make sure that this machine can hold a table of so many cells, and a feature for each.

    Raises:
        DatasetError: it cannot.
    """
    check_size(what, cells, _CELL_BYTES, _FEATURE_BYTES)


def check_features(what: str, features: int) -> None:
    """Make sure that this machine can hold so many features, of all rows together, twice: while they are put in order.

    Raises:
        DatasetError: it cannot.
    """
    check_size(what, features, _FEATURE_BYTES, _FEATURE_BYTES)
