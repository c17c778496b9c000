"""The runs of sweeps as pandas tables with fixed columns, whatever the store holds."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from smartmixed_search.config import PUBLISHED_PHASE_FRACTION, PUBLISHED_TEMPERATURE, SMARTMIXED
from smartmixed_search.errors import TrackingError, one_of
from smartmixed_search.result import FINISHED
from smartmixed_search.tracking import runs, schema
from smartmixed_search.tracking.store import nothing_recorded

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


@dataclass(frozen=True)
class _Column:
    read: Callable[["Run"], Any]
    dtype: str


def _tag(name: str) -> _Column:
    return _Column(lambda run: run.data.tags.get(name), "str")


def _param(name: str, dtype: str = "str") -> _Column:
    return _Column(lambda run: run.data.params.get(name), dtype)


def _metric(name: str, dtype: str = "float64") -> _Column:
    return _Column(lambda run: run.data.metrics.get(name), dtype)


_COMMON = {
    "sweep": _tag(schema.TAG_SWEEP),
    "dataset": _tag(schema.TAG_DATASET),
    "run_id": _Column(lambda run: run.info.run_id, "str"),
    "started": _Column(lambda run: run.info.start_time, "int64"),
}
_SWEEP = _COMMON | {
    "status": _tag(schema.TAG_STATUS),
    "trials": _metric("trials", "Int64"),
    "opened": _tag(schema.TAG_OPENED),
}
_TRIAL = _COMMON | {
    "trial": _tag(schema.TAG_TRIAL),
    "status": _tag(schema.TAG_STATUS),
    "reason": _tag(schema.TAG_REASON),
    "architecture": _tag(schema.TAG_ARCHITECTURE),
    "phase_fraction": _param("phase_fraction", "float64"),
    "temperature": _param("temperature", "float64"),
    "replicates": _param("replicates", "Int64"),
    "objective_kind": _param("objective"),
    "objective": _metric("objective"),
    "smartmixed_rank": _metric("smartmixed_rank", "Int64"),
    "smartmixed_test_accuracy": _metric("smartmixed_test_accuracy"),
    "best_fixed": _tag(schema.TAG_BEST_FIXED),
    "best_fixed_test_accuracy": _metric("best_fixed_test_accuracy"),
    "choice_confidence": _metric("choice_confidence"),
    "selection_epochs": _metric("selection_epochs", "Int64"),
    "stack_seconds": _metric("stack_seconds"),
}
_STRATEGY = _COMMON | {
    "parent_id": _tag(schema.TAG_PARENT),
    "trial": _tag(schema.TAG_TRIAL),
    "architecture": _tag(schema.TAG_ARCHITECTURE),
    "strategy": _tag(schema.TAG_STRATEGY),
    "role": _tag(schema.TAG_ROLE),
    "phase_fraction": _param("phase_fraction", "float64"),
    "temperature": _param("temperature", "float64"),
    "parameters": _param("parameters", "Int64"),
    "rank": _metric("rank", "Int64"),
    "rank_mean": _metric("rank_mean"),
    "val_rank": _metric("val_rank", "Int64"),
    "val_accuracy": _metric("val_accuracy"),
    "test_accuracy": _metric("test_accuracy"),
    "val_loss": _metric("val_loss"),
    "test_loss": _metric("test_loss"),
    "val_correct": _metric("val_correct"),
    "test_correct": _metric("test_correct"),
    "diverged": _metric("diverged", "Int64"),
}

SWEEP_COLUMNS = list(_SWEEP)
TRIAL_COLUMNS = list(_TRIAL)
STRATEGY_TABLE_COLUMNS = [*_STRATEGY, "replicates", "choice_confidence", "published"]
"""`replicates` and `choice_confidence` (SmartMixed's alone) are the trial's; `published`: so is its setting."""


def _table(found: Sequence["Run"], columns: dict[str, _Column]) -> pd.DataFrame:
    values = {name: [column.read(run) for run in found] for name, column in columns.items()}
    return pd.DataFrame(values, dtype=object).astype({name: column.dtype for name, column in columns.items()})


def find_sweeps(client: "MlflowClient", uri: str, sweep: str | None, all_sweeps: bool) -> list["Run"]:
    """Return the sweep run of that name, the latest by default, or all of them with the latest first.

    Raises:
        TrackingError: there is none, or none of that name.
    """
    if sweep is None:
        found = runs.sweep_runs(client, limit=None if all_sweeps else 1)
        if not found:
            raise nothing_recorded(uri)
        return found
    found = runs.sweep_runs(client, sweep)
    if not found:
        names = dict.fromkeys(run.data.tags[schema.TAG_SWEEP] for run in runs.sweep_runs(client))
        raise TrackingError(one_of("a sweep", sweep, names)) if names else nothing_recorded(uri)
    return found


def sweep_table(sweeps: Sequence["Run"]) -> pd.DataFrame:
    """Return one row per sweep run."""
    return _table(sweeps, _SWEEP)


def trial_table(
    client: "MlflowClient",
    sweeps: Iterable["Run"],
    status: str | None = None,
    order: Sequence[str] = (),
    limit: int | None = None,
) -> pd.DataFrame:
    """Return one row per trial, sweep by sweep: those of a status, in an order, and of each sweep at most `limit`."""
    clauses = [] if status is None else [runs.equals(schema.TAG_STATUS, status)]
    found: list[Run] = []
    for sweep in sweeps:
        parent = runs.equals(schema.TAG_PARENT, sweep.info.run_id)
        found += runs.search(client, [sweep.info.experiment_id], [parent, *clauses], order, limit)
    return _table(found, _TRIAL)


def strategy_table(client: "MlflowClient", sweeps: Sequence["Run"]) -> pd.DataFrame:
    """Return one row per strategy or control of every finished trial; `ranking.leaderboard` takes it as it is.

    A trial that is only half recorded has no rows.
    """
    found: list[Run] = []
    for sweep in sweeps:
        name = runs.equals(schema.TAG_SWEEP, sweep.data.tags[schema.TAG_SWEEP])
        clauses = [name, runs.equals(schema.TAG_KIND, schema.STRATEGY)]
        found += runs.search(client, [sweep.info.experiment_id], clauses)
    trials = trial_table(client, sweeps, FINISHED).set_index("run_id")[["replicates", "choice_confidence"]]
    table = _table(found, _STRATEGY).join(trials, on="parent_id", how="inner")
    table["choice_confidence"] = table["choice_confidence"].where(table["strategy"] == SMARTMIXED)
    table["published"] = (table["phase_fraction"] == PUBLISHED_PHASE_FRACTION) & (
        table["temperature"] == PUBLISHED_TEMPERATURE
    )
    return table.reset_index(drop=True)[STRATEGY_TABLE_COLUMNS]
