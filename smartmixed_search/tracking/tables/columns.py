"""The columns that tables of runs have, each with where in a run its values are."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from smartmixed_search.analysis.identity import DATASET
from smartmixed_search.tracking import schema
from smartmixed_search.trials.config import SMARTMIXED
from smartmixed_search.trials.settings import PUBLISHED_SETTING

if TYPE_CHECKING:
    from mlflow.entities import Run


@dataclass(frozen=True)
class Column:
    """One column: how a run is read, and the type of the values; what a run lacks, or has empty, is missing."""

    read: Callable[["Run"], Any]
    dtype: str


def _tag(name: str) -> Column:
    return Column(lambda run: run.data.tags.get(name) or None, "str")


def _param(name: str, dtype: str = "str") -> Column:
    return Column(lambda run: run.data.params.get(name), dtype)


def _metric(name: str, dtype: str = "float64") -> Column:
    return Column(lambda run: run.data.metrics.get(name), dtype)


def checksum(sweep: "Run") -> str:
    """Return the checksum of a sweep's data; empty where neither a tag nor the run's input holds one."""
    given = sweep.inputs.dataset_inputs if sweep.inputs else []
    return sweep.data.tags.get(schema.TAG_CHECKSUM) or next((str(one.dataset.digest) for one in given), "")


def replicates(trial: "Run") -> int | None:
    """Return how many networks a trial has of every strategy: seeds, folds and repeats together."""
    given = trial.data.params
    if "replicates" not in given:
        return None
    folds = given.get("folds", "none")
    return int(given["replicates"]) * (1 if folds == "none" else int(folds)) * int(given.get("repeats", 1))


_COMMON = {
    "sweep": _tag(schema.TAG_SWEEP),
    "dataset": _tag(schema.TAG_DATASET),
    "run_id": Column(lambda run: run.info.run_id, "str"),
    "started": Column(lambda run: run.info.start_time, "int64"),
}
SWEEP = _COMMON | {
    "status": _tag(schema.TAG_STATUS),
    "trials": _metric("trials", "Int64"),
    "opened": _tag(schema.TAG_OPENED),
}
TRIAL = _COMMON | {
    "trial": _tag(schema.TAG_TRIAL),
    "status": _tag(schema.TAG_STATUS),
    "reason": _tag(schema.TAG_REASON),
    "architecture": _tag(schema.TAG_ARCHITECTURE),
    "phase_fraction": _param("phase_fraction", "float64"),
    "temperature": _param("temperature", "float64"),
    "replicates": Column(replicates, "Int64"),
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
STRATEGY = _COMMON | {
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
    "test_accuracy_std": _metric("test_accuracy_std"),
    "test_accuracy_at_handoff": _metric("test_accuracy_at_handoff"),
    "phase1_test_accuracy_argmax": _metric("phase1_test_accuracy_argmax"),
    "phase1_test_accuracy_sampled": _metric("phase1_test_accuracy_sampled"),
    "val_loss": _metric("val_loss"),
    "test_loss": _metric("test_loss"),
    "val_correct": _metric("val_correct"),
    "test_correct": _metric("test_correct"),
    "epochs": _metric("epochs"),
    "optimizer_steps": _metric("optimizer_steps"),
    "diverged": _metric("diverged", "Int64"),
}

OF_TRIAL = {"replicates": "Int64", "choice_confidence": "float64", "published": "bool"}
"""What a strategy's row has from its trial: `choice_confidence` is only SmartMixed's, `published` its setting's."""


def frame(found: Sequence["Run"], columns: Mapping[str, Column]) -> pd.DataFrame:
    """Return one row per run."""
    values = {name: [column.read(run) for run in found] for name, column in columns.items()}
    return pd.DataFrame(values, dtype=object).astype({name: column.dtype for name, column in columns.items()})


def with_checksum(rows: pd.DataFrame, sweep: "Run") -> pd.DataFrame:
    """Return rows of a sweep, or of its trials, with the column `checksum`, which stored tables need not repeat."""
    wider = rows.copy(deep=False)
    wider.insert(list(rows).index("dataset") + 1, "checksum", pd.Series(checksum(sweep), rows.index, dtype="str"))
    return wider


def named(columns: Iterable[str]) -> list[str]:
    """Return the names of a table's columns, given those that `frame` fills."""
    return [name for column in columns for name in (DATASET if column == "dataset" else [column])]


def strategy_frame(found: Sequence["Run"], trials: pd.DataFrame) -> pd.DataFrame:
    """Return one row per strategy run of the given trials, with the columns `STRATEGY` and `OF_TRIAL`."""
    rows = frame(found, STRATEGY)
    rows = rows[rows["parent_id"].isin(trials["run_id"])].reset_index(drop=True)
    parents = trials.set_index("run_id").loc[rows["parent_id"]].reset_index()
    return rows.assign(
        replicates=parents["replicates"],
        choice_confidence=parents["choice_confidence"].where(rows["strategy"] == SMARTMIXED),
        published=(rows[list(PUBLISHED_SETTING)] == pd.Series(PUBLISHED_SETTING)).all(axis="columns"),
    )
