"""Numbers, truths and days as tables write them."""

import re
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MISSING = frozenset({"", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "#N/A"})
"""Cells that stand for nothing, in every column."""
UNCERTAIN = frozenset({"?", "-", "."})
"""Cells that stand for nothing where they are rare among others."""

_POINT = re.compile(r"[+-]?(?=\.?\d)(\d+(,\d{3})*|\d*)(\.\d*)?([eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?(?=,?\d)(\d+(\.\d{3})*|\d*)(,\d*)?([eE][+-]?\d+)?")
_CODE = re.compile(r"[+-]?0\d+")
TRUTHS = ({"true", "false"}, {"t", "f"}, {"yes", "no"}, {"y", "n"})

_ISO = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?Z?)?")
_DAY_FIRST = re.compile(r"\d{1,2}\.\d{1,2}\.(\d{4}|\d{2})")
_SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})")


def decimal_commas(columns: Sequence["pd.Series[str]"]) -> bool:
    """Tell whether a file writes 1.014,9 for 1014.9: some cells can only be read so, and none only the other way."""
    only_comma = only_point = 0
    for cells in columns:
        with_sign = cells[cells.str.contains(r"[.,]", regex=True)]
        comma, point = with_sign.str.fullmatch(_COMMA.pattern), with_sign.str.fullmatch(_POINT.pattern)
        only_comma += int((comma & ~point).sum())
        only_point += int((point & ~comma).sum())
    return only_comma > only_point


def as_numbers(cells: "pd.Series[str]", commas: bool) -> NDArray[np.float64]:
    """Return the numbers that cells stand for, NaN where they stand for none; `commas`: as `decimal_commas` says."""
    pattern = _COMMA if commas else _POINT
    readable = cells.str.fullmatch(pattern.pattern)
    thousands, decimal = (".", ",") if commas else (",", ".")
    plain = cells.where(readable, "nan").str.replace(thousands, "", regex=False).str.replace(decimal, ".", regex=False)
    return plain.to_numpy(dtype=object).astype(np.float64)


def has_codes(cells: "pd.Series[str]") -> bool:
    """Tell whether cells such as 01067 are among them: digits that are names, for a number has no leading zero."""
    return bool(cells.str.fullmatch(_CODE.pattern).any())


def as_truths(cells: "pd.Series[str]") -> NDArray[np.float64] | None:
    """Return 1 and 0 for true and false, NaN for what is missing; None if the cells say something else."""
    words = cells.str.lower()
    present = set(words[~cells.isin(MISSING)])
    for pair in TRUTHS:
        if present and present <= pair:
            true = max(pair, key=lambda word: word[0] in "ty")
            return np.where(cells.isin(MISSING), np.nan, (words == true).to_numpy(dtype=np.float64))
    return None


def as_days(cells: "pd.Series[str]") -> tuple[NDArray[np.float64], str] | None:
    """Return days since 1970, NaN for what is missing, and in which order a day is written; None if they are no days.

    Whether 03/04/2021 is in March or in April is decided by the whole column: the day is the number that exceeds 12.
    """
    present = cells[~cells.isin(MISSING)]
    if present.empty:
        return None
    for pattern, choose in ((_ISO, _iso), (_DAY_FIRST, _day_first), (_SLASHED, _slashed)):
        if present.str.fullmatch(pattern.pattern).all():
            layout, words = choose(present)
            try:
                moments = pd.to_datetime(present, format=layout, utc=True)
            except ValueError:
                return None
            days = np.full(len(cells), np.nan)
            since = moments - pd.Timestamp("1970-01-01", tz="UTC")
            days[(~cells.isin(MISSING)).to_numpy()] = since.dt.total_seconds().to_numpy(dtype=np.float64) / 86400
            return days, words
    return None


Layout = Callable[["pd.Series[str]"], tuple[str, str]]


def _iso(cells: "pd.Series[str]") -> tuple[str, str]:
    return "ISO8601", "year first"


def _year(cells: "pd.Series[str]") -> str:
    return "%Y" if cells.str.rsplit("/", n=1).str[-1].str.rsplit(".", n=1).str[-1].str.len().eq(4).all() else "%y"


def _day_first(cells: "pd.Series[str]") -> tuple[str, str]:
    return f"%d.%m.{_year(cells)}", "day first"


def _slashed(cells: "pd.Series[str]") -> tuple[str, str]:
    first = cells.str.split("/").str[0].astype(int)
    day_first = bool((first > 12).any())
    return (f"%d/%m/{_year(cells)}", "day first") if day_first else (f"%m/%d/{_year(cells)}", "month first")
