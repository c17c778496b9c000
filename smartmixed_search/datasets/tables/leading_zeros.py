"""Codes such as 01067 in a file of separated values: read as a number, they would lose their zero."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from smartmixed_search.datasets.tables.separated_file import SeparatedFile

_PART = 2**18
"""Bytes that are looked through at a time: as many as stay near the processor."""
_ZERO, _POINT, _QUOTE, _NEWLINE, _RETURN = b'0."\n\r'
_FROM_POINT_TO_NINE = 12

Bytes = NDArray[np.uint8]
Positions = NDArray[np.intp]


def with_leading_zeros(file: SeparatedFile) -> set[int]:
    """Return the places of columns that may hold a cell which a zero begins, and a digit follows.

    All columns, where quotes leave open which it is.
    """
    if file.loose_quotes:
        return set(range(len(file.names)))
    found: set[int] = set()
    for start, end in file.pieces(_PART):
        part = np.frombuffer(file.content, np.uint8, end - start, start)
        zeros = _zeros(part, ord(file.separator))
        if zeros.size:
            found |= _columns(part, zeros, file)
    return found


def _zeros(part: Bytes, separator: int) -> Positions:
    """Return where a zero is that begins a cell, its sign apart, and before a digit."""
    zeros = (part[:-1] == _ZERO) & (part[1:] >= _ZERO)
    zeros[1:] &= (part - _POINT >= _FROM_POINT_TO_NINE)[:-2]
    (places,) = np.nonzero(zeros)
    before = _before(part, places)
    before = np.where(_among(before, b"+-"), _before(part, places - 1), before)
    return places[_among(before, (separator, *b'"\n\r ')) & _among(part[places + 1], b"0123456789")]


def _before(part: Bytes, places: Positions) -> Bytes:
    """Return the byte before each place; before the first one a line has ended."""
    return np.where(places > 0, part[places - 1], np.uint8(_NEWLINE))


def _among(part: Bytes, some: Iterable[int]) -> NDArray[np.bool_]:
    """Tell which bytes are some, as `numpy.isin` does, which takes longer."""
    table = np.zeros(256, dtype=bool)
    table[list(some)] = True
    return table[part]


def _columns(part: Bytes, places: Positions, file: SeparatedFile) -> set[int]:
    """Return the columns that places in some rows are of: as many separators are before it in its line."""
    ended = (part == _NEWLINE) | (part == _RETURN)
    separated = part == ord(file.separator)
    if file.quoted:
        outside = np.bitwise_xor.accumulate(part == _QUOTE) == 0
        ended, separated = ended & outside, separated & outside
    (ends,) = np.nonzero(ended)
    starts = np.append(0, ends + 1)
    counts = _Counts(separated)
    return set(np.unique(counts.before(places) - counts.before(starts[np.searchsorted(ends, places)])).tolist())


class _Counts:
    """How many marks are before a place: from counts of eight marks each, which are quickly made."""

    def __init__(self, marks: NDArray[np.bool_]) -> None:
        self._packed = np.packbits(np.append(marks, False), bitorder="little")
        self._through = np.cumsum(np.bitwise_count(self._packed), dtype=np.int32)

    def before(self, places: Positions) -> NDArray[np.int32]:
        """Return it for places, of which the last is behind all marks."""
        eights = places // 8
        rest = np.bitwise_count(self._packed[eights] >> (places % 8).astype(np.uint8))
        counted: NDArray[np.int32] = self._through[eights] - rest
        return counted
