"""Tables whose columns have types: data frames, Arrow tables, and files of Parquet."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from smartmixed_search.datasets.tables.cells import as_text, from_arrow, is_moment, is_number, texts
from smartmixed_search.datasets.tables.numbers import decimal_commas
from smartmixed_search.datasets.tables.raw import RawTable, check_cells, check_names
from smartmixed_search.errors import DatasetError
from smartmixed_search.errors.messages import in_short

NamedColumns = Iterator[tuple[str, pa.ChunkedArray]]


def is_frame(value: object) -> bool:
    """Tell whether a value is a table in memory: of pandas, or of whatever hands its columns over as Arrow does."""
    return isinstance(value, pd.DataFrame) or hasattr(value, "__arrow_c_stream__")


def read_frame(frame: Any, name: str = "the table") -> RawTable:
    """Read a table in memory; a pandas index is no column.

    Raises:
        DatasetError: it has no rows, or a name twice.
    """
    if isinstance(frame, pd.DataFrame):
        names = list(map(str, frame.columns))
        return _table(
            name, names, len(frame), ((names[place], _of_pandas(frame, place)) for place in range(len(names)))
        )
    table = pa.table(frame)
    return _table(name, table.column_names, table.num_rows, zip(table.column_names, table.columns, strict=True))


def read_parquet(path: Path) -> RawTable:
    """Read a Parquet file, column by column.

    Raises:
        DatasetError: it cannot be read, has no rows, or a name twice.
    """
    try:
        with pyarrow.parquet.ParquetFile(path.expanduser()) as file:
            names = file.schema_arrow.names
            check_names(repr(str(path)), names)
            rows = file.metadata.num_rows
            return _table(path.name, names, rows, ((name, _column(file.read([name]), name)) for name in names))
    except (OSError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or in_short(error)
        raise DatasetError(f"the table {str(path)!r} cannot be read: {reason}") from error


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    return table.column(table.column_names.index(name))


def _of_pandas(frame: pd.DataFrame, place: int) -> pa.ChunkedArray:
    """Return a column of pandas as Arrow has it; one of several types as text."""
    column = frame.iloc[:, place]
    try:
        found = pa.Array.from_pandas(column)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        found = pa.array([None if _is_absent(value) else _written(value) for value in column], pa.string())
    return found if isinstance(found, pa.ChunkedArray) else pa.chunked_array([found])


def _is_absent(value: object) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or value != value


def _written(value: object) -> str:
    return as_text(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _table(name: str, names: list[str], rows: int, columns: NamedColumns) -> RawTable:
    check_names(repr(name), names)
    if not rows:
        raise DatasetError(f"a table must have rows, but {name!r} has none")
    check_cells(repr(name), rows * len(names))
    cells: dict[str, pd.Series[Any]] = {}
    labelled, unreadable = set(), {}
    for column_name, column in columns:
        found = from_arrow(column)
        if found is None:
            unreadable[column_name] = f"values of type {column.type}"
        else:
            cells[column_name] = found
        if pa.types.is_dictionary(column.type):
            labelled.add(column_name)
    words = [
        text
        for column in cells.values()
        if not is_number(column) and not is_moment(column)
        for text in texts(column).categories
    ]
    return RawTable(
        name=name,
        cells=cells,
        labelled=frozenset(labelled),
        unreadable=unreadable,
        commas=decimal_commas(words),
    )
