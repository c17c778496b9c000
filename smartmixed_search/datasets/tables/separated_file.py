"""A file of separated values: how it is written, and its rows, read in pieces of whole lines."""

import codecs
import csv
import io
import mmap
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.csv

from smartmixed_search.datasets.tables.cells import MISSING
from smartmixed_search.errors import DatasetError

SAMPLE = 2**16
"""Bytes of the file's beginning that tell what separates its fields."""
_BLOCK = 2**20
"""Bytes that are looked at, or read by a thread, at a time."""
_PIECE = 8 * _BLOCK
"""Bytes that are read together: little beside the table, and enough for some threads."""
UTF8, _WINDOWS = "utf-8", "cp1252"

Content = bytes | mmap.mmap
Places = Collection[int]


@dataclass(frozen=True, kw_only=True)
class SeparatedFile:
    """A file of separated values, and how it is written."""

    path: Path
    content: Content
    encoding: str
    quoted: bool
    """Whether any field is quoted, so that one may go over lines."""
    most_rows: int
    """How many rows it may have: as many as lines."""
    separator: str = ","

    @classmethod
    def of(cls, path: Path, content: Content) -> Self:
        """Look over a file once.

        Raises:
            DatasetError: it is no text.
        """
        plain, quoted, newlines = True, False, 0
        for start in range(0, len(content), _BLOCK):
            block = content[start : start + _BLOCK]
            plain, quoted = plain and block.isascii(), quoted or b'"' in block
            newlines += int(np.count_nonzero(np.frombuffer(block, np.uint8) == ord("\n")))
            _release(content, start, start + _BLOCK)
        return cls(
            path=path,
            content=content,
            encoding=UTF8 if plain else _encoding(path, content),
            quoted=quoted,
            most_rows=(newlines or content[:].count(b"\r")) + 1,
        )

    @cached_property
    def loose_quotes(self) -> bool:
        """Whether a cell holds a quote that opens nothing, as in 5": then it does not show where quotes end."""
        last, within = ord("\n"), False
        openings = (ord(self.separator), *b'"\n\r')
        first = len(codecs.BOM_UTF8) if self.content[:3] == codecs.BOM_UTF8 else 0
        for start in range(first, len(self.content) if self.quoted else 0, _BLOCK):
            block = np.frombuffer(self.content[start : start + _BLOCK], np.uint8)
            _release(self.content, start, start + _BLOCK)
            (quotes,) = np.nonzero(block == ord('"'))
            opening = quotes[int(within) :: 2]
            if not np.isin(np.append(last, block)[opening], openings).all():
                return True
            last, within = block[-1], within ^ (len(quotes) % 2 == 1)
        return False

    @property
    def shown(self) -> str:
        """The file as messages name it."""
        return repr(str(self.path))

    def lines(self) -> list[str]:
        """Return the lines of the file's beginning, whole ones."""
        text = self.content[:SAMPLE].decode(self.encoding, "replace").removeprefix("\ufeff")
        return text.splitlines()[: None if len(self.content) <= SAMPLE else -1]

    def rows(self) -> Iterator[list[str]]:
        """Yield the fields of all rows, that of the names first; slow."""
        return self._rows(self.content[:])

    @cached_property
    def names(self) -> list[str]:
        """The columns' names; one that is empty, as R writes for row names, is called by its place."""
        header = next(self._rows(self.content[:_BLOCK]))
        return [name.strip() or f"column {place}" for place, name in enumerate(header, start=1)]

    def _rows(self, content: bytes) -> Iterator[list[str]]:
        encoding = "utf-8-sig" if self.encoding == UTF8 else self.encoding
        text = io.TextIOWrapper(io.BytesIO(content), encoding=encoding, newline="", errors="replace")
        try:
            yield from (row for row in csv.reader(text, delimiter=self.separator, skipinitialspace=True) if row)
        except csv.Error as error:
            raise DatasetError(f"the table {self.shown} cannot be read: {error}; is a quote left open?") from error

    def head(self) -> pa.Table:
        """Return the first rows, all columns as text.

        Raises:
            pa.ArrowInvalid: a row does not fit.
            StopIteration: there is none.
        """
        return next(table for table in self._tables(_BLOCK, (), None) if table.num_rows)

    def tables(self, numbers: Places, only: Places | None = None) -> Iterator[pa.Table]:
        """Yield the rows in pieces, of all columns or `only` some; those of `numbers` as such, the others as text.

        Raises:
            pa.ArrowInvalid: a row does not fit, or a cell is no number.
        """
        nothing = only is not None and not only  # for Arrow, no column wanted means all of them
        return iter(()) if nothing else self._tables(_PIECE, numbers, only)

    def _tables(self, size: int, numbers: Places, only: Places | None) -> Iterator[pa.Table]:
        wanted = sorted(range(len(self.names)) if only is None else only)
        words = pa.dictionary(pa.int32(), pa.string())
        converted = pyarrow.csv.ConvertOptions(
            column_types={f"f{place}": pa.float64() if place in numbers else words for place in wanted},
            include_columns=[f"f{place}" for place in wanted],
            null_values=MISSING,  # of numbers: texts that stand for nothing are told apart later
        )
        parsed = pyarrow.csv.ParseOptions(delimiter=self.separator, newlines_in_values=self.quoted)
        whole = pa.py_buffer(self.content)
        for start, end in self.pieces(size):
            read = pyarrow.csv.ReadOptions(
                block_size=_BLOCK,
                encoding=self.encoding,
                column_names=[f"f{place}" for place in range(len(self.names))],
                skip_rows_after_names=int(start == self._blank),
            )
            yield pyarrow.csv.read_csv(pa.BufferReader(whole.slice(start, end - start)), read, parsed, converted)

    @cached_property
    def _blank(self) -> int:
        """How many bytes of the beginning are blank lines."""
        beginning = self.content[:SAMPLE]
        return len(beginning) - len(beginning.lstrip(b"\r\n"))

    def pieces(self, size: int) -> Iterator[tuple[int, int]]:
        """Yield where pieces of whole rows begin and end, each of so many bytes or some more."""
        start = self._blank
        while start < len(self.content):
            end = self._end(start, start + size)
            yield start, end
            _release(self.content, start, end)
            start = end

    def _end(self, start: int, least: int) -> int:
        """Return where a row ends, from a place on: with a line, unless that is within quotes."""
        end, within = start, False
        while not self.loose_quotes and (newline := self.content.find(b"\n", max(end, least)) + 1):
            within ^= self.quoted and self.content[end:newline].count(b'"') % 2 == 1
            end = newline
            if not within:
                return end
        return len(self.content)


def _encoding(path: Path, content: Content) -> str:
    for encoding in (UTF8, _WINDOWS):
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            for start in range(0, len(content), _BLOCK):
                decoder.decode(content[start : start + _BLOCK])
                _release(content, start, start + _BLOCK)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        return encoding
    raise DatasetError(f"a table must be UTF-8 or Windows-1252 text, but {str(path)!r} is neither; save it as UTF-8")


def _release(content: Content, start: int, end: int) -> None:
    """Let go of the memory of a mapped file's bytes that were looked at: they can be read again."""
    if isinstance(content, mmap.mmap):
        first = start - start % mmap.PAGESIZE
        content.madvise(mmap.MADV_DONTNEED, first, min(end, len(content)) - first)
