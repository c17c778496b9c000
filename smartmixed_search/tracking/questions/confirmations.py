"""Confirmations as MLflow holds them: which trials are worth one, and what it measured."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from smartmixed_search.analysis.identity import DATASET
from smartmixed_search.errors import TrackingError
from smartmixed_search.system.plugins import require_plugins
from smartmixed_search.tasks.metric import ACCURACY, Metric
from smartmixed_search.tracking import schema
from smartmixed_search.tracking.questions.splits import Splits, by_replicate
from smartmixed_search.tracking.runs import runs
from smartmixed_search.tracking.store.store import open_store, resolve_tracking_uri, store_errors
from smartmixed_search.tracking.tables import columns, tables
from smartmixed_search.tracking.tables.measured import Measured
from smartmixed_search.trials.config import SMARTMIXED, TrialConfig
from smartmixed_search.trials.records import FINISHED

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def confirmation_columns(metric: Metric = ACCURACY) -> list[str]:
    """Return the columns of `confirmations`."""
    return [
        *[*DATASET, "architecture", "phase_fraction", "temperature"],
        *["objective_kind", "objective", "confirmed_objective", "replicates"],
        *["smartmixed_rank", f"smartmixed_{metric.test}", "best_fixed", f"best_fixed_{metric.test}"],
        *["margin", "low", "high", "trial", "confirmation", *tables.RANKED_BY],
    ]


@dataclass(frozen=True, kw_only=True)
class SweepToConfirm:
    """A sweep as MLflow holds it, and its best trials."""

    name: str
    space: Mapping[str, Any]
    """The resolved space."""
    dataset: Mapping[str, str]
    """The dataset's `name` and `checksum`."""
    best: Sequence[TrialConfig]
    """The best finished trials by validation objective, best first."""


def sweep_to_confirm(sweep: str | None, k: int, tracking_uri: str) -> SweepToConfirm:
    """Read a sweep, the latest by default, and its k best finished trials.

    Raises:
        TrackingError: there is no such store or sweep, or none of its trials has finished.
        ConfigError: a plugin that it names has not been imported.
    """
    client = open_store(tracking_uri)
    with store_errors(tracking_uri):
        (run,) = tables.find_sweeps(client, tracking_uri, sweep, False)
        name = run.data.tags[schema.TAG_SWEEP]
        best = tables.best_trials(tables.trial_table(client, [run]), k)
        if best.empty:
            raise TrackingError(
                f"sweep {name!r} has no finished trial to confirm; `smartmixed-search status` shows its trials"
            )
        resolved = runs.read_json(client, run.info.artifact_uri, "resolved.json")
        addresses = [client.get_run(run_id).info.artifact_uri for run_id in best["run_id"]]
        configs = [runs.read_json(client, address, "config.json") for address in addresses]
    for record in (resolved["space"], *configs):
        require_plugins(record["plugins"])
    return SweepToConfirm(
        name=name,
        space=resolved["space"],
        dataset=resolved["dataset"],
        best=[TrialConfig.from_dict(config) for config in configs],
    )


def confirmed_table(client: "MlflowClient", sweeps: Sequence["Run"]) -> pd.DataFrame:
    """Return the strategies of the sweeps' confirmations, as `tables.strategy_table` does, with `confirms`.

    `confirms` is the key of the trial that was confirmed, and the data are those of its sweep. What was trained again
    under another name counts once.
    """
    found = _confirmations(client, sweeps)
    keys = {trial.info.run_id: trial.data.tags[schema.TAG_CONFIRMS_TRIAL] for trial in _trials(client, found)}
    rows = tables.strategy_table(client, found) if found else pd.DataFrame(columns=tables.strategy_columns())
    data = {run.data.tags[schema.TAG_SWEEP]: columns.checksum(run) for run in sweeps}
    data = {run.data.tags[schema.TAG_SWEEP]: data[run.data.tags[schema.TAG_CONFIRMS]] for run in found}
    rows = rows.assign(
        confirms=rows["parent_id"].map(keys).astype("str"), checksum=rows["sweep"].map(data).astype("str")
    )
    return rows.drop_duplicates([*DATASET, "confirms", "trial", "strategy"], ignore_index=True)


