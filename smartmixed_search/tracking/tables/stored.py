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
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
from pyarrow import csv

from smartmixed_search.tracking import schema
from smartmixed_search.tracking.store.uris import followed
from smartmixed_search.tracking.tables import columns

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

TRIALS, STRATEGIES = "trials", "strategies"
CHUNK = 100
"""Trials in a file. The last file is written again with every trial, the others never."""

_FOLDER = "tables"
_TYPES = {
    TRIALS: {name: column.dtype for name, column in columns.TRIAL.items()},
    STRATEGIES: {name: column.dtype for name, column in columns.STRATEGY.items()} | columns.OF_TRIAL,
}
_TRIAL_ID = {TRIALS: "run_id", STRATEGIES: "parent_id"}
_ARROW_TYPES = {
    "str": pa.string(),
    "float64": pa.float64(),
    "int64": pa.int64(),
    "Int64": pa.int64(),
    "bool": pa.bool_(),
}
_HEADERS = {name: ",".join(types) + "\n" for name, types in _TYPES.items()}

Tables = dict[str, pd.DataFrame]
"""`trials` with the columns `columns.TRIAL`; `strategies` with `columns.STRATEGY` and `columns.OF_TRIAL`."""


def read(client: "MlflowClient", sweep: "Run", name: str) -> pd.DataFrame | None:
    """Return a table of a sweep as it is stored; None if it is not, or not completely."""
    if schema.TAG_TABLES not in sweep.data.tags:
        return None
    try:
        count = json.loads(sweep.data.tags[schema.TAG_TABLES])[name]
        table = _parse(_files(client, sweep, name), name)
        uncounted = table[_TRIAL_ID[name]][count:].drop_duplicates()
        left = [run_id for run_id in uncounted if client.get_run(run_id).data.tags[schema.TAG_STATUS] == schema.RUNNING]
    except Exception:  # whatever the stores of artifacts and of runs may raise: the runs hold the same
        return None
    if len(table) < count:
        return None
    return table[~table[_TRIAL_ID[name]].isin(left)] if left else table


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
    header = _HEADERS[name].encode()
    if not files or not all(content.startswith(header) for content in files):
        raise ValueError("a table must have the columns of this version")
    table = csv.read_csv(  # three times as fast as pandas' own reader
        BytesIO(b"".join([header, *(content[len(header) :] for content in files)])),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types={column: _ARROW_TYPES[dtype] for column, dtype in _TYPES[name].items()},
            null_values=[""],
            strings_can_be_null=True,
        ),
    )
    found: pd.DataFrame = table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    found["started"] = found["started"].astype("int64")
    return found


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

    def add(self, trial: "Run", status: str, strategies: Sequence["Run"] = ()) -> None:
        """Store a trial that is about to be marked with that status of the schema; a later `add` replaces it."""
        trials = columns.frame([trial], columns.TRIAL).assign(status=status)
        self._added = {TRIALS: trials, STRATEGIES: columns.strategy_frame(strategies, trials)}
        self._longer = {name: text + _text(self._added[name]) for name, text in self._chunk.items()}
        self._write(self._sizes[TRIALS] // CHUNK, self._longer)

    def settle(self) -> None:
        """Count the trial that was added last: its run is marked as settled now."""
        self._sizes = {name: size + len(self._added[name]) for name, size in self._sizes.items()}
        self._chunk = dict(_HEADERS) if self._sizes[TRIALS] % CHUNK == 0 else self._longer
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


def _chunk(tables: Tables, number: int) -> dict[str, str]:
    trials = tables[TRIALS].iloc[number * CHUNK : (number + 1) * CHUNK]
    strategies = tables[STRATEGIES]
    rows = {TRIALS: trials, STRATEGIES: strategies[strategies["parent_id"].isin(trials["run_id"])]}
    return {name: header + _text(rows[name]) for name, header in _HEADERS.items()}
