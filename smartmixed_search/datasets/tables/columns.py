"""What each column of a table is: decided once, from the training file, and laid on every later table by name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smartmixed_search.datasets.tables.cells import (
    Columns,
    as_text,
    counts,
    is_moment,
    is_number,
    read_as_missing,
    texts,
)
from smartmixed_search.datasets.tables.numbers import (
    ISO,
    UNCERTAIN,
    are_codes,
    are_infinite,
    are_truths,
    as_days,
    as_numbers,
    as_truths,
    day_layout,
    in_words,
    since_1970,
)
from smartmixed_search.datasets.tables.raw import RawTable
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
    """Texts that stand for nothing here, beside `cells.MISSING`."""
    layout: str = ""
    """How its texts write days."""

    def values(self, cells: "pd.Series[Any]") -> NDArray[np.float64] | pd.Categorical:
        """Return what cells [N] mean: numbers with NaN for what is missing, or texts, of which a category is one.

        Nothing is inferred from the cells: one row alone, and a whole table, are read alike.
        """
        if self.kind == CATEGORY:
            found = texts(cells)
            return found.remove_categories([text for text in self.missing if text in found.categories])
        if is_number(cells):
            return self._of_numbers(cells.to_numpy())
        if is_moment(cells):
            return since_1970(cells)
        words = list(cells.cat.categories)
        different = np.append(self._of_texts(words), np.nan)  # the last one is what is missing
        different[:-1][np.isin(words, self.missing)] = np.nan
        found_values: NDArray[np.float64] = different[cells.cat.codes.to_numpy()]
        return found_values

    def _of_numbers(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.kind == NUMBER:
            return numbers
        known = np.isin(numbers, (0.0, 1.0)) if self.kind == BOOLEAN else np.zeros(len(numbers), dtype=bool)
        return np.where(known, numbers, np.nan)

    def _of_texts(self, words: Sequence[str]) -> NDArray[np.float64]:
        if self.kind == NUMBER:
            return as_numbers(words, self.commas)
        return as_truths(words) if self.kind == BOOLEAN else as_days(words, self.layout or day_layout(words) or ISO)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"missing": list(self.missing)}


def understand(table: RawTable, overrides: Mapping[str, str] | None = None) -> tuple[Column, ...]:
    """Decide what every column of a table is; `overrides` names kinds that are given.

    Raises:
        DatasetError: an override names no column, or no kind, or a number is infinite.
    """
    given = overrides or {}
    for name, kind in given.items():
        if name not in table.unreadable:
            find(table.cells, name)
        if kind not in KINDS:
            raise DatasetError(one_of(f"the kind of column {name!r}", kind, KINDS))
    found = [_understand(table, name, given.get(name)) for name in table.cells]
    return (*found, *(Column(name=name, kind=IGNORE, reason=why) for name, why in table.unreadable.items()))


def find(cells: Columns, name: str) -> "pd.Series[Any]":
    """Return a column by its name.

    Raises:
        DatasetError: there is none; the message names the nearest.
    """
    if name not in cells:
        near = nearest(name, cells)
        hint = f"did you mean {near!r}? " if near else ""
        raise DatasetError(f"the table has no column {name!r}; {hint}its columns are {', '.join(cells)}")
    return cells[name]


def numbers_or_days(name: str, cells: "pd.Series[Any]", commas: bool) -> NDArray[np.float64]:
    """Return what cells [N] say as numbers, or as days since 1970 where they are days; NaN for what is missing.

    Raises:
        DatasetError: a value is neither.
    """
    words = [] if is_number(cells) or is_moment(cells) else _present(cells)
    layout = day_layout(words)
    kind = DATE if layout is not None or is_moment(cells) else NUMBER
    column = Column(name=name, kind=kind, reason="", commas=commas, layout=layout or "")
    values = np.asarray(column.values(cells), dtype=np.float64)
    strange = cells[np.isnan(values) & cells.notna().to_numpy()]
    if len(strange):
        raise DatasetError(f"column {name!r} must hold numbers or dates, but got {show(strange.iloc[0])}")
    return values


def _understand(table: RawTable, name: str, given: str | None) -> Column:
    cells, missing, remark = table.cells[name], tuple[str, ...](), ""
    if not is_number(cells) and not is_moment(cells):
        cells, missing, remark = _without_uncertain(cells)
    kind, reason, layout = _kind(name, cells, table) if given is None else (given, "as you say", "")
    if kind == NUMBER:
        refuse_infinite(name, table.cells[name])
        words, told = _not_numbers(cells, table.commas)
        missing, remark = (*missing, *words), remark + told
    if kind == DATE and given is not None and not is_moment(cells) and not is_number(cells):
        layout = day_layout(_present(cells)) or ISO
    if kind == CATEGORY:
        remark += read_as_missing(table.cells[name])
    column = Column(name=name, kind=kind, reason=reason + remark, commas=table.commas, missing=missing, layout=layout)
    return column if given in (None, CATEGORY, IGNORE) else _as_given(column, table.cells[name])


def _as_given(column: Column, cells: "pd.Series[Any]") -> Column:
    """Say how many of a column's values are none of the kind that it is given as.

    Raises:
        DatasetError: none is one.
    """
    present = cells.notna().to_numpy()
    unread = present & np.isnan(np.asarray(column.values(cells), dtype=np.float64))
    if present.any() and unread[present].all():
        raise DatasetError(
            f"column {column.name!r} must hold values of the kind {column.kind}, as you say, but got "
            f"{show(cells[present].iloc[0])} and others that are none"
        )
    if column.kind == NUMBER or not unread.any():
        return column
    times = counted(int(unread.sum()), "cell")
    return replace(column, reason=f"{column.reason}, {show(cells[unread].iloc[0])} taken for missing ({times})")


def _without_uncertain(cells: "pd.Series[Any]") -> tuple["pd.Series[Any]", tuple[str, ...], str]:
    """Return texts without those that stand for nothing where they are rare, which these are, and that in words."""
    said = dict(zip(cells.cat.categories, counts(cells), strict=True))
    missing = tuple(sorted(text for text in said if text in UNCERTAIN and said[text]))
    times = int(sum(said[text] for text in missing))
    if not missing or 2 * times >= sum(said.values()):
        return cells, (), ""
    remark = f", {_quoted(missing)} taken for missing ({counted(times, 'cell')})"
    return cells.cat.remove_categories(list(missing)), missing, remark


def _present(cells: "pd.Series[Any]") -> list[str]:
    """Return the different texts that occur."""
    often = counts(cells)
    return [text for text, times in zip(cells.cat.categories, often, strict=True) if times]


def _kind(name: str, cells: "pd.Series[Any]", table: RawTable) -> tuple[str, str, str]:
    """Return a column's kind, why, and how it writes days."""
    rows, present = len(cells), cells.dropna()
    if present.empty:
        return IGNORE, "it has no value", ""
    if (first := present.iloc[0]) == present.iloc[-1] and present.nunique() == 1:
        some = " that has a value" if len(present) < rows else ""
        return IGNORE, f"it is {show(first if isinstance(first, str) else as_text(first))} in every row{some}", ""
    if name in table.labelled:
        return CATEGORY, "the file has it as categories", ""
    if is_moment(cells):
        return DATE, "days since 1970", ""
    if is_number(cells):
        return *_number(name, present.to_numpy(), rows), ""
    return _of_texts(name, present, table.commas, rows)


