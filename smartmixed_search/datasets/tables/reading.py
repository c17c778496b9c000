"""Tables as people have them: files by their endings, and tables in memory."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from smartmixed_search.datasets.tables.frames import read_frame, read_parquet
from smartmixed_search.datasets.tables.programs import PROGRAMS, read_program
from smartmixed_search.datasets.tables.raw import RawTable
from smartmixed_search.datasets.tables.separated import SEPARATED, read_separated

PARQUET = ".parquet"
SUFFIXES = (*SEPARATED, PARQUET, *PROGRAMS)
"""Endings of files that are tables."""


def read_raw(table: Path | Any, words: Collection[str] = ()) -> RawTable:
    """Read the table of a path, or one in memory.

    Args:
        table: its path, or itself.
        words: names of columns that are to stay text even if they are numbers.

    Raises:
        DatasetError: it cannot be read.
    """
    if not isinstance(table, Path):
        return read_frame(table)
    if table.suffix.lower() in PROGRAMS:
        return read_program(table)
    return read_parquet(table) if table.suffix.lower() == PARQUET else read_separated(table, words)
