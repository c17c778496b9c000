"""The writer of MLflow schema 1: one per sweep, in the driver alone.

Every run is found by its key or created, and every write may be repeated. A trial is written from the inside out
(strategies, artifacts, figures, its rows in the sweep's tables, status last): one that says `finished` is complete, and
recording it again after a crash in the middle completes what is missing.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pandas as pd

from smartmixed_search.config import TrialConfig
from smartmixed_search.errors import TrackingError
from smartmixed_search.ranking import best_fixed_strategy, rank_networks
from smartmixed_search.result import FAILED, FINISHED, NetworkResult, TrialResult
from smartmixed_search.tracking import records, runs, schema, stored, tables
from smartmixed_search.tracking.store import artifact_location, connect, store_errors
from smartmixed_search.tracking.view import experiment_tags

if TYPE_CHECKING:
    from mlflow.entities import Run


class Tracker:
    """Records one sweep in a store that was prepared (`store.prepare_store`). Not for several threads at once.

    Raises:
        TrackingError: by every method, if the store cannot be reached or refuses.
    """

    def __init__(self, uri: str, *, sweep: str, dataset: str) -> None:
        self._uri = uri
        self._sweep = sweep
        self._dataset = dataset
        self._client = connect(uri)
        self._experiment_id = ""
        self._sweep_run_id = ""
        self._tables: stored.TableWriter | None = None

    def open_sweep(
        self,
        *,
        key: str,
        space: Mapping[str, Any],
        seed: int,
        environment: Mapping[str, Any],
        artifacts: Iterable[Path] = (),
    ) -> str:
        """Create the sweep run, or find and reopen it, and return its id. Must precede every record.

        Args:
            key: identity of the sweep (space, seed, data): a store holds no two of one name that differ in it.
            space: the resolved space as a plain dict.
            seed: the sweep's seed.
            environment: content of `environment.json`.
            artifacts: files logged under their own names, such as `space.yaml` and `resolved.json`.

        Raises:
            TrackingError: the name is taken by a sweep with another key.
        """
        opened = datetime.now(UTC).isoformat()
        with store_errors(self._uri):
            run = self._find_sweep(key) or self._create_sweep(key, opened)
            self._experiment_id, self._sweep_run_id = run.info.experiment_id, run.info.run_id
            runs.reopen(self._client, run)
            # A parameter can never change in MLflow: what a continued sweep may change (trials, resources) stays as
            # first recorded here, and is up to date in the artifacts.
            params = records.sweep_params(space, seed)
            new = {name: value for name, value in params.items() if name not in run.data.params}
            asked = {"trials": space["trials"]} if space.get("trials") else {}
            tags = {schema.TAG_OPENED: opened}
            runs.log(self._client, run, params=new, metrics=asked, tags=tags, time=_now())
            self._client.log_dict(self._sweep_run_id, dict(environment), "environment.json")
            for path in artifacts:
                self._client.log_artifact(self._sweep_run_id, str(path))
        return self._sweep_run_id

    def record_trial(self, result: TrialResult) -> None:
        """Record a finished trial with all its strategies and controls."""
        with store_errors(self._uri):
            trial = self._trial_run(result.config, result.key, result.seconds)
            if runs.has_settled(trial, FINISHED):
                self._stored_tables().count()
                return
            ended = trial.info.start_time + round(1000 * result.seconds)
            ranking = rank_networks(result.networks)
            strategies = self._record_strategies(trial, result, ranking, ended)
            self._log_artifacts(trial.info.run_id, result)
            rival = best_fixed_strategy(result.networks)
            trial = runs.log(
                self._client,
                trial,
                params=records.trial_params(result.config),
                metrics=records.trial_metrics(result, ranking),
                tags={} if rival is None else {schema.TAG_BEST_FIXED: rival},
            )
            self._settle(trial, FINISHED, ended, strategies)

    def record_failure(self, config: TrialConfig, key: str, reason: str) -> None:
        """Record a trial that failed for good, with its reason."""
        with store_errors(self._uri):
            trial = self._trial_run(config, key, 0.0)
            if runs.has_settled(trial, FAILED):
                self._stored_tables().count()
                return
            params, tags = records.trial_params(config), {schema.TAG_REASON: reason[: schema.REASON_LENGTH]}
            trial = runs.log(self._client, trial, params=params, tags=tags)
            self._settle(trial, FAILED, trial.info.start_time)

    def close_sweep(self, status: str, summary: Mapping[str, float]) -> None:
        """Close the sweep run with a status of the schema; `summary` becomes its metrics."""
        with store_errors(self._uri):
            run = self._client.get_run(self._sweep_run_id)
            runs.log(self._client, run, metrics=summary, time=_now())
            runs.settle(self._client, run, status, _now())

    def _find_sweep(self, key: str) -> "Run | None":
        for run in runs.sweep_runs(self._client, self._sweep):
            if run.data.tags[schema.TAG_KEY] != key:
                raise TrackingError(
                    f"a sweep that is continued must keep its space, seed and data, however: {self._sweep!r} in the "
                    "tracking store has others; choose another --name"
                )
            return run
        return None

    def _create_sweep(self, key: str, opened: str) -> "Run":
        tags = schema.sweep_tags(self._sweep, key, self._dataset, opened)
        return runs.create_run(self._client, self._experiment(), self._sweep, tags, _now())

    def _experiment(self) -> str:
        name = schema.experiment_name(self._dataset)
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            location = artifact_location(self._uri)
            return str(self._client.create_experiment(name, artifact_location=location, tags=experiment_tags()))
        if experiment.lifecycle_stage != "active":
            raise TrackingError(
                f"the experiment {name!r} must not be deleted, however: it is in MLflow's trash; restore it with "
                f"`mlflow experiments restore -x {experiment.experiment_id}`"
            )
        return str(experiment.experiment_id)

    def _trial_run(self, config: TrialConfig, key: str, seconds: float) -> "Run":
        found = self._children(self._sweep_run_id, runs.equals(schema.TAG_KEY, key))
        if found:
            return found[0]
        tags = schema.trial_tags(self._sweep, key, config, self._sweep_run_id)
        started = _now() - round(1000 * seconds)
        return runs.create_run(self._client, self._experiment_id, schema.trial_run_name(config), tags, started)

    def _children(self, parent_id: str, *clauses: str) -> "list[Run]":
        clauses = (runs.equals(schema.TAG_PARENT, parent_id), *clauses)
        return list(runs.search(self._client, [self._experiment_id], clauses))

    def _stored_tables(self) -> stored.TableWriter:
        """Return the sweep's tables, at the first call as MLflow has them."""
        if self._tables is None:
            sweep = self._client.get_run(self._sweep_run_id)
            found = {name: stored.read(self._client, sweep, name) for name in (stored.TRIALS, stored.STRATEGIES)}
            whole = {name: table for name, table in found.items() if table is not None}
            known = whole if len(whole) == len(found) else tables.read_runs(self._client, sweep)
            self._tables = stored.TableWriter(self._client, sweep, known, stored=known is whole)
        return self._tables

    def _settle(self, trial: "Run", status: str, ended: int, strategies: "Sequence[Run]" = ()) -> None:
        self._stored_tables().add(trial, status, strategies)
        runs.settle(self._client, trial, status, ended)
        self._stored_tables().settle()

    def _record_strategies(self, trial: "Run", result: TrialResult, ranking: pd.DataFrame, ended: int) -> "list[Run]":
        recorded = []
        known = {run.data.tags[schema.TAG_STRATEGY]: run for run in self._children(trial.info.run_id)}
        for strategy in result.config.members:
            networks = [network for network in result.networks if network.strategy == strategy]
            run = known.get(strategy) or self._create_strategy(trial, result.config, networks[0])
            if not runs.has_settled(run, FINISHED):
                run = runs.log(
                    self._client,
                    run,
                    params=records.strategy_params(result.config, networks),
                    metrics=records.strategy_metrics(networks, ranking),
                    curves=records.strategy_curves(networks),
                    tags={schema.TAG_STATUS: FINISHED},
                )
                runs.end(self._client, run, FINISHED, ended)
            recorded.append(run)
        return recorded

    def _create_strategy(self, trial: "Run", config: TrialConfig, network: NetworkResult) -> "Run":
        tags = schema.strategy_tags(trial.data.tags, network.strategy, network.role, trial.info.run_id)
        name = schema.strategy_run_name(config, network.strategy)
        return runs.create_run(self._client, self._experiment_id, name, tags, trial.info.start_time)

    def _log_artifacts(self, run_id: str, result: TrialResult) -> None:
        self._client.log_dict(run_id, result.config.to_dict(), "config.json")
        self._client.log_dict(run_id, records.choices_artifact(result.choices), "choices.json")
        weights = Path(result.weights_path or "")
        if weights.is_file():
            with TemporaryDirectory() as folder:
                named = Path(folder) / schema.WEIGHTS_FILE
                named.symlink_to(weights.absolute())
                self._client.log_artifact(run_id, str(named))


def _now() -> int:
    """Return milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
