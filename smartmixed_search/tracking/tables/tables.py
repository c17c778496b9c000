"""The runs of sweeps as pandas tables with fixed columns, whatever the store holds."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from smartmixed_search.analysis.identity import DATASET, DIGITS, identified
from smartmixed_search.datasets import FILES, dataset_name, load_dataset
from smartmixed_search.errors import TrackingError
from smartmixed_search.errors.messages import one_of
from smartmixed_search.space.keys import JOINT
from smartmixed_search.tasks.metric import Metric
from smartmixed_search.tracking import schema
from smartmixed_search.tracking.runs import runs, trash
from smartmixed_search.tracking.store.store import nothing_recorded
from smartmixed_search.tracking.tables import columns, stored
from smartmixed_search.tracking.tables.measured import SCHEMA_1, Measured
from smartmixed_search.trials.records import FINISHED, SETTLED

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


SWEEP_COLUMNS = columns.named(columns.SWEEP)
RANKED_BY = ["metric", "direction", "unit"]
"""What tables say of the metric that ranks in a trial: its name, its direction, `max` or `min`, and its unit."""


def trial_columns(measured: Measured = SCHEMA_1) -> list[str]:
    """Return the columns of `trial_table`."""
    return [*columns.named(columns.trial(measured.metric.name)), *RANKED_BY]


def strategy_columns(measured: Measured = SCHEMA_1) -> list[str]:
    """Return the columns of `strategy_table`."""
    return [*columns.named([*columns.strategy(measured.names), *columns.OF_TRIAL]), *RANKED_BY]


def find_sweeps(
    client: "MlflowClient", uri: str, sweep: str | None, all_sweeps: bool, dataset: str | None = None
) -> list["Run"]:
    """Return the sweep run of that name, the latest by default, or all of them with the latest first.

    Of `dataset`, the name of one or the path of a file or folder, if it is given: on what a file holds, where there is
    one, for other data may have had its name.

    Raises:
        TrackingError: there is none, or none of that name or on that dataset.
        DatasetError: an `.npz` file's name is that of another dataset, or it is damaged.
    """
    data = None
    if dataset is not None and (dataset.endswith(FILES) or "/" in dataset):
        read = dataset.endswith(".npz") and Path(dataset).expanduser().is_file()  # of a table its target matters too
        data = load_dataset(dataset).checksum if read else None
        dataset = dataset_name(dataset)
    if sweep is None:
        found = runs.sweep_runs(client, limit=None if all_sweeps or data else 1, dataset=dataset)
        if not found:
            raise _not_recorded(client, uri, "a dataset", dataset, schema.TAG_DATASET)
        found = _on_data(found, data)
        return found if all_sweeps else found[:1]
    found = runs.sweep_runs(client, sweep)
    if not found:
        raise _not_recorded(client, uri, "a sweep", sweep, schema.TAG_SWEEP)
    on_dataset = [run for run in found if dataset in (None, run.data.tags[schema.TAG_DATASET])]
    if not on_dataset:
        other = found[0].data.tags[schema.TAG_DATASET]
        raise TrackingError(f"sweep {sweep!r} is on dataset {other!r}, not on {dataset!r}; leave one of them out")
    return _on_data(on_dataset, data)


def _on_data(sweeps: list["Run"], checksum: str | None) -> list["Run"]:
    """Return those of some sweeps on one dataset's name that are on certain data; None: on any.

    Raises:
        TrackingError: none is.
    """
    found = [run for run in sweeps if checksum in (None, columns.checksum(run))]
    if not found:
        others = ", ".join(dict.fromkeys(columns.checksum(run)[:DIGITS] or "unknown data" for run in sweeps))
        raise TrackingError(
            f"no sweep is on the data of that file ({str(checksum)[:DIGITS]}): those on "
            f"{sweeps[0].data.tags[schema.TAG_DATASET]!r} are on other data ({others}); give their file"
        )
    return found


def _not_recorded(client: "MlflowClient", uri: str, what: str, name: str | None, tag: str) -> TrackingError:
    names = dict.fromkeys(run.data.tags[tag] for run in runs.sweep_runs(client))
    return TrackingError(one_of(what, name, names)) if names else nothing_recorded(uri)


def joint_datasets(sweeps: Iterable["Run"]) -> set[tuple[str, str]]:
    """Return name and checksum of the datasets of those sweeps in which Optuna chose the architectures too."""
    joint = (run for run in sweeps if run.data.params.get("search") == JOINT)
    return {(run.data.tags[schema.TAG_DATASET], columns.checksum(run)) for run in joint}


def sweep_table(sweeps: Sequence["Run"]) -> pd.DataFrame:
    """Return one row per sweep run."""
    rows = (columns.with_checksum(columns.frame([run], columns.SWEEP), run) for run in sweeps)
    return pd.concat(rows, ignore_index=True)


def trial_table(client: "MlflowClient", sweeps: Iterable["Run"], status: str | None = None) -> pd.DataFrame:
    """Return one row per trial, sweep by sweep in the order they started: all of them, or those of a status."""
    return pd.concat([_trials(client, sweep, status) for sweep in sweeps], ignore_index=True)


def best_trials(trials: pd.DataFrame, k: int) -> pd.DataFrame:
    """Return of each dataset, metric and kind of objective the k finished trials of highest validation objective.

    The best comes first; equal ones are in the order they started. Trials of one sweep need not say their metric.
    """
    apart = [*DATASET, *({"metric"} & set(trials)), "objective_kind"]
    order = [*apart, "objective", "started"]
    best = identified(trials[trials["status"] == FINISHED]).sort_values(
        order, ascending=[name != "objective" for name in order]
    )
    return best.groupby(apart, sort=False).head(k)


def _trials(client: "MlflowClient", sweep: "Run", status: str | None) -> pd.DataFrame:
    known = _stored(client, sweep, stored.TRIALS)
    if known is None:
        trials = _trial_runs(client, sweep)
    else:
        trials = known if status in SETTLED else pd.concat([known, _unsettled(client, sweep)])
    trials = _ranked_by(
        columns.with_checksum(trials.sort_values("started", kind="stable", ignore_index=True), sweep), sweep
    )
    return trials if status is None else trials[trials["status"] == status]


def _ranked_by(rows: pd.DataFrame, sweep: "Run") -> pd.DataFrame:
    """Return rows of a sweep with the columns `RANKED_BY`."""
    metric = Measured.of(sweep).metric
    return rows.assign(**{name: pd.Series(value, rows.index, dtype="str") for name, value in ranked_by(metric).items()})


def ranked_by(metric: Metric) -> dict[str, str]:
    """Return what the columns `RANKED_BY` have of a metric."""
    return {"metric": metric.name, "direction": metric.direction, "unit": metric.unit}


def _stored(client: "MlflowClient", sweep: "Run", name: str) -> pd.DataFrame | None:
    """Return a table of a sweep as it is stored, except the rows of runs that have been deleted since."""
    known = stored.read(client, sweep, name)
    return None if known is None else known[~stored.are_of(known, trash.deleted_ids(client, sweep))]


def _unsettled(client: "MlflowClient", sweep: "Run") -> pd.DataFrame:
    # MLflow finds runs by its own status much faster than by a tag.
    running = runs.search(client, [sweep.info.experiment_id], ["attributes.status = 'RUNNING'"])
    children = [run for run in running if run.data.tags.get(schema.TAG_PARENT) == sweep.info.run_id]
    return columns.frame(children, columns.trial(Measured.of(sweep).metric.name))


def _trial_runs(client: "MlflowClient", sweep: "Run") -> pd.DataFrame:
    parent = runs.equals(schema.TAG_PARENT, sweep.info.run_id)
    found = list(runs.search(client, [sweep.info.experiment_id], [parent]))
    return columns.frame(found, columns.trial(Measured.of(sweep).metric.name))


def strategy_table(client: "MlflowClient", sweeps: Iterable["Run"]) -> pd.DataFrame:
    """Return one row per strategy or control of every finished trial; `leaderboard.leaderboard` takes it as it is.

    A trial that is only half recorded has no rows.
    """
    known = ((_stored(client, sweep, stored.STRATEGIES), sweep) for sweep in sweeps)
    found = [
        _ranked_by(columns.with_checksum(_strategies(client, sweep) if rows is None else rows, sweep), sweep)
        for rows, sweep in known
    ]
    return pd.concat(found, ignore_index=True)


def _strategies(client: "MlflowClient", sweep: "Run") -> pd.DataFrame:
    return read_runs(client, sweep)[stored.STRATEGIES]


def read_runs(client: "MlflowClient", sweep: "Run") -> stored.Tables:
    """Return the tables of a sweep's settled trials, read run by run."""
    trials = _trial_runs(client, sweep)
    trials = trials[trials["status"] != schema.RUNNING]
    name = runs.equals(schema.TAG_SWEEP, sweep.data.tags[schema.TAG_SWEEP])
    clauses = [name, runs.equals(schema.TAG_KIND, schema.STRATEGY)]
    strategies = list(runs.search(client, [sweep.info.experiment_id], clauses))
    finished = trials[trials["status"] == FINISHED]
    return {
        stored.TRIALS: trials,
        stored.STRATEGIES: columns.strategy_frame(strategies, finished, Measured.of(sweep).names),
    }


def settled_tables(
    client: "MlflowClient", sweep: "Run", of: "Sequence[Run] | None" = None
) -> tuple[stored.Tables, bool]:
    """Return the tables of a sweep's settled trials, and whether they are stored.

    Tables that hold other trials than the runs given as `of` are not taken for the sweep's.
    """
    found = {name: stored.read(client, sweep, name) for name in (stored.TRIALS, stored.STRATEGIES)}
    deleted = trash.deleted_ids(client, sweep)
    whole = {
        name: table for name, table in found.items() if table is not None and not stored.are_of(table, deleted).any()
    }
    if len(whole) == len(found):
        listed = set(whole[stored.TRIALS]["run_id"])
        if of is None or listed.issubset(run.info.run_id for run in of):
            return whole, True
    return read_runs(client, sweep), False
