"""A sweep's tables, stored beside its run: MLflow gives whole runs, which takes seconds for a thousand trials.

The sweep run keeps the rows of its settled trials, and of the strategies of the finished ones, as CSV artifacts:
`tables/trials/00000.csv`, `tables/strategies/00000.csv`, of `CHUNK` trials each, in the order in which they settled.
They repeat what the runs hold, column by column.

A trial's rows are written before its run is marked as settled, and are counted after it, in the sweep run's tag
`smartmixed.tables`. So rows that are not counted belong to a trial at which the writer stopped, and its run tells
whether they are valid. Tables that are not there, incomplete, or of other columns are not used; the next writer of
the sweep stores them again. Rows of runs that were deleted stay until then: whoever reads leaves them out, while they
are in MLflow's trash, and the next writer notices if they are not even there.
"""

import json
from collections.abc import Collection, Sequence
from io import BytesIO
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
from pyarrow import csv

from smartmixed_search.tracking import schema
from smartmixed_search.tracking.store.uris import followed
from smartmixed_search.tracking.tables import columns
from smartmixed_search.tracking.tables.measured import SCHEMA_1, Measured

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

TRIALS, STRATEGIES = "trials", "strategies"
CHUNK = 100
"""Trials in a file. The last file is written again with every trial, the others never."""

_FOLDER = "tables"
_TYPES = {
    TRIALS: {name: column.dtype for name, column in columns.trial().items()},
    STRATEGIES: {name: column.dtype for name, column in columns.strategy().items()} | columns.OF_TRIAL,
}
"""Of the columns; those of metrics, which depend on the sweep, are all `float64`."""
_TRIAL_ID = {TRIALS: "run_id", STRATEGIES: "parent_id"}
_ARROW_TYPES = {
    "str": pa.string(),
    "float64": pa.float64(),
    "int64": pa.int64(),
    "Int64": pa.int64(),
    "bool": pa.bool_(),
}

Tables = dict[str, pd.DataFrame]
"""`trials` with the columns `columns.trial`; `strategies` with `columns.strategy` and `columns.OF_TRIAL`."""


def read(client: "MlflowClient", sweep: "Run", name: str) -> pd.DataFrame | None:
    """Return a table of a sweep as it is stored; None if it is not, or not completely."""
    if schema.TAG_TABLES not in sweep.data.tags:
        return None
    try:
        count = json.loads(sweep.data.tags[schema.TAG_TABLES])[name]
        table = _of(_parse(_files(client, sweep, name), name), name, Measured.of(sweep))
        uncounted = table[_TRIAL_ID[name]][count:].drop_duplicates()
        left = [run_id for run_id in uncounted if client.get_run(run_id).data.tags[schema.TAG_STATUS] == schema.RUNNING]
    except Exception:  # whatever the stores of artifacts and of runs may raise: the runs hold the same
        return None
    if len(table) < count:
        return None
    return table[~table[_TRIAL_ID[name]].isin(left)] if left else table


def _of(table: pd.DataFrame, name: str, measured: Measured) -> pd.DataFrame:
    """Return a table with the columns that a sweep of these metrics has; what a trial has not recorded is missing."""
    names = columns.trial(measured.metric.name) if name == TRIALS else columns.strategy(measured.names)
    if missing := {name for name in names if name.endswith(f"_{measured.metric.name}")}.difference(table):
        raise ValueError(f"a table must have the metric that ranks, but lacks {missing}")
    return table.reindex(columns=[*names, *(columns.OF_TRIAL if name == STRATEGIES else ())])


def are_of(table: pd.DataFrame, run_ids: Collection[str]) -> "pd.Series[bool]":
    """Return which rows of a table are of some runs, or of a trial's run among them."""
    return table[list({"run_id", "parent_id"}.intersection(table))].isin(run_ids).any(axis=1)


def _files(client: "MlflowClient", sweep: "Run", name: str) -> list[bytes]:
    from mlflow.artifacts import download_artifacts

    address = f"{followed(client.tracking_uri, sweep.info.artifact_uri)}/{_FOLDER}/{name}"
    with TemporaryDirectory() as folder:
        copy = None if address.startswith("file:") else folder  # files of this machine are read where they are
        path = download_artifacts(artifact_uri=address, dst_path=copy, tracking_uri=client.tracking_uri)
        return [file.read_bytes() for file in sorted(Path(path).glob("*.csv"))]


