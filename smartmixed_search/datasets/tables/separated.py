"""Files of separated values: how one is written is found, and said; rows that do not fit are refused by number.

Columns whose cells are all plain numbers are read as such, at the speed of Arrow's reader; all others are read as text,
and what they mean is decided in `columns`, by all of their rows.
"""

import csv
import io
import mmap
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from smartmixed_search.datasets.tables.cells import EXACT, MISSING, number_cells, text_cells
from smartmixed_search.datasets.tables.leading_zeros import with_leading_zeros
from smartmixed_search.datasets.tables.numbers import CODE, decimal_commas
from smartmixed_search.datasets.tables.raw import RawTable, check_cells, check_names
from smartmixed_search.datasets.tables.separated_file import SAMPLE, UTF8, Content, Places, SeparatedFile
from smartmixed_search.errors import DatasetError
from smartmixed_search.errors.messages import in_short, show

SEPARATED = (".csv", ".tsv", ".txt")
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


def read_separated(path: Path, words: Collection[str] = ()) -> RawTable:
    """Read a file of separated values with a line of names.

    Args:
        path: of the file.
        words: names of columns that are to stay text even if they are numbers.

    Raises:
        DatasetError: the file cannot be read, is empty, has a name twice, or a row that does not fit; which, is said.
    """
    file = _open(path)
    check_names(file.shown, file.names)
    kept = {place for place, name in enumerate(file.names) if name in words}
    try:
        columns, commas = _read(file, kept)
    except (pa.ArrowInvalid, StopIteration) as error:
        raise _explained(file, error) from error
    separator = _SEPARATORS[file.separator]
    remarks = ([] if file.separator == "," else [f"separated by {separator}"]) + (["decimal commas"] if commas else [])
    return RawTable(
        name=path.name,
        cells=dict(zip(file.names, columns, strict=True)),
        remarks=(*remarks, *([] if file.encoding == UTF8 else [f"written in {file.encoding}"])),
        commas=commas,
    )


def _open(path: Path) -> SeparatedFile:
    content = _content(path)
    if b"\0" in content[:SAMPLE]:
        raise DatasetError(f"a table must be text, but {str(path)!r} holds other bytes; save it as CSV")
    file = SeparatedFile.of(path, content)
    file = replace(file, separator=_separator(file))
    check_cells(file.shown, file.most_rows * len(file.names))
    return _without_spaces(file) if file.quoted and content.find(f'{file.separator} "'.encode()) >= 0 else file


def _content(path: Path) -> Content:
    try:
        path = path.expanduser()
        with path.open("rb") as file:
            regular = path.is_file() and path.stat().st_size > 0
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if regular else file.read()
    except OSError as error:
        raise DatasetError(f"the table {str(path)!r} cannot be read: {error.strerror or error}") from error


def _separator(file: SeparatedFile) -> str:
    """Return what separates the same number of fields, two at least, in most lines; of several, what gives most."""
    lines = file.lines()
    if not any(line.strip() for line in lines):
        raise DatasetError(f"a table must have a line of names and rows, but {file.shown} is empty")
    fields = {separator: _field_counts(lines, separator) for separator in _SEPARATORS}
    found = {separator: counts for separator, counts in fields.items() if counts and counts[0] > 1}
    if not found:
        raise DatasetError(
            f"a table must have two columns or more, but {file.shown} begins with {show(lines[0])}; its fields must "
            "be separated by commas, semicolons, tabs or bars"
        )

    def merit(separator: str) -> tuple[float, int]:
        counts = found[separator]
        return counts.count(counts[0]) / len(counts), counts[0]

    return max(found, key=merit)


def _field_counts(lines: list[str], separator: str) -> list[int]:
    return [len(row) for row in csv.reader(lines, delimiter=separator, skipinitialspace=True) if row]


