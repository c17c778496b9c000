"""The questions users ask of MLflow, answered as pandas tables with fixed columns.

Every function takes `sweep` (a name; the latest by default) or `all_sweeps`, and `tracking_uri` (by default that of the
environment, else the SQLite store of the output directory), and raises `TrackingError` if the store cannot be reached,
holds no sweep, or not the one named. None of them ever creates a store. `dataset`, where it can be given, narrows these
sweeps: to the latest, or all, on the dataset of that name or of that `.npz` file.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pandas as pd

from smartmixed_search.analysis.scale import Scale
from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import one_of
from smartmixed_search.tracking import schema
from smartmixed_search.tracking.questions.confirmations import confirmed_table
from smartmixed_search.tracking.questions.filters import Filters
from smartmixed_search.tracking.questions.top import (
    LISTS,
    each_by_its_metric,
    measured_by,
    top_by_architecture,
    top_strategies,
    top_trials,
)
from smartmixed_search.tracking.store.store import open_store, resolve_tracking_uri, store_errors
from smartmixed_search.tracking.tables import tables
from smartmixed_search.tracking.tables.measured import Data, Measured, asked_for, data_of
from smartmixed_search.trials.records import FINISHED

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from smartmixed_search.analysis.comparison import Comparisons

STATUS_COLUMNS = [
    "sweep",
    "dataset",
    "checksum",
    "status",
    "trials",
    *schema.STATUSES,
    *tables.RANKED_BY,
    "objective_kind",
    "best_objective",
    "best_architecture",
    "opened",
]
_BEST = {"objective": "best_objective", "architecture": "best_architecture"}


def top(
    k: int = 3,
    by: str = "strategy",
    sweep: str | None = None,
    all_sweeps: bool = False,
    tracking_uri: str | None = None,
    *,
    dataset: str | None = None,
    min_depth: int | None = None,
    max_params: int | None = None,
    where: str | None = None,
    metric: str | None = None,
) -> pd.DataFrame:
    """Return the top k, with the columns `top_columns`; several datasets are listed apart and never mixed.

    With filters the answer is as if only the runs that match all of them had been recorded: ranks inside an
    architecture, too, are those among them.

    Args:
        k: how many, at least 1; a place that is tied with the k-th strategy is listed too, and SmartMixed's, whatever
            it is.
        by: `strategy`: the best of the leaderboard (tuned view). `architecture`: for each architecture its best
            strategies. `trial`: the best trials by validation objective, for each kind of objective.
        sweep: name of the sweep; the latest by default.
        all_sweeps: whether to take all sweeps together.
        tracking_uri: MLflow's store; default: `MLFLOW_TRACKING_URI`, else the SQLite store of the output directory.
        dataset: name of a dataset: its latest sweep, or all of its sweeps.
        min_depth: least number of hidden layers.
        max_params: largest number of parameters of a strategy's network, or, by trial, of SmartMixed's.
        where: a filter in MLflow's syntax that the runs of strategies must meet, or, by trial, those of trials, such
            as `metrics.val_accuracy > 0.97 AND params.depth = '3'`. One on a test metric selects by it: the figures of
            what is left are no fair estimate.
        metric: name of a recorded metric to rank by; by default each dataset's own, by which its latest sweep ranks.
            Sweeps that have not recorded it are left out.

    `phase_fraction` and `temperature` are those that got SmartMixed there (by strategy: the median over its
    architectures), and empty for the others. `selection_converged` says whether SmartMixed's mean choice confidence
    reaches 0.5, and by strategy `unconverged` in how many architectures it does not; both are empty for the others.
    `missing` counts the architectures in which a network of the strategy has no value of the test metric: there it
    ranks last, and they are in no mean.

    Raises:
        ConfigError: `by` or the metric is unknown, a number is less than 1, or `where` is not valid.
        TrackingError: the store cannot be reached, or there is no such sweep, or none on the dataset.
    """
    if by not in LISTS:
        raise ConfigError(one_of("by", by, LISTS))
    if k < 1:
        raise ConfigError(f"k must be at least 1, but got {k!r}")
    filters = Filters(min_depth=min_depth, max_params=max_params, where=where)
    with reading(sweep, all_sweeps, tracking_uri, dataset) as (client, found):
        found, scales = asked_for(found, metric)
        if by == "trial":
            rows = _by_metric(filters.trials(client, found), client, found, scales)
            return each_by_its_metric(rows, scales, by, lambda of_one, metric: top_trials(of_one, k, metric))
        pick = top_strategies if by == "strategy" else top_by_architecture
        rows = filters.strategies(client, found)
        return each_by_its_metric(rows, scales, by, lambda of_one, metric: pick(of_one, k, metric))


def _by_metric(
    trials: pd.DataFrame, client: "MlflowClient", sweeps: list["Run"], scales: Mapping[Data, Scale]
) -> pd.DataFrame:
    """Return trials with the outcome by their dataset's metric; where another ranks, from their strategies."""
    others = [run for run in sweeps if Measured.of(run).metric.name != scales[data_of(run)].metric.name]
    if not others:
        return trials
    parts = [trials[~trials["sweep"].isin(run.data.tags[schema.TAG_SWEEP] for run in others)]]
    for run in others:
        own = trials[trials["sweep"] == run.data.tags[schema.TAG_SWEEP]]
        networks = tables.strategy_table(client, [run])
        networks = networks[networks["parent_id"].isin(own["run_id"])]
        parts.append(measured_by(own, networks, scales[data_of(run)].metric))
    return pd.concat(parts, ignore_index=True)


