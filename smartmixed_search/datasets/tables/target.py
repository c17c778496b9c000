"""A table's target: which of its columns is predicted, whether it names classes or is a number, and why."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smartmixed_search.datasets.tables.cells import as_text, is_moment, is_number, read_as_missing
from smartmixed_search.datasets.tables.columns import (
    CATEGORY,
    DATE,
    NEARLY_ALL,
    NUMBER,
    Column,
    find,
    refuse_infinite,
    understand,
)
from smartmixed_search.datasets.tables.numbers import UNCERTAIN
from smartmixed_search.datasets.tables.raw import RawTable
from smartmixed_search.datasets.targets import CLASSIFICATION, REGRESSION, is_whole, look_like_classes
from smartmixed_search.errors import DatasetError
from smartmixed_search.errors.messages import counted, show

_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is predicted."""

    name: str
    y: NDArray[Any]
    """Of every row that has one: a class, int64, a place among `classes`; or the number, float64. **Shape** [N]."""
    present: NDArray[np.bool_]
    """Which rows of the table have one."""
    classes: tuple[str, ...]
    """The classes' names, numbers in their order and words by the alphabet; none: numbers are predicted."""
    words: str
    """What it is, and why, in a line."""


def read_target(raw: RawTable, name: str, task: str | None) -> Target:
    """Decide what a column is as a target, unless `task` says it.

    Words name classes, also among numbers unless they are rare. So do up to `MOST_CLASSES` different whole
    numbers, if half of the rows repeat one; all other numbers, and days, as those since 1970, are predicted as such.

    Raises:
        DatasetError: there is no such column, it never differs, is infinite, or cannot be what `task` says.
    """
    cells = find(raw.cells, name)
    (column,) = understand(replace(raw, cells={name: cells}, unreadable={}))
    words = sorted(set(column.missing) - UNCERTAIN)
    often = int(cells.isin(words).sum())
    if column.kind == NUMBER and words and (task == CLASSIFICATION or often > (1 - NEARLY_ALL) * cells.notna().sum()):
        column, words = replace(column, kind=CATEGORY, missing=tuple(set(column.missing) & UNCERTAIN)), []
        numeric = False
    else:
        numeric = is_number(cells) or is_moment(cells) or column.kind in (NUMBER, DATE)
    told = f"; {', '.join(map(show, words[:3]))} taken for missing ({counted(often, 'cell')})" if words else ""
    if not numeric:
        if task == REGRESSION:
            raise DatasetError(
                f"task must be classification where the target is no number, but got regression, and {name!r} says "
                f"{show(cells.dropna().iloc[0]) if cells.notna().any() else 'nothing'}"
            )
        return _classes(column, cells, "" if task is None else ", as you say")
    refuse_infinite(name, cells)
    values = np.asarray((column if column.kind == DATE else replace(column, kind=NUMBER)).values(cells))
    different = np.unique(values[np.isfinite(values)])
    days = is_moment(cells) or column.kind == DATE
    kind = "days" if days else f"{len(different):,} different {'whole ' if is_whole(different) else ''}numbers"
    if (task or (CLASSIFICATION if not days and look_like_classes(values) else REGRESSION)) == CLASSIFICATION:
        why = ", as you say" if task else f", for it says {kind}; task: regression predicts a number"
        return _classes(column, cells, why + told)
    why = ", as you say" if task else f", for it says {kind}; task: classification makes classes of them"
    return _numbers(name, values, why + told)


def _numbers(name: str, values: NDArray[np.float64], why: str) -> Target:
    present = np.isfinite(values)
    y = values[present]
    if not y.size or (y == y[0]).all():
        raise DatasetError(f"the target must differ between rows, but {name!r} {_always(y.tolist())}")
    low, high = as_text(float(y.min())), as_text(float(y.max()))
    words = f"target {name}: regression, a number from {low} to {high}{why}"
    return Target(name=name, y=y, present=present, classes=(), words=words)


def _classes(column: Column, cells: "pd.Series[Any]", why: str) -> Target:
    numeric = is_number(cells) or column.kind == NUMBER
    values = replace(column, kind=NUMBER if numeric else CATEGORY).values(cells)
    present = np.array(sorted(pd.unique(pd.Series(values).dropna())))
    names = tuple(str(label) if isinstance(label, str) else as_text(label) for label in present)
    if len(names) < 2:
        raise DatasetError(
            f"the target {column.name!r} must name two classes at least, but it {_always(names)} "
            "wherever it has a value"
        )
    codes = pd.Categorical(values, categories=present).codes
    listed = f"{', '.join(names[:_SHOWN])}{' …' if len(names) > _SHOWN else ''}"
    words = f"target {column.name}: {len(names)} classes, {listed}{why}{read_as_missing(cells)}"
    found = codes >= 0
    return Target(name=column.name, y=codes[found].astype(np.int64), present=found, classes=names, words=words)


def _always(said: Any) -> str:
    return f"says {said[0]!r}" if len(said) else "says nothing"


_USUAL = ("target", "label", "class", "outcome", "y")
"""What a column to predict is often called, whatever its case."""


def usual_target(names: Sequence[str]) -> str:
    """Return the column that by its name is the one to predict: the only one that is called as such columns often are.

    Raises:
        DatasetError: none is, or several are.
    """
    found = [name for name in names if name.casefold() in _USUAL]
    if len(found) != 1:
        raise DatasetError(
            f"a table must have one target, but none is told by its name; name one with --target, such as --target "
            f"{shlex.quote(names[-1])}, which is the last; there are {', '.join(names)}"
        )
    return found[0]
