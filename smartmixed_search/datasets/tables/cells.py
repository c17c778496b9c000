"""A table's cells: a column holds numbers, moments, or texts of which each different one is stored once.

Whatever a table came as, cells that say the same are the same here: what is missing is missing, a whole number is
written without a point, a category is its text and never its code.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from smartmixed_search.errors.messages import counted, show

MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "#N/A")
"""Texts that stand for nothing, in every column; where they stand among words, that is said, see `read_as_missing`."""
EXACT = 2.0**53
"""Whole numbers from which two may be one in float64: they stay texts, for they are names."""

Cells = "pd.Series[Any]"
Columns = Mapping[str, "pd.Series[Any]"]


def is_number(cells: "pd.Series[Any]") -> bool:
    """Tell whether cells are numbers, float64 with NaN for what is missing."""
    return bool(cells.dtype == np.float64)


def is_moment(cells: "pd.Series[Any]") -> bool:
    """Tell whether cells are moments, in UTC where they had a zone."""
    return cells.dtype.kind == "M"


def number_cells(values: NDArray[np.float64]) -> "pd.Series[Any]":
    """Return numbers [N] as cells."""
    return pd.Series(values, copy=False)


def text_cells(column: pa.ChunkedArray) -> "pd.Series[Any]":
    """Return texts as cells; spaces around them belong to nothing."""
    encoded = column.dictionary_encode() if not pa.types.is_dictionary(column.type) else column
    array = encoded.unify_dictionaries().combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    words = pc.utf8_trim_whitespace(array.dictionary.cast(pa.string())).to_numpy(zero_copy_only=False)
    absent = np.isin(words.astype(str), MISSING)
    codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    said = {word: int((codes == place).sum()) for place, word in enumerate(words) if absent[place] and word}
    words[absent] = None
    places, texts = pd.factorize(words)
    places = np.append(places, -1)  # the last one is what is missing
    cells = pd.Series(pd.Categorical.from_codes(places[codes], categories=texts.tolist()))
    cells.attrs.update(said)
    return cells


def read_as_missing(cells: "pd.Series[Any]") -> str:
    """Say which words of a column stand for nothing, though one may have meant them, and what keeps such a value."""
    said = {str(word): int(times) for word, times in cells.attrs.items()}
    if not said:
        return ""
    words, times = ", ".join(map(show, sorted(said))), counted(sum(said.values()), "cell")
    return f", {words} taken for missing ({times}): a value of that name must be written otherwise"


def from_texts(texts: Sequence[object]) -> "pd.Series[Any]":
    """Return texts [N] as cells; what is None is missing."""
    return text_cells(pa.chunked_array([pa.array(texts, pa.string(), from_pandas=True)]))


def from_arrow(column: pa.ChunkedArray) -> "pd.Series[Any] | None":
    """Return an Arrow column as cells; None if its values are none that could be learned from, such as lists."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _labels(column)
    if pa.types.is_boolean(kind) or pa.types.is_null(kind):
        return text_cells(column.cast(pa.string()))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return text_cells(column.cast(pa.string()))
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        unit = kind.unit if pa.types.is_timestamp(kind) else "s" if pa.types.is_date32(kind) else "ms"
        moments: pd.Series[Any] = column.cast(pa.timestamp(unit)).to_pandas()
        return moments
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        return _seconds(column)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _numbers(column)
    return None


def _labels(column: pa.ChunkedArray) -> "pd.Series[Any] | None":
    """Return categories by what they say: their codes are another file's own."""
    values = from_arrow(column.cast(column.type.value_type))
    if values is None:
        return None
    labels = pd.Series(texts(values))
    labels.attrs.update(values.attrs)
    return labels


def _seconds(column: pa.ChunkedArray) -> "pd.Series[Any]":
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[column.type.unit]
    whole = pa.int32() if column.type.bit_width == 32 else pa.int64()
    return number_cells(_floats(column.cast(whole)) / per_second)


def _numbers(column: pa.ChunkedArray) -> "pd.Series[Any]":
    values = _floats(column)
    if pa.types.is_integer(column.type) and np.fmax.reduce(np.abs(values), initial=0.0) >= EXACT:
        return text_cells(column.cast(pa.string()))
    return number_cells(values)


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    floats: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy()
    return floats if floats.flags.writeable else floats.copy()


def texts(cells: "pd.Series[Any]") -> pd.Categorical:
    """Return cells as texts: 3 is "3", 2.5 is "2.5", a day is as ISO 8601 writes it."""
    if isinstance(cells.dtype, pd.CategoricalDtype):
        return pd.Categorical(cells)
    places, different = pd.factorize(cells)
    return pd.Categorical.from_codes(places, categories=pd.Index([as_text(one) for one in different], dtype="str"))


def as_text(value: object) -> str:
    """Write a number or a moment as one would in a table.

    Example:
        >>> as_text(3.0), as_text(0.1), as_text(pd.Timestamp("2021-03-02"))
        ('3', '0.1', '2021-03-02')
    """
    if isinstance(value, pd.Timestamp):
        return value.isoformat().removesuffix("T00:00:00")
    number = float(value)  # type: ignore[arg-type]  # a number: moments are done with
    return str(int(number)) if number.is_integer() and abs(number) < EXACT else repr(number)


def counts(cells: "pd.Series[Any]") -> NDArray[np.int64]:
    """Return how often each category of texts occurs."""
    codes = cells.cat.codes.to_numpy()
    return np.bincount(codes[codes >= 0], minlength=len(cells.cat.categories))