def _of_texts(name: str, present: "pd.Series[Any]", commas: bool, rows: int) -> tuple[str, str, str]:
    words = _present(present)
    if are_truths(words):
        return BOOLEAN, f"it says {' and '.join(sorted(words))}", ""
    if are_codes(words).any():
        return *_words(present, "digits with leading zeros are codes"), ""
    numbers = as_numbers(words, commas)
    often = counts(present)[counts(present) > 0]
    readable = np.isfinite(numbers) | are_infinite(words)
    share = float(often[readable].sum() / often.sum())
    if share >= NEARLY_ALL or (share >= MOST and (~readable).sum() <= _FEW_TEXTS):
        finite = np.isfinite(numbers)
        return *_number(name, np.repeat(numbers[finite], often[finite]), rows), ""
    layout = day_layout(words)
    if layout is not None:
        return DATE, f"days since 1970, {in_words(layout)}", layout
    return *_words(present, f"{len(words)} different texts"), ""


def _number(name: str, numbers: NDArray[np.float64], rows: int) -> tuple[str, str]:
    """Return the kind of a column of numbers, those that are present, and why."""
    if rows > FEW and bool((numbers == np.floor(numbers)).all()):
        distinct = len(pd.unique(numbers))
        if distinct == rows and np.ptp(numbers) == rows - 1:
            return IGNORE, "it numbers the rows"
        if 2 * distinct > rows and _is_identifier(name):
            return IGNORE, "by its name it is an identifier"
    return NUMBER, "numbers"


def _is_identifier(name: str) -> bool:
    words = "".join(f" {letter}" if letter.isupper() else letter for letter in name).replace("_", " ").lower().split()
    return bool(words) and (words[-1] in _IDENTIFIERS or "".join(words) in _IDENTIFIERS)


def _words(present: "pd.Series[Any]", reason: str) -> tuple[str, str]:
    distinct = present.nunique()
    if distinct > FEW and 2 * distinct > len(present):
        return IGNORE, f"{distinct} different texts in {counted(len(present), 'row')} are free text or an identifier"
    return CATEGORY, reason


def _not_numbers(cells: "pd.Series[Any]", commas: bool) -> tuple[tuple[str, ...], str]:
    """Return which texts of a numeric column are no numbers, and say so."""
    if is_number(cells) or is_moment(cells):
        return (), ""
    strange = ~np.isfinite(as_numbers(list(cells.cat.categories), commas)) & (counts(cells) > 0)
    words = tuple(cells.cat.categories[strange])
    times = counted(int(counts(cells)[strange].sum()), "cell")
    return words, f", {_quoted(words[:3])} taken for missing ({times})" if words else ""


def refuse_infinite(name: str, cells: "pd.Series[Any]") -> None:
    """Make sure that numbers are finite, whether they were stored as such or as text.

    Raises:
        DatasetError: one is not; which, is said.
    """
    if is_moment(cells):
        return
    infinite = np.isinf(cells.to_numpy()) if is_number(cells) else _places_of(cells, are_infinite)
    (rows,) = np.nonzero(infinite)
    if rows.size:
        more = f", and infinite in {rows.size - 1:,} more" if rows.size > 1 else ""
        raise DatasetError(
            f"numbers must be finite, but {name!r} is {cells.iloc[rows[0]]} in row {rows[0]}, counted from 0{more}; "
            f"mend these cells, leave them empty, or leave the column out (columns: {{{name}: ignore}})"
        )


def _places_of(cells: "pd.Series[Any]", are: Callable[[Sequence[str]], NDArray[np.bool_]]) -> NDArray[np.bool_]:
    return np.append(are(list(cells.cat.categories)), False)[cells.cat.codes.to_numpy()]


def _quoted(words: Sequence[str]) -> str:
    return ", ".join(map(show, words))
