"""What each column of a table is: decided once, from the training file, and laid on every later table by name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smartmixed_search.datasets.tables.numbers import (
    MISSING,
    UNCERTAIN,
    as_days,
    as_numbers,
    as_truths,
    decimal_commas,
    has_codes,
)
from smartmixed_search.datasets.tables.reading import RawTable
from smartmixed_search.errors import DatasetError
from smartmixed_search.errors.messages import counted, nearest, one_of, show

NUMBER, BOOLEAN, DATE, CATEGORY, IGNORE = "number", "boolean", "date", "category", "ignore"
KINDS = (NUMBER, BOOLEAN, DATE, CATEGORY, IGNORE)

NEARLY_ALL, MOST = 0.9, 0.6
"""Share of numbers from which a column is numeric, whatever else it says, or if it says few other texts: these are
missing then."""
_FEW_TEXTS = 5
FEW = 20
"""Distinct texts up to which a column is never taken for free text, and rows from which it can be an identifier."""
_IDENTIFIERS = ("id", "identifier", "index", "uuid", "guid")

Cells = "pd.Series[str]"


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table."""

    name: str
    kind: str
    """Of `KINDS`."""
    reason: str
    """Why it is of that kind, and what of it is taken for missing, in words."""
    commas: bool = False
    """Whether its numbers have decimal commas."""
    missing: tuple[str, ...] = ()
    """Texts that stand for nothing here, beside `MISSING`."""

    def values(self, cells: "pd.Series[str]") -> NDArray[Any]:
        """Return what text cells [N] mean: float64 with NaN for what is missing, or text with None.

        Nothing is inferred from the cells: one row alone, and a whole table, are read alike.
        """
        absent = (cells.isin(MISSING) | cells.isin(self.missing)).to_numpy()
        if self.kind == CATEGORY:
            words: NDArray[Any] = cells.to_numpy(dtype=object, copy=True)
            words[absent] = None
            return words
        read = _READERS[self.kind](cells.mask(absent, ""), self.commas)
        return np.where(absent, np.nan, read)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"missing": list(self.missing)}


def _truths(cells: "pd.Series[str]", commas: bool) -> NDArray[np.float64]:
    truths = as_truths(cells)
    return np.full(len(cells), np.nan) if truths is None else truths


def _days(cells: "pd.Series[str]", commas: bool) -> NDArray[np.float64]:
    days = as_days(cells)
    return np.full(len(cells), np.nan) if days is None else days[0]


_READERS: dict[str, Callable[["pd.Series[str]", bool], NDArray[np.float64]]] = {
    NUMBER: as_numbers,
    BOOLEAN: _truths,
    DATE: _days,
}


def understand(table: RawTable, overrides: Mapping[str, str] | None = None) -> tuple[Column, ...]:
    """Decide what every column of a table is; `overrides` names kinds that are given.

    Raises:
        DatasetError: an override names no column, or no kind.
    """
    given = overrides or {}
    for name, kind in given.items():
        find(table.cells, name)
        if kind not in KINDS:
            raise DatasetError(one_of(f"the kind of column {name!r}", kind, KINDS))
    commas = decimal_commas([table.cells[name] for name in table.cells])
    return tuple(_understand(table.cells[name], commas, given.get(str(name))) for name in table.cells)


def find(cells: pd.DataFrame, name: str) -> "pd.Series[str]":
    """Return a column by its name.

    Raises:
        DatasetError: there is none; the message names the nearest.
    """
    if name not in cells:
        near = nearest(name, map(str, cells.columns))
        hint = f"did you mean {near!r}? " if near else ""
        raise DatasetError(
            f"the table has no column {name!r}; {hint}its columns are {', '.join(map(str, cells.columns))}"
        )
    return cells[name]


def _understand(cells: "pd.Series[str]", commas: bool, given: str | None) -> Column:
    absent = cells.isin(MISSING)
    uncertain = cells.isin(UNCERTAIN) & ~absent
    rare = bool(uncertain.any()) and 2 * int(uncertain.sum()) < int((~absent).sum())
    missing = tuple(sorted(set(cells[uncertain]))) if rare else ()
    present = cells[~absent & ~uncertain] if rare else cells[~absent]
    remark = f", {_quoted(missing)} taken for missing ({counted(int(uncertain.sum()), 'cell')})" if rare else ""
    kind, reason = (given, "as you say") if given is not None else _kind(str(cells.name), present, commas, len(cells))
    if kind == NUMBER:
        remark += _not_numbers(present, commas)
    return Column(name=str(cells.name), kind=kind, reason=reason + remark, commas=commas, missing=missing)


def _kind(name: str, present: "pd.Series[str]", commas: bool, rows: int) -> tuple[str, str]:
    """Return a column's kind, and why."""
    distinct = present.nunique()
    if distinct == 0:
        return IGNORE, "it has no value"
    if distinct == 1:
        return IGNORE, f"it is {show(present.iloc[0])} in every row" + (
            " that has a value" if len(present) < rows else ""
        )
    if as_truths(present) is not None:
        return BOOLEAN, f"it says {' and '.join(sorted(set(present)))}"
    if has_codes(present):
        return _words(present, "digits with leading zeros are codes")
    numbers = as_numbers(present, commas)
    share = float(np.isfinite(numbers).mean())
    others = present[~np.isfinite(numbers)].nunique()
    if share >= NEARLY_ALL or (share >= MOST and others <= _FEW_TEXTS):
        return _number(name, numbers[np.isfinite(numbers)], distinct, rows)
    days = as_days(present)
    if days is not None:
        return DATE, f"days since 1970, {days[1]}"
    return _words(present, f"{distinct} different texts")


def _number(name: str, numbers: NDArray[np.float64], distinct: int, rows: int) -> tuple[str, str]:
    whole = bool((numbers == np.floor(numbers)).all())
    if rows > FEW and whole and distinct == rows and (np.diff(np.sort(numbers)) == 1).all():
        return IGNORE, "it numbers the rows"
    if rows > FEW and whole and 2 * distinct > rows and _is_identifier(name):
        return IGNORE, "by its name it is an identifier"
    return NUMBER, "numbers"


def _is_identifier(name: str) -> bool:
    words = "".join(f" {letter}" if letter.isupper() else letter for letter in name).replace("_", " ").lower().split()
    return bool(words) and (words[-1] in _IDENTIFIERS or "".join(words) in _IDENTIFIERS)


def _words(present: "pd.Series[str]", reason: str) -> tuple[str, str]:
    distinct = present.nunique()
    if distinct > FEW and 2 * distinct > len(present):
        return IGNORE, f"{distinct} different texts in {counted(len(present), 'row')} are free text or an identifier"
    return CATEGORY, reason


def _not_numbers(present: "pd.Series[str]", commas: bool) -> str:
    """Say which texts of a numeric column are no numbers, and how many."""
    others = present[~np.isfinite(as_numbers(present, commas))]
    if others.empty:
        return ""
    return f", {_quoted(list(dict.fromkeys(others))[:3])} taken for missing ({counted(len(others), 'cell')})"


def _quoted(texts: Sequence[str]) -> str:
    return ", ".join(map(show, texts))
