"""Numbers, truths and days as texts write them; each function takes different texts, none of them missing."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

UNCERTAIN = frozenset({"?", "-", "."})
"""Texts that stand for nothing where they are rare among others."""

_POINT = r"^[+-]?((\d+|[1-9]\d{0,2}(,\d{3})+)(\.\d*)?|\.\d+)([eE][+-]?\d+)?$"
_COMMA = r"^[+-]?((\d+|[1-9]\d{0,2}(\.\d{3})+)(,\d*)?|,\d+)([eE][+-]?\d+)?$"
CODE = r"^[+-]?0\d+$"
_INFINITE = r"(?i)^[+-]?inf(inity)?$"
_TRUE = {"true": "false", "t": "f", "yes": "no", "y": "n"}

Texts = Sequence[str]


def _array(texts: Texts) -> pa.Array:
    return pa.array(list(texts), pa.string())


def _matches(texts: Texts, pattern: str) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = pc.match_substring_regex(_array(texts), pattern).to_numpy(zero_copy_only=False)
    return found.astype(bool)


def decimal_commas(texts: Texts, *, likely: bool = False) -> bool:
    """Tell whether a file writes 1.014,9 for 1014.9: some texts can only be read so, and fewer only the other way.

    Where nothing tells, as with 12,345, they are `likely` or not.
    """
    comma, point = _matches(texts, _COMMA), _matches(texts, _POINT)
    so, otherwise = int((comma & ~point).sum()), int((point & ~comma).sum())
    unclear = comma & point & _matches(texts, ",")
    return so > otherwise or (likely and so == otherwise and bool(unclear.any()))


def as_numbers(texts: Texts, commas: bool) -> NDArray[np.float64]:
    """Return the numbers that texts stand for, NaN where they stand for none; `commas`: as `decimal_commas` says."""
    cells, (thousands, decimal) = _array(texts), (".", ",") if commas else (",", ".")
    readable = pc.match_substring_regex(cells, _COMMA if commas else _POINT)
    plain = pc.replace_substring(pc.replace_substring(cells, thousands, ""), decimal, ".")
    numbers = pc.if_else(readable, plain, pa.scalar(None, pa.string())).cast(pa.float64())
    values: NDArray[np.float64] = numbers.to_numpy(zero_copy_only=False)
    return values.astype(np.float64)


def are_codes(texts: Texts) -> NDArray[np.bool_]:
    """Tell which texts are such as 01067: digits that are names, for a number has no leading zero."""
    return _matches(texts, CODE)


def are_infinite(texts: Texts) -> NDArray[np.bool_]:
    """Tell which texts write an infinite number."""
    return _matches(texts, _INFINITE)


def are_truths(texts: Texts) -> bool:
    """Tell whether texts say true and false, in one way of writing it."""
    words = {text.lower() for text in texts} if len(texts) <= 4 * len(_TRUE) else set()
    return bool(words) and any(words <= {true, false} for true, false in _TRUE.items())


def as_truths(texts: Texts) -> NDArray[np.float64]:
    """Return 1 and 0 for true and false, or what numbers say that are 1 or 0; NaN for all else."""
    truths = dict.fromkeys((*_TRUE, "1"), 1.0) | dict.fromkeys((*_TRUE.values(), "0"), 0.0)
    return np.array([truths.get(text.lower(), np.nan) for text in texts], dtype=np.float64)


ISO = "ISO8601"
_DAYS: tuple[tuple[str, Callable[[Texts], str]], ...] = (
    (r"^\d{4}-\d{1,2}-\d{1,2}([T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$", lambda days: ISO),
    (r"^\d{1,2}\.\d{1,2}\.(\d{4}|\d{2})$", lambda days: f"%d.%m.{_year(days, '.')}"),
    (r"^\d{1,2}/\d{1,2}/(\d{4}|\d{2})$", lambda days: f"{_slashed(days)}/{_year(days, '/')}"),
)


def day_layout(texts: Texts) -> str | None:
    """Return how texts write days, as `strftime` has it; None if they are no days.

    Whether 03/04/2021 is in March or in April is decided by all of them: the day is the number that exceeds 12.
    """
    for pattern, choose in _DAYS:
        if len(texts) and _matches(texts, pattern).all():
            layout = choose(texts)
            return layout if np.isfinite(as_days(texts, layout)).all() else None
    return None


def in_words(layout: str) -> str:
    """Say in which order a day is written."""
    return {"%d": "day first", "%m": "month first"}.get(layout[:2], "year first")


def as_days(texts: Texts, layout: str) -> NDArray[np.float64]:
    """Return days since 1970 that texts write in a layout, NaN where they write none."""
    moments = pd.to_datetime(pd.Series(list(texts), dtype="str"), format=layout, utc=True, errors="coerce")
    return since_1970(moments)


def since_1970(moments: "pd.Series[pd.Timestamp]") -> NDArray[np.float64]:
    """Return moments as days since 1970, NaN for one that is missing; their unit does not matter."""
    start = pd.Timestamp("1970-01-01", tz="UTC") if moments.dt.tz is not None else pd.Timestamp("1970-01-01")
    return (moments - start).dt.total_seconds().to_numpy(dtype=np.float64) / 86400


def _year(days: Texts, sign: str) -> str:
    return "%Y" if all(len(day.rpartition(sign)[2]) == 4 for day in days) else "%y"


def _slashed(days: Texts) -> str:
    return "%d/%m" if any(int(day.partition("/")[0]) > 12 for day in days) else "%m/%d"
