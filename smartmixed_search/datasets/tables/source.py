"""A table as a source: rows with a target that names their classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smartmixed_search.datasets.tables.columns import CATEGORY, DATE, IGNORE, NUMBER, Column, find, understand
from smartmixed_search.datasets.tables.preparation import TablePreparation
from smartmixed_search.datasets.tables.reading import RawTable, read_separated
from smartmixed_search.datasets.targets import REGRESSION
from smartmixed_search.errors import DatasetError
from smartmixed_search.errors.messages import counted

MOST_WHOLE_CLASSES = 20
"""Different whole numbers up to which a numeric target names classes."""


@dataclass(frozen=True, kw_only=True)
class TableSource:
    """Rows that have a class; see `source.Source` for what is said of examples stored as arrays."""

    name: str
    rows: pd.DataFrame
    """Cells as text."""
    columns: tuple[Column, ...]
    """What is learned from, and what is left out."""
    target: str
    class_names: tuple[str, ...]
    y: NDArray[np.int64]
    """The class of every row, a place among `class_names`. **Shape** [N]."""
    notes: tuple[str, ...]
    """What was understood, a line each."""
    input_shape: tuple[int, ...] = ()
    x_test: None = None
    y_test: None = None

    @property
    def classes(self) -> int:
        """C: number of classes."""
        return len(self.class_names)

    def column(self, name: str, *, numeric: bool = False) -> NDArray[Any]:
        """Return what a column says of every row, as text, or as numbers, dates as days.

        Raises:
            DatasetError: there is no such column, or it says nothing of some rows, or it says no numbers.
        """
        cells = find(self.rows, name)
        (column,) = understand(RawTable(cells=cells.to_frame(), remarks=()))
        if numeric and column.kind not in (NUMBER, DATE):
            raise DatasetError(f"column {name!r} must hold numbers or dates, but {column.reason}")
        values = (column if numeric else replace(column, kind=CATEGORY)).values(cells)
        absent = pd.isna(values)
        if absent.any():
            raise DatasetError(
                f"column {name!r} must have a value in every row, but {counted(int(absent.sum()), 'row')} of "
                f"{self.name!r} have none; fill them in, or leave these rows out"
            )
        return values if numeric else values.astype(str)

    def take(self, indices: NDArray[np.intp]) -> pd.DataFrame:
        """Return rows by their places."""
        return self.rows.iloc[indices]

    def prepare(self, parts: Sequence[pd.DataFrame]) -> tuple[list[NDArray[np.float32]], TablePreparation]:
        """Return the features of parts, the first of which is trained on, and how they are made."""
        preparation = TablePreparation.fit(parts[0], self.columns, self.target, self.class_names)
        return [preparation.transform(part) for part in parts], preparation


def read_table(
    path: Path,
    target: str | None,
    kinds: Mapping[str, str] | None = None,
    aside: Mapping[str, str] | None = None,
    task: str | None = None,
) -> TableSource:
    """Read a file of separated values, and decide what its columns are.

    Args:
        path: of the file.
        target: the column that names the classes.
        kinds: of columns that are not to be decided, by name.
        aside: columns that are not learned from, each with its reason.
        task: what is learned; None: what the target looks like.

    Raises:
        DatasetError: the file is not one, there is no such target, it names no classes, or nothing is left to learn
            from.
    """
    if task == REGRESSION:
        raise DatasetError(f"task must be classification for a table, but got {task!r}")
    raw = read_separated(path)
    if target is None:
        raise DatasetError(
            f"a table must have a target, the column to predict; name one with --target or target: in the space, of "
            f"{', '.join(map(str, raw.cells.columns))}"
        )
    column = next(one for one in understand(RawTable(cells=find(raw.cells, target).to_frame(), remarks=())))
    names, y = _classes(column, find(raw.cells, target))
    rows = raw.cells[y >= 0].drop(columns=target).reset_index(drop=True)
    columns = _set_aside(understand(replace(raw, cells=rows), kinds), aside or {}, rows, target)
    if all(one.kind == IGNORE for one in columns):
        why = "; ".join(f"{one.name}: {one.reason}" for one in columns)
        raise DatasetError(f"a table must have columns to learn from, but all of {str(path)!r} are left out ({why})")
    dropped = int((y < 0).sum())
    notes = [f"{path.name}: {counted(len(rows), 'row')} of {counted(len(columns) + 1, 'column')}"]
    notes[0] += "".join(f", {remark}" for remark in raw.remarks)
    notes[0] += f", {counted(dropped, 'row')} without {target} left out" if dropped else ""
    notes.append(f"target {target}: {len(names)} classes, {', '.join(names[:10])}{' …' if len(names) > 10 else ''}")
    notes += [f"  {one.name}: {one.kind if one.kind != IGNORE else 'left out'}, {one.reason}" for one in columns]
    return TableSource(
        name=path.stem,
        rows=rows,
        columns=columns,
        target=target,
        class_names=names,
        y=y[y >= 0],
        notes=tuple(notes),
    )


def _set_aside(
    columns: Sequence[Column], aside: Mapping[str, str], rows: pd.DataFrame, target: str
) -> tuple[Column, ...]:
    for name, reason in aside.items():
        if name == target:
            raise DatasetError(f"the target must be no other column, but {name!r} is given as both: {reason}")
        find(rows, name)
    return tuple(replace(one, kind=IGNORE, reason=aside[one.name]) if one.name in aside else one for one in columns)


def _classes(column: Column, cells: "pd.Series[str]") -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the names of the classes, numbers in their order and words by the alphabet, and each row's; -1: none."""
    numeric = column.kind == NUMBER
    values = column.values(cells) if numeric else _texts(cells, column)
    present = pd.unique(pd.Series(values).dropna())
    if len(present) < 2:
        raise DatasetError(
            f"the target {column.name!r} must name two classes at least, but it says "
            f"{repr(present[0]) if len(present) else 'nothing'} wherever it has a value"
        )
    if numeric and not (len(present) <= MOST_WHOLE_CLASSES and (present == np.floor(present)).all()):
        raise DatasetError(
            f"a numeric target must name classes by at most {MOST_WHOLE_CLASSES} different whole numbers, but "
            f"{column.name!r} has {len(present):,} different numbers; a column of classes can be a target"
        )
    ordered = sorted(present.tolist())
    places = {value: place for place, value in enumerate(ordered)}
    y = np.array([places.get(value, -1) for value in values], dtype=np.int64)
    return tuple(f"{value:g}" if numeric else str(value) for value in ordered), y


def _texts(cells: "pd.Series[str]", column: Column) -> NDArray[Any]:
    return replace(column, kind="category").values(cells)