def _parse(files: Sequence[bytes], name: str) -> pd.DataFrame:
    """Read files of one table; each has the metrics that were recorded of its trials."""
    if not files:
        raise ValueError("a table must have a file")
    parts = [_parse_alike(header, list(alike), name) for header, alike in groupby(files, key=_header_of)]
    return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)


def _header_of(content: bytes) -> bytes:
    return content[: content.index(b"\n") + 1]


def _parse_alike(header: bytes, files: Sequence[bytes], name: str) -> pd.DataFrame:
    """Read files of equal columns."""
    given, fixed = set(header.decode().rstrip().split(",")), columns.without_metrics(_TYPES[name])
    if not given.issuperset(fixed) or not all(map(columns.OF_METRIC.fullmatch, given.difference(fixed))):
        raise ValueError("a table must have the columns of this version")
    table = csv.read_csv(  # three times as fast as pandas' own reader
        BytesIO(b"".join([header, *(content[len(header) :] for content in files)])),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types={column: _ARROW_TYPES[_TYPES[name].get(column, "float64")] for column in given},
            null_values=[""],
            strings_can_be_null=True,
        ),
    )
    found: pd.DataFrame = table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    found["started"] = found["started"].astype("int64")
    return found


def _header(table: pd.DataFrame) -> str:
    return table[:0].to_csv(index=False, lineterminator="\n")


def _text(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, header=False, lineterminator="\n")


class TableWriter:
    """Adds trials to a sweep's tables, in two steps: `add` before the trial's run is marked as settled, then `settle`.

    Args:
        client: of the store.
        sweep: the sweep run.
        tables: what the tables hold so far.
        stored: whether they are stored like this already.
    """

    def __init__(self, client: "MlflowClient", sweep: "Run", tables: Tables, *, stored: bool) -> None:
        self._client = client
        self._run_id = sweep.info.run_id
        self._sizes = {name: len(table) for name, table in tables.items()}
        self._counted = sweep.data.tags.get(schema.TAG_TABLES) if stored else None
        last = self._sizes[TRIALS] // CHUNK
        if not stored:
            for number in range(last + 1):
                self._write(number, _chunk(tables, number))
        self._chunk = _chunk(tables, last)
        self.count()

    def add(self, trial: "Run", status: str, strategies: Sequence["Run"] = (), measured: Measured = SCHEMA_1) -> None:
        """Store a trial that is about to be marked with that status of the schema; a later `add` replaces it."""
        trials = columns.frame([trial], columns.trial(measured.metric.name)).assign(status=status)
        self._added = {TRIALS: trials, STRATEGIES: columns.strategy_frame(strategies, trials, measured.names)}
        self._longer = {name: _longer(text, self._added[name], name) for name, text in self._chunk.items()}
        self._write(self._sizes[TRIALS] // CHUNK, self._longer)

    def settle(self) -> None:
        """Count the trial that was added last: its run is marked as settled now."""
        self._sizes = {name: size + len(self._added[name]) for name, size in self._sizes.items()}
        self._chunk = dict.fromkeys(_TYPES, "") if self._sizes[TRIALS] % CHUNK == 0 else self._longer
        self.count()

    def count(self) -> None:
        """Write down the number of rows, unless it is there."""
        count = json.dumps(self._sizes)
        if self._counted != count:
            self._client.set_tag(self._run_id, schema.TAG_TABLES, count)
            self._counted = count

    def _write(self, number: int, chunk: dict[str, str]) -> None:
        for name, text in chunk.items():
            self._client.log_text(self._run_id, text, f"{_FOLDER}/{name}/{number:05d}.csv")


def _longer(text: str, rows: pd.DataFrame, name: str) -> str:
    """Return the text of a file with further rows; where these have other metrics, with theirs too."""
    header = _header(rows)
    if not text or text.startswith(header):
        return (text or header) + _text(rows)
    both = pd.concat([rows[:0], _parse([text.encode()], name), rows], ignore_index=True)
    return _header(both) + _text(both)


def _chunk(tables: Tables, number: int) -> dict[str, str]:
    trials = tables[TRIALS].iloc[number * CHUNK : (number + 1) * CHUNK]
    strategies = tables[STRATEGIES]
    rows = {TRIALS: trials, STRATEGIES: strategies[strategies["parent_id"].isin(trials["run_id"])]}
    return {name: _header(table) + _text(table) for name, table in rows.items()}