def compare(
    sweep: str | None = None,
    all_sweeps: bool = False,
    view: str = "tuned",
    tracking_uri: str | None = None,
    *,
    metric: str | None = None,
) -> "Comparisons":
    """Return a `Comparison` of the strategies, with statistics, for each dataset on which a trial has finished.

    In every architecture a strategy is represented by its trial of best validation metric (`tuned`), or by the one at
    the published setting (`default`). Where such trials have been confirmed (`confirm_sweep`), what the
    confirmation measured counts.

    Args:
        sweep: name of the sweep; the latest by default.
        all_sweeps: whether to take all sweeps together.
        view: `tuned` or `default`.
        tracking_uri: MLflow's store; default: `MLFLOW_TRACKING_URI`, else the SQLite store of the output directory.
        metric: name of a recorded metric to compare by, as in `top`.

    Raises:
        ConfigError: the view or the metric is unknown.
        TrackingError: the store cannot be reached, or there is no such sweep.
    """
    from smartmixed_search.analysis.comparison import compare_all  # scipy takes half a second to import

    with reading(sweep, all_sweeps, tracking_uri) as (client, found):
        found, scales = asked_for(found, metric)
        rows, joint = tables.strategy_table(client, found), tables.joint_datasets(found)
        return compare_all(rows, view, confirmed_table(client, found), joint, scales)


def status(
    sweep: str | None = None, all_sweeps: bool = False, tracking_uri: str | None = None, dataset: str | None = None
) -> pd.DataFrame:
    """Return how far sweeps are, a row for each, the latest first: trials by status, and the best objective so far.

    The columns are `STATUS_COLUMNS`: `trials` were asked for, `finished`, `failed`, `stopped` and `running` are counts.

    Args:
        sweep: name of the sweep; the latest by default.
        all_sweeps: whether to take all sweeps together.
        tracking_uri: MLflow's store; default: `MLFLOW_TRACKING_URI`, else the SQLite store of the output directory.
        dataset: name of a dataset, or path of an `.npz` file: its latest sweep, or all of its sweeps.

    Raises:
        TrackingError: the store cannot be reached, or there is no such sweep, or none on the dataset.
    """
    with reading(sweep, all_sweeps, tracking_uri, dataset) as (client, found):
        return pd.concat([_status(client, run) for run in found], ignore_index=True)[STATUS_COLUMNS]


def sweeps(tracking_uri: str | None = None) -> pd.DataFrame:
    """Return all sweeps of a store, a row for each, the latest first, with `tables.SWEEP_COLUMNS`.

    Args:
        tracking_uri: MLflow's store; default: `MLFLOW_TRACKING_URI`, else the SQLite store of the output directory.

    Raises:
        TrackingError: the store cannot be reached, or holds no sweep.
    """
    with reading(None, True, tracking_uri) as (_, found):
        return tables.sweep_table(found)


def trials(sweep: str | None = None, all_sweeps: bool = False, tracking_uri: str | None = None) -> pd.DataFrame:
    """Return the trials of a sweep, a row for each, in the order they started, with `tables.trial_columns`.

    `response`, `importance`, `plot_tuning` and `plot_parallel` take the table as it is.

    Args:
        sweep: name of the sweep; the latest by default.
        all_sweeps: whether to take all sweeps together.
        tracking_uri: MLflow's store; default: `MLFLOW_TRACKING_URI`, else the SQLite store of the output directory.

    Raises:
        TrackingError: the store cannot be reached, or there is no such sweep.
    """
    with reading(sweep, all_sweeps, tracking_uri) as (client, found):
        return tables.trial_table(client, found)


def strategies(sweep: str | None = None, all_sweeps: bool = False, tracking_uri: str | None = None) -> pd.DataFrame:
    """Return the strategies and controls of a sweep's finished trials, a row for each in each trial.

    The columns are `tables.strategy_columns`: of every recorded metric the means over the replicates, in its own unit;
    accuracies and other shares are fractions.
    `leaderboard`, `block_rankings` and `compare_strategies` take the table as it is.

    Args:
        sweep: name of the sweep; the latest by default.
        all_sweeps: whether to take all sweeps together.
        tracking_uri: MLflow's store; default: `MLFLOW_TRACKING_URI`, else the SQLite store of the output directory.

    Raises:
        TrackingError: the store cannot be reached, or there is no such sweep.
    """
    with reading(sweep, all_sweeps, tracking_uri) as (client, found):
        return tables.strategy_table(client, found)


@contextmanager
def reading(
    sweep: str | None, all_sweeps: bool, tracking_uri: str | None, dataset: str | None = None
) -> Iterator[tuple["MlflowClient", list["Run"]]]:
    """Open the store and find the sweeps that a question is about."""
    uri = resolve_tracking_uri(tracking_uri)
    client = open_store(uri)
    with store_errors(uri):
        yield client, tables.find_sweeps(client, uri, sweep, all_sweeps, dataset)


def _status(client: "MlflowClient", run: "Run") -> pd.DataFrame:
    found = tables.trial_table(client, [run])
    counts = {name: int((found["status"] == name).sum()) for name in schema.STATUSES}
    best = found[found["status"] == FINISHED].nlargest(1, "objective").reset_index(drop=True)
    best = best.reindex([0])[["objective_kind", "objective", "architecture"]]
    told = counts | tables.ranked_by(Measured.of(run).metric)
    return tables.sweep_table([run]).assign(**told).join(best.rename(columns=_BEST))
