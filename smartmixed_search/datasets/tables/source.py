"""A table as a source: rows with a target, a class or a number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smartmixed_search.datasets.tables.cells import Columns, texts
from smartmixed_search.datasets.tables.columns import (
    CATEGORY,
    IGNORE,
    NUMBER,
    Column,
    find,
    numbers_or_days,
    understand,
)
from smartmixed_search.datasets.tables.preparation import Places, TablePreparation, prepare
from smartmixed_search.datasets.tables.raw import RawTable
from smartmixed_search.datasets.tables.reading import read_raw
from smartmixed_search.datasets.tables.target import Target, read_target
from smartmixed_search.errors import DatasetError
from smartmixed_search.errors.messages import counted


@dataclass(frozen=True, kw_only=True)
class TableSource:
    """Rows that have a target; see `source.Source` for what is said of examples stored as arrays."""

    name: str
    cells: dict[str, "pd.Series[Any]"] = field(repr=False)
    """The columns by name; the last `prepare` takes out those that are learned from."""
    columns: tuple[Column, ...]
    """What is learned from, and what is left out."""
    target: str
    class_names: tuple[str, ...]
    y: NDArray[Any]
    """The class of every row, a place among `class_names`, int64; or the number to predict, float64. **Shape** [N]."""
    notes: tuple[str, ...]
    """What was understood, a line each."""
    input_shape: tuple[int, ...] = ()
    x_test: None = None
    given: None = None
    y_test: None = None

    @property
    def classes(self) -> int:
        """C: number of classes; 0: `y` are numbers to predict."""
        return len(self.class_names)

    def column(self, name: str, *, numeric: bool = False) -> NDArray[Any]:
        """Return what a column says of every row, as text, or as numbers, dates as days.

        Raises:
            DatasetError: there is no such column, or it says nothing of some rows, or it says no numbers.
        """
        cells = find(self.cells, name)
        commas = any(column.commas for column in self.columns)
        values = numbers_or_days(name, cells, commas) if numeric else texts(cells)
        absent = cells.isna().to_numpy()
        if absent.any():
            raise DatasetError(
                f"column {name!r} must have a value in every row, but {counted(int(absent.sum()), 'row')} of "
                f"{self.name!r} have none; fill them in, or leave these rows out"
            )
        return np.asarray(values) if numeric else np.asarray(values).astype(str)

    def take(self, indices: Places) -> Places:
        """Return rows by their places: these themselves, for rows are made when the table is prepared."""
        return indices

    def prepare(
        self, parts: Sequence[Places], *, last: bool = False
    ) -> tuple[list[NDArray[np.float32]], TablePreparation]:
        """Return the features of parts, the first of which is trained on, and how they are made; see `Splittable`."""
        prepared, features = prepare(self.cells if last else {**self.cells}, self.columns, parts)
        return prepared, TablePreparation(target=self.target, classes=self.class_names, features=features)


def read_table(
    table: Path | Any,
    name: str,
    target: str | None,
    kinds: Mapping[str, str] | None = None,
    aside: Mapping[str, str] | None = None,
    task: str | None = None,
) -> TableSource:
    """Read a table, and decide what its columns are.

    Args:
        table: the path of a file, or a table in memory.
        name: of the dataset.
        target: the column to predict.
        kinds: of columns that are not to be decided, by name.
        aside: columns that are not learned from, each with its reason.
        task: what is learned; None: what the target looks like.

    Raises:
        DatasetError: the file is not one, there is no such target, it cannot be learned, or nothing is left to learn
            from.
    """
    words = {column for column, kind in (kinds or {}).items() if kind == CATEGORY}
    raw = read_raw(table, words)
    if target is None:
        raise DatasetError(
            "a table must have a target, the column to predict; name one with --target or target: in the space, of "
            f"{', '.join(raw.names)}"
        )
    learned = read_target(raw, target, task)
    cells = {other: found for other, found in raw.cells.items() if other != target}
    if not learned.present.all():
        for other in cells:
            cells[other] = cells[other][learned.present].reset_index(drop=True)
    columns = _set_aside(understand(replace(raw, cells=cells), kinds), aside or {}, cells, target)
    if all(one.kind == IGNORE for one in columns):
        why = "; ".join(f"{one.name}: {one.reason}" for one in columns)
        raise DatasetError(f"a table must have columns to learn from, but all of {raw.name!r} are left out ({why})")
    return TableSource(
        name=name,
        cells=cells,
        columns=columns,
        target=target,
        class_names=learned.classes,
        y=learned.y,
        notes=_notes(raw, columns, learned),
    )


def _set_aside(columns: Sequence[Column], aside: Mapping[str, str], cells: Columns, target: str) -> tuple[Column, ...]:
    for name, reason in aside.items():
        if name == target:
            raise DatasetError(f"the target must be no other column, but {name!r} is given as both: {reason}")
        find(cells, name)
    return tuple(replace(one, kind=IGNORE, reason=aside[one.name]) if one.name in aside else one for one in columns)


def _notes(raw: RawTable, columns: Sequence[Column], target: Target) -> tuple[str, ...]:
    """Say what was understood of a table, a line each."""
    dropped = raw.rows - len(target.y)
    told = [
        f"{raw.name}: {counted(len(target.y), 'row')} of {counted(len(columns) + 1, 'column')}",
        *raw.remarks,
        *([f"{counted(dropped, 'row')} without {target.name} left out"] if dropped else []),
    ]
    return ", ".join(told), target.words, *(f"  {one.name}: {_told(one)}" for one in columns)


def _told(column: Column) -> str:
    """Say what a column is and why; that a number's are numbers goes without saying."""
    why = column.reason.removeprefix(f"{NUMBER}s").removeprefix(", ")
    return ", ".join(filter(None, [column.kind if column.kind != IGNORE else "left out", why]))
