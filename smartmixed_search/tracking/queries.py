"""The questions users ask of MLflow, answered as pandas tables with fixed columns.

Every function takes `sweep` (a name; the latest by default) or `all_sweeps`, and `tracking_uri` (by default that of the
environment, else the SQLite store of the output directory), and raises `TrackingError` if the store cannot be reached,
holds no sweep, or not the one named. None of them ever creates a store.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pandas as pd

from smartmixed_search.config import SMARTMIXED
from smartmixed_search.errors import ConfigError, one_of
from smartmixed_search.ranking import block_rankings, leaderboard
from smartmixed_search.result import CONVERGED_CONFIDENCE, FINISHED
from smartmixed_search.tracking import schema, tables
from smartmixed_search.tracking.confirmations import confirmed_table
from smartmixed_search.tracking.store import open_store, resolve_tracking_uri, store_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from smartmixed_search.comparison import Comparison

STATUS_COLUMNS = [
    "sweep",
    "dataset",
    "status",
    "trials",
    *schema.STATUSES,
    "objective_kind",
    "best_objective",
    "best_architecture",
    "opened",
]
_BEST = {"objective": "best_objective", "architecture": "best_architecture"}
TOP_COLUMNS = {
    "strategy": [
        "dataset",
        "place",
        "strategy",
        "mean_rank",
        "mrr",
        "wins",
        "top3_rate",
        "blocks",
        "trials",
        "draws",
        "test_accuracy",
        "choice_confidence",
        "selection_converged",
    ],
    "architecture": [
        "dataset",
        "architecture",
        "rank",
        "strategy",
        "test_accuracy",
        "val_accuracy",
        "phase_fraction",
        "temperature",
        "choice_confidence",
        "selection_converged",
        "sweep",
        "trial",
    ],
    "trial": [
        "dataset",
        "architecture",
        "objective_kind",
        "objective",
        "smartmixed_rank",
        "smartmixed_test_accuracy",
        "best_fixed",
        "best_fixed_test_accuracy",
        "phase_fraction",
        "temperature",
        "choice_confidence",
        "selection_converged",
        "status",
        "sweep",
        "trial",
    ],
}
"""Columns of `top`, by what it lists."""


def top(
    k: int = 3,
    by: str = "strategy",
    sweep: str | None = None,
    all_sweeps: bool = False,
    tracking_uri: str | None = None,
) -> pd.DataFrame:
    """Return the top k, with the columns `TOP_COLUMNS[by]`; several datasets are listed apart and never mixed.

    Args:
        k: how many; a place that is tied with the k-th strategy is listed too.
        by: `strategy`: the best of the leaderboard (tuned view). `architecture`: for each architecture its best
            strategies. `trial`: the best trials by validation objective, for each kind of objective.
        sweep: name of a sweep.
        all_sweeps: whether to take all sweeps together.
        tracking_uri: the store.

    `selection_converged` says whether SmartMixed's mean choice confidence reaches 0.5; it is empty for the others.

    Raises:
        ConfigError: `by` is unknown, or k is less than 1.
        TrackingError: see the module.
    """
    if by not in TOP_COLUMNS:
        raise ConfigError(one_of("by", by, TOP_COLUMNS))
    if k < 1:
        raise ConfigError(f"k must be at least 1, however: {k!r}")
    with _reading(sweep, all_sweeps, tracking_uri) as (client, found):
        if by == "trial":
            table = _top_trials(client, found, k)
        else:
            rows = tables.strategy_table(client, found)
            table = _top_strategies(rows, k) if by == "strategy" else _top_by_architecture(rows, k)
    table = table[[name for name in TOP_COLUMNS[by] if name in table]].reset_index(drop=True)
    confidence = table["choice_confidence"]
    table["selection_converged"] = (confidence >= CONVERGED_CONFIDENCE).astype("boolean").mask(confidence.isna())
    return table[TOP_COLUMNS[by]]


def compare(
    sweep: str | None = None, all_sweeps: bool = False, view: str = "tuned", tracking_uri: str | None = None
) -> "list[Comparison]":
    """Compare the strategies, with statistics, on each dataset of which a trial has finished.

    In every architecture a strategy is represented by its trial of highest validation accuracy (`tuned`), or by the
    one at the published setting (`default`). Where such trials have been confirmed (`confirm`), it is what the
    confirmation measured that counts.

    Raises:
        ConfigError: the view is unknown.
        TrackingError: see the module.
    """
    from smartmixed_search.comparison import compare_all  # scipy takes half a second to import

    with _reading(sweep, all_sweeps, tracking_uri) as (client, found):
        return compare_all(tables.strategy_table(client, found), view, confirmed_table(client, found))


def status(sweep: str | None = None, all_sweeps: bool = False, tracking_uri: str | None = None) -> pd.DataFrame:
    """Return one row per sweep, the latest first: trials asked for, trials by status, and the best so far."""
    with _reading(sweep, all_sweeps, tracking_uri) as (client, found):
        return pd.concat([_status(client, run) for run in found], ignore_index=True)[STATUS_COLUMNS]


def sweeps(tracking_uri: str | None = None) -> pd.DataFrame:
    """Return one row per sweep, the latest first, with `tables.SWEEP_COLUMNS`."""
    with _reading(None, True, tracking_uri) as (_, found):
        return tables.sweep_table(found)


def trials(sweep: str | None = None, all_sweeps: bool = False, tracking_uri: str | None = None) -> pd.DataFrame:
    """Return one row per trial, in the order they started, with `tables.TRIAL_COLUMNS`."""
    with _reading(sweep, all_sweeps, tracking_uri) as (client, found):
        return tables.trial_table(client, found)


def strategies(sweep: str | None = None, all_sweeps: bool = False, tracking_uri: str | None = None) -> pd.DataFrame:
    """Return one row per strategy or control of every finished trial, with `tables.STRATEGY_TABLE_COLUMNS`.

    `ranking.leaderboard` and `ranking.block_rankings` take the table as it is.
    """
    with _reading(sweep, all_sweeps, tracking_uri) as (client, found):
        return tables.strategy_table(client, found)


@contextmanager
def _reading(
    sweep: str | None, all_sweeps: bool, tracking_uri: str | None
) -> Iterator[tuple["MlflowClient", list["Run"]]]:
    uri = resolve_tracking_uri(tracking_uri)
    client = open_store(uri)
    with store_errors(uri):
        yield client, tables.find_sweeps(client, uri, sweep, all_sweeps)


def _top_strategies(rows: pd.DataFrame, k: int) -> pd.DataFrame:
    chosen = block_rankings(rows)
    board = leaderboard(rows, blocks=chosen)
    confidence = chosen[chosen["strategy"] == SMARTMIXED].groupby("dataset")["choice_confidence"].mean()
    board["choice_confidence"] = board["dataset"].map(confidence).where(board["strategy"] == SMARTMIXED)
    return board[board["place"] <= k]


def _top_by_architecture(rows: pd.DataFrame, k: int) -> pd.DataFrame:
    best = block_rankings(rows)
    best = best[best["rank"] <= k].copy()
    # Neither steers anything but SmartMixed's selection.
    best.loc[best["strategy"] != SMARTMIXED, ["phase_fraction", "temperature"]] = float("nan")
    return best


def _top_trials(client: "MlflowClient", found: list["Run"], k: int) -> pd.DataFrame:
    best = tables.trial_table(client, found, FINISHED)
    order = ["dataset", "objective_kind", "objective", "started"]
    best = best.sort_values(order, ascending=[True, True, False, True])
    return best.groupby(["dataset", "objective_kind"], sort=False).head(k)


def _status(client: "MlflowClient", run: "Run") -> pd.DataFrame:
    found = tables.trial_table(client, [run])
    counts = {name: int((found["status"] == name).sum()) for name in schema.STATUSES}
    best = found[found["status"] == FINISHED].nlargest(1, "objective").reset_index(drop=True)
    best = best.reindex([0])[["objective_kind", "objective", "architecture"]]
    return tables.sweep_table([run]).assign(**counts).join(best.rename(columns=_BEST))