def confirmations(sweep: str | None = None, tracking_uri: str | None = None) -> pd.DataFrame:
    """Return what training the best trials of a sweep again on fresh seeds has shown, a row per trial, the best first.

    The columns are `confirmation_columns` of the metric that ranks; accuracies and their margins are fractions.

    `objective` is what the sweep chose the trial for, `confirmed_objective` the same on fresh seeds; `margin` is
    SmartMixed's gain in the test metric over the best fixed strategy (chosen by validation), the mean over the fresh
    replicates, `low` … `high` its 95 % bootstrap interval, NaN for fewer than six; of several splits of the data the
    interval of the corrected resampled t-test, NaN for fewer than three.

    Args:
        sweep: name of the sweep; the latest by default.
        tracking_uri: MLflow's store; default: `MLFLOW_TRACKING_URI`, else the SQLite store of the output directory.

    Raises:
        TrackingError: the store cannot be reached, or there is no such sweep.
    """
    uri = resolve_tracking_uri(tracking_uri)
    client = open_store(uri)
    with store_errors(uri):
        return confirmation_table(client, tables.find_sweeps(client, uri, sweep, False))


def confirmation_table(client: "MlflowClient", sweeps: Sequence["Run"]) -> pd.DataFrame:
    """Return what `confirmations` does."""
    known = tables.trial_table(client, sweeps, FINISHED).set_index("trial")
    found = _confirmations(client, sweeps)
    trials = [trial for trial in _trials(client, found) if trial.data.tags[schema.TAG_STATUS] == FINISHED]
    metric = Measured.of(sweeps[0]).metric
    rows = [_row(client, trial, known, metric) for trial in trials]
    table = pd.DataFrame([row for row in rows if row is not None], columns=confirmation_columns(metric))
    table = table.drop_duplicates(["trial", "confirmation"])  # it was trained again under another name
    return table.sort_values("confirmed_objective", ascending=False, kind="stable", ignore_index=True)


def _confirmations(client: "MlflowClient", sweeps: Iterable["Run"]) -> list["Run"]:
    names = {run.data.tags[schema.TAG_SWEEP] for run in sweeps}
    return [run for run in runs.confirmation_runs(client) if run.data.tags[schema.TAG_CONFIRMS] in names]


def _trials(client: "MlflowClient", found: Iterable["Run"]) -> Iterator["Run"]:
    for run in found:
        parent = runs.equals(schema.TAG_PARENT, run.info.run_id)
        yield from runs.search(client, [run.info.experiment_id], [parent])


def _row(client: "MlflowClient", trial: "Run", known: pd.DataFrame, metric: Metric) -> dict[str, Any] | None:
    """Return the row of a confirmed trial; None where the sweep's trial is not there any more."""
    original = trial.data.tags[schema.TAG_CONFIRMS_TRIAL]
    if original not in known.index:
        return None
    before, metrics = known.loc[original], trial.data.metrics
    return {
        **{name: before[name] for name in (*DATASET, "architecture", "phase_fraction", "temperature")},
        **{name: before[name] for name in ("objective_kind", "objective")},
        "confirmed_objective": metrics["objective"],
        "replicates": int(trial.data.params["replicates"]),
        "smartmixed_rank": int(metrics["smartmixed_rank"]),
        f"smartmixed_{metric.test}": metrics.get(f"smartmixed_{metric.test}"),
        "best_fixed": trial.data.tags.get(schema.TAG_BEST_FIXED),
        f"best_fixed_{metric.test}": metrics.get(f"best_fixed_{metric.test}"),
        **_margin(client, trial, metric),
        "trial": original,
        "confirmation": trial.data.tags[schema.TAG_TRIAL],
        **tables.ranked_by(metric),
    }


def _margin(client: "MlflowClient", trial: "Run", metric: Metric) -> dict[str, float]:
    rival = trial.data.tags.get(schema.TAG_BEST_FIXED)
    parent = runs.equals(schema.TAG_PARENT, trial.info.run_id)
    strategies = runs.search(client, [trial.info.experiment_id], [parent])
    values = {run.data.tags[schema.TAG_STRATEGY]: by_replicate(run, metric.test) for run in strategies}
    of_none = pd.Series(dtype="float64")
    differences = metric.gain(values.get(SMARTMIXED, of_none), values.get(rival or "", of_none))
    interval = Splits.of(trial.data.params).interval(differences)
    return {"margin": interval["mean"], "low": interval["low"], "high": interval["high"]}
