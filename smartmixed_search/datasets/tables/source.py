"""A table as a source: rows with a target that names their classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smartmixed_search.datasets.tables.cells import Columns, as_text, is_number
from smartmixed_search.datasets.tables.columns import CATEGORY, DATE, IGNORE, NUMBER, Column, find, understand
from smartmixed_search.datasets.tables.preparation import Places, TablePreparation, prepare
from smartmixed_search.datasets.tables.raw import RawTable
from smartmixed_search.datasets.tables.reading import read_raw
from smartmixed_search.datasets.targets import REGRESSION
from smartmixed_search.errors import DatasetError
from smartmixed_search.errors.messages import counted

MOST_WHOLE_CLASSES = 20
"""Different whole numbers up to which a numeric target names classes."""


@dataclass(frozen=True, kw_only=True)
class TableSource:
    """Rows that have a class; see `source.Source` for what is said of examples stored as arrays."""

    name: str
    cells: dict[str, "pd.Series[Any]"] = field(repr=False)
    """The columns by name; the last `prepare` takes out those that are learned from."""
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
    given: None = None
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
        cells = find(self.cells, name)
        (column,) = understand(RawTable(name=self.name, cells={name: cells}))
        if numeric and column.kind not in (NUMBER, DATE):
            raise DatasetError(f"column {name!r} must hold numbers or dates, but {column.reason}")
        values = (column if numeric else replace(column, kind=CATEGORY)).values(cells)
        absent = pd.isna(values)
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
    words = {column for column, kind in (kinds or {}).items() if kind == CATEGORY}
    raw = read_raw(table, words)
    if target is None:
        raise DatasetError(
            "a table must have a target, the column to predict; name one with --target or target: in the space, of "
            f"{', '.join(raw.names)}"
        )
    labels = find(raw.cells, target)
    (column,) = understand(replace(raw, cells={target: labels}, unreadable={}))
    names, y = _classes(column, labels)
    cells = {other: found for other, found in raw.cells.items() if other != target}
    if (y < 0).any():
        for other in cells:
            cells[other] = cells[other][y >= 0].reset_index(drop=True)
    columns = _set_aside(understand(replace(raw, cells=cells), kinds), aside or {}, cells, target)
    if all(one.kind == IGNORE for one in columns):
        why = "; ".join(f"{one.name}: {one.reason}" for one in columns)
        raise DatasetError(f"a table must have columns to learn from, but all of {raw.name!r} are left out ({why})")
    return TableSource(
        name=name,
        cells=cells,
        columns=columns,
        target=target,
        class_names=names,
        y=y[y >= 0],
        notes=_notes(raw, columns, target, names, int((y < 0).sum())),
    )


def _set_aside(columns: Sequence[Column], aside: Mapping[str, str], cells: Columns, target: str) -> tuple[Column, ...]:
    for name, reason in aside.items():
        if name == target:
            raise DatasetError(f"the target must be no other column, but {name!r} is given as both: {reason}")
        find(cells, name)
    return tuple(replace(one, kind=IGNORE, reason=aside[one.name]) if one.name in aside else one for one in columns)


def _notes(
    raw: RawTable, columns: Sequence[Column], target: str, classes: Sequence[str], dropped: int
) -> tuple[str, ...]:
    """Say what was understood of a table, a line each."""
    told = [
        f"{raw.name}: {counted(raw.rows - dropped, 'row')} of {counted(len(columns) + 1, 'column')}",
        *raw.remarks,
        *([f"{counted(dropped, 'row')} without {target} left out"] if dropped else []),
    ]
    names = f"{', '.join(classes[:10])}{' …' if len(classes) > 10 else ''}"
    kinds = [f"  {one.name}: {one.kind if one.kind != IGNORE else 'left out'}, {one.reason}" for one in columns]
    return ", ".join(told), f"target {target}: {len(classes)} classes, {names}", *kinds


def _classes(column: Column, cells: "pd.Series[Any]") -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the names of the classes, numbers in their order and words by the alphabet, and each row's; -1: none."""
    numeric = is_number(cells) or column.kind == NUMBER
    values = replace(column, kind=NUMBER if numeric else CATEGORY).values(cells)
    present = np.array(sorted(pd.unique(pd.Series(values).dropna())))
    if len(present) < 2:
        raise DatasetError(
            f"the target {column.name!r} must name two classes at least, but it says "
            f"{_name(present[0])!r} wherever it has a value"
            if len(present)
            else f"the target {column.name!r} must name two classes at least, but it says nothing"
        )
    if numeric and not (len(present) <= MOST_WHOLE_CLASSES and (present == np.floor(present)).all()):
        raise DatasetError(
            f"a numeric target must name classes by at most {MOST_WHOLE_CLASSES} different whole numbers, but "
            f"{column.name!r} has {len(present):,} different numbers; a column of classes can be a target"
        )
    y = pd.Categorical(values, categories=present).codes.astype(np.int64)
    return tuple(map(_name, present)), y


def _name(label: object) -> str:
    return str(label) if isinstance(label, str) else as_text(label)
