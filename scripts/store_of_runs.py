"""A store of many runs, for benchmarks: ten trials recorded as always, the others copied within SQLite."""

import random
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from smartmixed_search.datasets import load_dataset
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.tracking.schema import TAG_TABLES
from smartmixed_search.tracking.store.store import prepare_store
from smartmixed_search.tracking.writing.writer import Tracker
from smartmixed_search.trials.config import TrialConfig

TABLES = ("runs", "tags", "params", "metrics", "latest_metrics")
ARCHITECTURES = 60
RECORDED = 10
EXAMPLES = 2000

Run = dict[str, list[dict[str, Any]]]
"""By table, the rows of one run."""


def make_store(folder: Path, trials: int) -> tuple[str, float]:
    """Make a store of one sweep; return its address and the seconds that recording one trial took."""
    uri = f"sqlite:///{folder}/mlflow.db"
    prepare_store(uri)
    config = TrialConfig(dataset="digits", architecture=(8, 4), epochs=3)
    result = run_trial(config, load_dataset("digits"), weights_path=folder / "weights.safetensors")
    tracker = _open(uri)
    start = time.perf_counter()
    for seed in range(RECORDED):
        one = replace(config, seed=seed)
        tracker.record_trial(replace(result, config=one, key=one.key))
    seconds = (time.perf_counter() - start) / RECORDED
    with sqlite3.connect(folder / "mlflow.db") as database:
        _multiply(database, trials - RECORDED)
        database.execute("DELETE FROM tags WHERE key = ?", (TAG_TABLES,))  # whoever opens the sweep stores them again
    database.close()
    tracker = _open(uri)
    if len(tracker.recorded()) != trials:
        raise RuntimeError(f"the sweep's tables must hold {trials} trials, but holds {len(tracker.recorded())}")
    tracker.close_sweep("finished", {})
    return uri, seconds


def _open(uri: str) -> Tracker:
    tracker = Tracker(uri, sweep="bench", dataset="digits")
    space = SearchSpace.from_dict({"dataset": "digits", "architecture": {"choices": ["8-4"]}}, name="bench")
    tracker.open_sweep(key="bench", space=space.to_dict(), seed=0, environment={})
    return tracker


def _multiply(database: sqlite3.Connection, copies: int) -> None:
    """Copy a recorded trial, with other figures each time."""
    kind = "SELECT run_uuid FROM tags WHERE key = 'smartmixed.kind' AND value = ?"
    trial = database.execute(kind, ("trial",)).fetchone()[0]
    children = "SELECT run_uuid FROM tags WHERE key = 'mlflow.parentRunId' AND value = ?"
    ids = [trial, *(row[0] for row in database.execute(children, (trial,)))]
    originals = {run_id: _rows_of(database, run_id) for run_id in ids}
    rng = random.Random(0)
    for number in range(copies):
        renamed = {run_id: UUID(int=rng.getrandbits(128)).hex for run_id in ids}
        for run_id, run in originals.items():
            for table, row in _changed(run, number, renamed, run_id, trial, rng):
                places = ",".join("?" * len(row))
                database.execute(f"INSERT INTO {table} ({','.join(row)}) VALUES ({places})", tuple(row.values()))


def _rows_of(database: sqlite3.Connection, run_id: str) -> Run:
    found: Run = {}
    for table in TABLES:
        cursor = database.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", (run_id,))
        names = [column[0] for column in cursor.description]
        found[table] = [dict(zip(names, row, strict=True)) for row in cursor]
    return found


def _changed(
    run: Run, number: int, renamed: dict[str, str], run_id: str, trial: str, rng: random.Random
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows of a copy."""
    key, architecture = f"{number + 1:016x}", f"{8 * (1 + number % ARCHITECTURES)}-4"
    tags = {"smartmixed.trial": key, "smartmixed.architecture": architecture, "mlflow.parentRunId": renamed[trial]}
    params = {"architecture": architecture, "phase_fraction": f"{rng.uniform(0.05, 0.5):.4f}"}
    metrics: dict[str, float] = {"objective": rng.uniform(-0.05, 0.05)}
    for split in ("val", "test"):
        correct = rng.randrange(EXAMPLES)
        metrics |= {f"{split}_correct": correct, f"{split}_accuracy": correct / EXAMPLES}
    others: dict[str, Mapping[str, object]] = {
        "tags": tags,
        "params": params,
        "metrics": metrics,
        "latest_metrics": metrics,
    }
    for table, rows in run.items():
        for row in rows:
            copy = row | {"run_uuid": renamed[run_id]}
            if table == "runs":
                copy["artifact_uri"] = row["artifact_uri"].replace(run_id, renamed[run_id])
                copy["start_time"] += 10 * number
            elif row["key"] in others[table] and not (row["key"] == "mlflow.parentRunId" and run_id == trial):
                copy["value"] = others[table][row["key"]]
            elif table == "tags" and row["key"] == "smartmixed.key":
                copy["value"] = f"{row['value']}{number}"
            yield table, copy