def _without_spaces(file: SeparatedFile) -> SeparatedFile:
    """Return a file that has no space between a separator and a quote: Arrow would take the quote for text."""
    text = io.StringIO()
    csv.writer(text, delimiter=file.separator).writerows(file.rows())
    return replace(SeparatedFile.of(file.path, text.getvalue().encode()), separator=file.separator)


def _read(file: SeparatedFile, words: Places) -> tuple[list["pd.Series[Any]"], bool]:
    """Return the cells of every column, and whether texts write decimal commas; columns of `words` stay text."""
    head = file.head()
    commas = _has_decimal_commas(head, file.separator)
    places = range(head.num_columns)
    numbers = set() if commas else set(places) - _not_plain([head], places) - set(words)
    codes = numbers & with_leading_zeros(file) if numbers else set()
    numbers -= _not_plain(file.tables((), codes), codes)
    try:
        columns = _cells(file, numbers)
    except pa.ArrowInvalid:
        numbers -= _not_plain(file.tables((), numbers), numbers)
        columns = _cells(file, numbers)
    names = [place for place in numbers if not _largest(columns[place]) < EXACT]
    columns |= _cells(file, (), names) if names else {}
    return [columns[place] for place in range(len(columns))], commas


def _has_decimal_commas(head: pa.Table, separator: str) -> bool:
    different = [column.unique().cast(pa.string()) for column in head.columns]
    if not any(pc.any(pc.match_substring(texts, ",")).as_py() for texts in different):
        return False
    return decimal_commas([text for texts in different for text in texts.to_pylist() if text], likely=separator == ";")


def _largest(numbers: "pd.Series[Any]") -> float:
    values = numbers.to_numpy()
    return float(max(np.fmax.reduce(values, initial=0.0), -np.fmin.reduce(values, initial=0.0)))


def _cells(file: SeparatedFile, numbers: Places, only: Places | None = None) -> dict[int, "pd.Series[Any]"]:
    """Read columns, each by its place."""
    places = sorted(range(len(file.names)) if only is None else only)
    values = {place: np.empty(file.most_rows) for place in places if place in numbers}
    words: dict[int, list[pa.Array]] = {place: [] for place in places if place not in numbers}
    rows = 0
    for table in file.tables(numbers, only):
        for place, column in zip(places, table.columns, strict=True):
            if place in numbers:
                values[place][rows : rows + len(column)] = column.to_numpy()
            else:
                words[place] += column.chunks
        rows += table.num_rows
    texts = {place: text_cells(pa.chunked_array(blocks)) for place, blocks in words.items()}
    return texts | {place: number_cells(column[:rows]) for place, column in values.items()}


def _not_plain(tables: Iterable[pa.Table], places: Places) -> set[int]:
    """Return which columns of text, at their places in the file, hold anything but plain numbers."""
    found: set[int] = set()
    for table in tables:
        columns = zip(sorted(places), table.columns, strict=True)
        found |= {place for place, column in columns if place not in found and not _are_plain(column)}
    return found


def _are_plain(column: pa.ChunkedArray) -> bool:
    texts = column.unique().cast(pa.string())
    texts = texts.filter(pc.invert(pc.is_in(texts, pa.array(MISSING))))
    if pc.any(pc.match_substring_regex(texts, CODE)).as_py():
        return False
    try:
        texts.cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _explained(file: SeparatedFile, error: Exception) -> DatasetError:
    """Return what is wrong with a file that Arrow cannot read.

    Lines with fewer fields are filled with missing cells by some readers and shifted by others, so they are refused.
    """
    number = 0
    for number, row in enumerate(file.rows(), start=1):
        if len(row) != len(file.names):
            return DatasetError(
                f"every row must have {len(file.names)} fields, as the names have, but row {number} of {file.shown} "
                f"has {len(row)}: {show(file.separator.join(row))}; mend the row, or quote a field that holds a "
                "separator"
            )
    if number == 1:
        return DatasetError(f"a table must have rows, but {file.shown} has only the line of names")
    return DatasetError(f"a table must be rows of separated fields, but {file.shown} is not ({in_short(error)})")
