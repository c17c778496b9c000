"""Differences over the splits of the data, folds or repeats, as MLflow holds them: tested as what they are."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from smartmixed_search.tasks.metric import Metric
from smartmixed_search.tracking import schema
from smartmixed_search.tracking.runs import runs
from smartmixed_search.tracking.store.store import open_store, resolve_tracking_uri, store_errors
from smartmixed_search.tracking.tables import tables
from smartmixed_search.tracking.tables.measured import asked_for
from smartmixed_search.trials.records import FINISHED, RANKED

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

SPLIT_COLUMNS = ["architecture", "rival", "splits", "mean", "low", "high", "p", "p_holm", "reason", "trial"]


@dataclass(frozen=True)
class Splits:
    """How often the data of a sweep are split."""

    folds: int | None
    count: int

    @classmethod
    def of(cls, params: Mapping[str, str]) -> Self:
        """Return what the parameters of a sweep's or a trial's run say; of runs from before there were folds, once."""
        said = params.get("folds", "none")
        folds = None if said == "none" else int(said)
        return cls(folds, (folds or 1) * int(params.get("repeats", 1)))

    def interval(self, differences: "pd.Series[float]") -> dict[str, Any]:
        """Return the `mean` of differences by replicate, its 95 % interval `low` … `high`, and more that is known.

        Over several splits it is corrected for what their training parts share; seeds on one split are resampled.
        """
        # scipy takes half a second to import
        from smartmixed_search.analysis.resampling import corrected_test, over_splits
        from smartmixed_search.analysis.statistics import mean_intervals

        if self.count > 1:
            return corrected_test(over_splits(differences, self.count), self.folds)
        return dict(mean_intervals(differences.rename("difference").to_frame(), "name").iloc[0])


def by_replicate(strategy: "Run", column: str) -> "pd.Series[float]":
    """Return the values of a strategy's networks, by the number of the replicate."""
    found = {re.fullmatch(rf"{column}_r(\d+)", name): value for name, value in strategy.data.metrics.items()}
    return pd.Series({int(match[1]): value for match, value in found.items() if match}, dtype="float64")


def split_differences(
    sweep: str | None = None, tracking_uri: str | None = None, metric: str | None = None
) -> pd.DataFrame:
    """Return how much SmartMixed is better than each rival over the splits of the data, with the corrected test.

    One row per architecture and rival, in the architecture's best trial by validation; none if the data are split but
    once. The columns are `SPLIT_COLUMNS`: `mean` and its 95 % interval `low` … `high` in the metric's unit, positive
    where SmartMixed is better; `p` by the corrected resampled t-test, `p_holm` after Holm over the rivals.

    Args:
        sweep: name of the sweep; the latest by default.
        tracking_uri: MLflow's store; default: `MLFLOW_TRACKING_URI`, else the SQLite store of the output directory.
        metric: name of a recorded metric; by default the one that ranks.

    Raises:
        ConfigError: the metric was not recorded.
        TrackingError: the store cannot be reached, or there is no such sweep.
    """
    uri = resolve_tracking_uri(tracking_uri)
    client = open_store(uri)
    with store_errors(uri):
        found, scales = asked_for(tables.find_sweeps(client, uri, sweep, False), metric)
        (run,), (scale,) = found, scales.values()
        splits = Splits.of(run.data.params)
        if splits.count == 1:
            return pd.DataFrame(columns=SPLIT_COLUMNS)
        trials = tables.trial_table(client, [run], FINISHED).sort_values("objective", ascending=False, kind="stable")
        best = trials.drop_duplicates("architecture")["run_id"]
        rows = [_of_trial(client, trial, splits, scale.metric) for trial in best]
    return pd.concat([pd.DataFrame(columns=SPLIT_COLUMNS), *rows])[SPLIT_COLUMNS].reset_index(drop=True)


def _of_trial(client: "MlflowClient", run_id: str, splits: Splits, metric: Metric) -> pd.DataFrame:
    from smartmixed_search.analysis.resampling import against_rivals

    trial = client.get_run(run_id)
    children = runs.search(client, [trial.info.experiment_id], [runs.equals(schema.TAG_PARENT, run_id)])
    ranked = [one for one in children if one.data.tags[schema.TAG_ROLE] == RANKED]
    values = {one.data.tags[schema.TAG_STRATEGY]: by_replicate(one, metric.test) for one in ranked}
    table = against_rivals(pd.DataFrame(dict(sorted(values.items()))), splits.folds, splits.count, metric)
    tags = trial.data.tags
    return table.assign(architecture=tags[schema.TAG_ARCHITECTURE], trial=tags[schema.TAG_TRIAL])
