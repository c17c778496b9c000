"""The columns that tables of runs have, each with where in a run its values are."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from smartmixed_search.analysis.identity import DATASET
from smartmixed_search.tasks.metric import ACCURACY
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
_TRIAL = _COMMON | {
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
}
_OF_SELECTION = {
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
}
_LOSSES = {name: _metric(name) for name in ("val_loss", "test_loss")}
_COUNTS = {name: _metric(name) for name in ("val_correct", "test_correct")}
_OF_TRAINING = {
    "epochs": _metric("epochs"),
    "optimizer_steps": _metric("optimizer_steps"),
    "diverged": _metric("diverged", "Int64"),
}
_FIGURES = ("val_{}", "test_{}", "test_{}_std")
"""What a strategy's run has of every metric."""
_LACKING = ("val_{}_lacking", "test_{}_lacking")
"""What it has of every metric but accuracy, which every network has: how many replicates lack a value, if any do."""
_OF_RANKING = ("test_{}_at_handoff", "phase1_test_{}_argmax", "phase1_test_{}_sampled")
"""What it has of the one that ranks beside that."""
OF_METRIC = re.compile(r"(val|test|phase1_test|smartmixed_test|best_fixed_test)_\w+")
"""Names of columns that a table has or has not, as its sweep's metrics are; all of floating-point numbers."""


def trial(metric: str = ACCURACY.name) -> dict[str, Column]:
    """Return the columns of a table of trials whose networks are ranked by that metric."""
    own, rival = f"smartmixed_test_{metric}", f"best_fixed_test_{metric}"
    outcome = {own: _metric(own), "best_fixed": _tag(schema.TAG_BEST_FIXED), rival: _metric(rival)}
    return _TRIAL | outcome | _OF_SELECTION


def strategy(metrics: Sequence[str] = (ACCURACY.name,)) -> dict[str, Column]:
    """Return the columns of a table of strategies with those metrics, the one that ranks first, beside their losses."""
    named = [figure.format(metrics[0]) for figure in (*_FIGURES, *_OF_RANKING)]
    named += [figure.format(metric) for metric in metrics[1:] for figure in _FIGURES]
    named += [figure.format(metric) for metric in metrics if metric != ACCURACY.name for figure in _LACKING]
    figures = {name: _metric(name) for name in named} | _LOSSES
    return _STRATEGY | figures | (_COUNTS if ACCURACY.name in metrics else {}) | _OF_TRAINING


OF_TRIAL = {"replicates": "Int64", "choice_confidence": "float64", "published": "bool"}
"""What a strategy's row has from its trial: `choice_confidence` is only SmartMixed's, `published` its setting's."""


def without_metrics(names: Iterable[str]) -> set[str]:
    """Return those names of columns that every table has."""
    return {name for name in names if name in _LOSSES or not OF_METRIC.fullmatch(name)}


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


def strategy_frame(
    found: Sequence["Run"], trials: pd.DataFrame, metrics: Sequence[str] = (ACCURACY.name,)
) -> pd.DataFrame:
    """Return one row per strategy run of the given trials, with the columns `strategy` and `OF_TRIAL`."""
    rows = frame(found, strategy(metrics))
    rows = rows[rows["parent_id"].isin(trials["run_id"])].reset_index(drop=True)
    parents = trials.set_index("run_id").loc[rows["parent_id"]].reset_index()
    return rows.assign(
        replicates=parents["replicates"],
        choice_confidence=parents["choice_confidence"].where(rows["strategy"] == SMARTMIXED),
        published=(rows[list(PUBLISHED_SETTING)] == pd.Series(PUBLISHED_SETTING)).all(axis="columns"),
    )
