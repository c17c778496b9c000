"""Files of separated values: how one is written is found, and said; rows that do not fit are refused by number.

Columns whose cells are all plain numbers are read as such, at the speed of Arrow's reader; all others are read as text,
and what they mean is decided in `columns`, by all of their rows.
"""

import codecs
import csv
import io
import mmap
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from smartmixed_search.datasets.tables.cells import EXACT, MISSING, number_cells, text_cells
from smartmixed_search.datasets.tables.numbers import CODE, decimal_commas
from smartmixed_search.datasets.tables.raw import RawTable, check_cells, check_names
from smartmixed_search.errors import DatasetError
from smartmixed_search.errors.messages import in_short, show

SEPARATED = (".csv", ".tsv", ".txt")
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SAMPLE = 2**16
"""Bytes of the file's beginning by which its separator is found."""
_BLOCK = 2**20
"""Bytes that are read at a time; by the first of them it is found which columns are numbers, and the decimal sign."""
_UTF8, _WINDOWS = "utf-8", "cp1252"

Content = bytes | mmap.mmap
Places = Collection[int]


@dataclass(frozen=True, kw_only=True)
class _File:
    """A file of separated values, and how it is written."""

    path: Path
    content: Content
    encoding: str = _UTF8
    separator: str = ","

    @property
    def shown(self) -> str:
        """The file as messages name it."""
        return repr(str(self.path))

    def lines(self) -> list[str]:
        """Return the lines of the file's beginning, whole ones."""
        text = self.content[:_SAMPLE].decode(self.encoding, "replace").removeprefix("\ufeff")
        return text.splitlines()[: None if len(self.content) <= _SAMPLE else -1]

    def rows(self) -> Iterator[list[str]]:
        """Yield the fields of all rows, that of the names first; slow."""
        return self._rows(self.content[:])

    @cached_property
    def names(self) -> list[str]:
        """The columns' names; one that is empty, as R writes for row names, is called by its place."""
        header = next(self._rows(self.content[:_BLOCK]))
        return [name.strip() or f"column {place}" for place, name in enumerate(header, start=1)]

    def _rows(self, content: bytes) -> Iterator[list[str]]:
        encoding = "utf-8-sig" if self.encoding == _UTF8 else self.encoding
        text = io.TextIOWrapper(io.BytesIO(content), encoding=encoding, newline="", errors="replace")
        try:
            yield from (row for row in csv.reader(text, delimiter=self.separator, skipinitialspace=True) if row)
        except csv.Error as error:
            raise DatasetError(f"the table {self.shown} cannot be read: {error}; is a quote left open?") from error

    def _stream(self, start: int) -> pa.NativeFile:
        """Return what Arrow reads from, beginning at a byte."""
        if isinstance(self.content, mmap.mmap) and not start:
            return pa.OSFile(str(self.path.expanduser()))
        return pa.BufferReader(pa.py_buffer(self.content).slice(start))

    @cached_property
    def most_rows(self) -> int:
        """How many rows it may have: as many as lines."""
        whole = np.frombuffer(self.content, np.uint8)
        starts = range(0, len(whole), _BLOCK)
        newlines = sum(int(np.count_nonzero(whole[start : start + _BLOCK] == ord("\n"))) for start in starts)
        return max(newlines, self.content[:].count(b"\r") if not newlines else 0) + 1

    @cached_property
    def quoted(self) -> bool:
        """Whether any field is quoted, so that one may go over lines."""
        return self.content.find(b'"') >= 0

    def batches(self, numbers: Places, only: Places | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows in blocks, of all columns or `only` some; those of `numbers` as such, the others as text.

        Raises:
            pa.ArrowInvalid: a row does not fit, or a cell is no number.
        """
        if only is not None and not only:
            return iter(())  # to Arrow, no column wanted means all of them
        wanted = sorted(range(len(self.names)) if only is None else only)
        blank = len(self.content[:_SAMPLE]) - len(self.content[:_SAMPLE].lstrip(b"\r\n"))
        if isinstance(self.content, mmap.mmap):
            self.content.madvise(mmap.MADV_DONTNEED)  # what was looked at is not held while the rest is read
        return iter(
            pyarrow.csv.open_csv(
                self._stream(blank),
                pyarrow.csv.ReadOptions(
                    block_size=_BLOCK, encoding=self.encoding, autogenerate_column_names=True, skip_rows_after_names=1
                ),
                pyarrow.csv.ParseOptions(delimiter=self.separator, newlines_in_values=self.quoted),
                pyarrow.csv.ConvertOptions(
                    column_types={f"f{place}": pa.float64() if place in numbers else pa.string() for place in wanted},
                    include_columns=[f"f{place}" for place in wanted],
                    null_values=MISSING,
                    strings_can_be_null=True,
                ),
            )
        )


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
        remarks=(*remarks, *([] if file.encoding == _UTF8 else [f"written in {file.encoding}"])),
        commas=commas,
    )


def _open(path: Path) -> _File:
    content = _content(path)
    if b"\0" in content[:_SAMPLE]:
        raise DatasetError(f"a table must be text, but {str(path)!r} holds other bytes; save it as CSV")
    file = replace(_File(path=path, content=content), encoding=_encoding(path, content))
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


def _encoding(path: Path, content: Content) -> str:
    for encoding in (_UTF8, _WINDOWS):
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            for start in range(0, len(content), _BLOCK):
                decoder.decode(content[start : start + _BLOCK])
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        return encoding
    raise DatasetError(f"a table must be UTF-8 or Windows-1252 text, but {str(path)!r} is neither; save it as UTF-8")


def _separator(file: _File) -> str:
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


def _without_spaces(file: _File) -> _File:
    """Return a file that has no space between a separator and a quote: Arrow would take the quote for text."""
    text = io.StringIO()
    csv.writer(text, delimiter=file.separator).writerows(file.rows())
    return replace(file, content=text.getvalue().encode(), encoding=_UTF8)


def _read(file: _File, words: Places) -> tuple[list["pd.Series[Any]"], bool]:
    """Return the cells of every column, and whether texts write decimal commas; columns of `words` stay text."""
    head = next(file.batches(()))
    commas = _has_decimal_commas(head, file.separator)
    numbers = set() if commas else set(range(head.num_columns)) - _not_plain([head]) - set(words)
    if _leading_zeros(file):
        numbers -= _not_plain(file.batches((), numbers), numbers)
    try:
        columns = _cells(file, numbers)
    except pa.ArrowInvalid:
        numbers -= _not_plain(file.batches((), numbers), numbers)
        columns = _cells(file, numbers)
    names = [place for place in numbers if not np.fmax.reduce(np.abs(columns[place]), initial=0.0) < EXACT]
    columns |= _cells(file, (), names) if names else {}
    return [columns[place] for place in range(len(columns))], commas


def _has_decimal_commas(head: pa.RecordBatch, separator: str) -> bool:
    if not any(pc.any(pc.match_substring(column, ",")).as_py() for column in head.columns):
        return False
    texts = [text for column in head.columns for text in column.unique().to_pylist() if text]
    return decimal_commas(texts, likely=separator == ";")


def _cells(file: _File, numbers: Places, only: Places | None = None) -> dict[int, "pd.Series[Any]"]:
    """Read columns, each by its place."""
    places = sorted(range(len(file.names)) if only is None else only)
    values = {place: np.empty(file.most_rows) for place in places if place in numbers}
    words: dict[int, list[pa.Array]] = {place: [] for place in places if place not in numbers}
    rows = 0
    for batch in file.batches(numbers, only):
        for place, column in zip(places, batch.columns, strict=True):
            if place in numbers:
                values[place][rows : rows + len(column)] = column.to_numpy(zero_copy_only=False)
            else:
                words[place].append(column.dictionary_encode())
        rows += batch.num_rows
    texts = {place: text_cells(pa.chunked_array(blocks)) for place, blocks in words.items()}
    return texts | {place: number_cells(column[:rows]) for place, column in values.items()}


def _not_plain(batches: Iterator[pa.RecordBatch] | list[pa.RecordBatch], places: Places | None = None) -> set[int]:
    """Return which columns of text, at their places in the file, hold anything but plain numbers."""
    found: set[int] = set()
    for batch in batches:
        columns = zip(sorted(range(batch.num_columns) if places is None else places), batch.columns, strict=True)
        found |= {place for place, column in columns if place not in found and not _are_plain(column)}
    return found


def _are_plain(column: pa.Array) -> bool:
    if pc.any(pc.match_substring_regex(column, CODE)).as_py():
        return False
    try:
        column.cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _leading_zeros(file: _File) -> bool:
    """Tell whether a cell such as 01067 may be in a file: a zero that begins it, and a digit."""
    whole = np.frombuffer(file.content, np.uint8)
    borders = [*file.separator.encode(), *b'\n\r" ']
    for start in range(0, len(whole), _BLOCK // 4):
        part = whole[max(start - 2, 0) : start + _BLOCK // 4 + 1]
        found = (part[1:-1] == ord("0")) & (part[2:] - ord("0") < 10) & (part[:-2] - ord("0") >= 10)
        found &= part[:-2] != ord(".")
        for place in np.flatnonzero(found).tolist() if found.any() else ():
            if part[max(place - 1, 0) if part[place] in b"+-" else place] in borders:
                return True
    return False


def _explained(file: _File, error: Exception) -> DatasetError:
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
