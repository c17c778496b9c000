"""A table's cells as text, from a file of separated values: how it is written is found, and said.

Cells are read as text and nothing is guessed from them here: what a column means is decided once, for all of its rows,
in `columns`.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from smartmixed_search.datasets.source import check_size
from smartmixed_search.errors import DatasetError
from smartmixed_search.errors.messages import show

SUFFIXES = (".csv", ".tsv", ".txt")
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SAMPLE = 2**16
"""Bytes of the file's beginning by which its separator is found."""
_ENCODINGS = ("utf-8-sig", "cp1252")
_BYTES_A_CELL = 80
"""Of memory for a cell's text while a table is read: Python's own for a short word."""


@dataclass(frozen=True, kw_only=True)
class RawTable:
    """A table's cells as text."""

    cells: pd.DataFrame
    """One column of text for each of the file's; missing cells are empty text."""
    remarks: tuple[str, ...]
    """What was understood of the file that is not plain, in words."""


def read_separated(path: Path) -> RawTable:
    """Read a file of separated values with a line of names.

    Raises:
        DatasetError: the file cannot be read, is empty, has a name twice, or a line that does not fit; which, is said.
    """
    text, encoding = _text(path)
    separator = _separator(path, text)
    names = _names(path, text, separator)
    check_size(f"{str(path)!r}", text.count("\n") * len(names), _BYTES_A_CELL)
    remarks = [] if separator == "," else [f"separated by {_SEPARATORS[separator]}"]
    remarks += [] if encoding == _ENCODINGS[0] else [f"written in {encoding}"]
    frame = _frame(path, text, separator, names)
    if any(name != name.strip() for name in names) or separator + " " in text[:_SAMPLE]:
        frame = frame.apply(lambda column: column.str.strip())
    return RawTable(cells=frame.rename(columns=str.strip), remarks=tuple(remarks))


def _text(path: Path) -> tuple[str, str]:
    try:
        content = path.expanduser().read_bytes()
    except OSError as error:
        raise DatasetError(f"the table {str(path)!r} cannot be read: {error.strerror or error}") from error
    if b"\0" in content[:_SAMPLE]:
        raise DatasetError(f"a table must be text, but {str(path)!r} holds other bytes; save it as CSV")
    for encoding in _ENCODINGS:
        try:
            return content.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    raise DatasetError(f"a table must be UTF-8 or Windows-1252 text, but {str(path)!r} is neither; save it as UTF-8")


def _separator(path: Path, text: str) -> str:
    """Return what separates the same number of fields, two at least, in most lines; of several, what gives most."""
    lines = text[:_SAMPLE].splitlines()[: None if len(text) <= _SAMPLE else -1]
    if not any(line.strip() for line in lines):
        raise DatasetError(f"a table must have a line of names and rows, but {str(path)!r} is empty")
    fields = {separator: _field_counts(lines, separator) for separator in _SEPARATORS}
    found = {separator: counts for separator, counts in fields.items() if counts and counts[0] > 1}
    if not found:
        raise DatasetError(
            f"a table must have two columns or more, but {str(path)!r} begins with {show(lines[0])}; its fields must "
            "be separated by commas, semicolons, tabs or bars"
        )

    def merit(separator: str) -> tuple[float, int]:
        counts = found[separator]
        return counts.count(counts[0]) / len(counts), counts[0]

    return max(found, key=merit)


def _field_counts(lines: list[str], separator: str) -> list[int]:
    return [len(row) for row in _rows(lines, separator) if row]


def _rows(lines: list[str] | io.StringIO, separator: str) -> Iterator[list[str]]:
    return csv.reader(lines, delimiter=separator, skipinitialspace=True)


def _names(path: Path, text: str, separator: str) -> list[str]:
    """Return the columns' names; one that is empty, as R writes for row names, is called by its place."""
    header = next(row for row in _rows(io.StringIO(text), separator) if row)
    names = [name.strip() or f"column {place}" for place, name in enumerate(header, start=1)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DatasetError(f"columns must have different names, but {str(path)!r} has {twice!r} twice; rename one")
    return names


def _frame(path: Path, text: str, separator: str, names: list[str]) -> pd.DataFrame:
    """Return all rows but the first as text, each of as many fields as there are names.

    Lines with fewer fields are filled with missing cells by some readers and shifted by others, so they are refused.
    """
    rows = (row for row in _rows(io.StringIO(text, newline=""), separator) if row)
    next(rows)
    columns: list[list[str]] = [[] for _ in names]
    number = 1
    for row in rows:
        number += 1
        if len(row) != len(names):
            raise DatasetError(
                f"every row must have {len(names)} fields, as the names have, but row {number} of {str(path)!r} has "
                f"{len(row)}: {show(separator.join(row))}; mend the row, or quote a field that holds a separator"
            )
        for column, cell in zip(columns, row, strict=True):
            column.append(cell)
    if number == 1:
        raise DatasetError(f"a table must have rows, but {str(path)!r} has only the line of names")
    return pd.DataFrame(dict(zip(names, columns, strict=True)), dtype="str")
