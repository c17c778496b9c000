"""The writer of MLflow schema 1: one per sweep, only in the driver.

Every run is found by its key or created, and every write may be repeated. A trial is written from the inside out
(strategies, artifacts, figures, its rows in the sweep's tables, status last): one that says `finished` is complete, and
recording it again after a crash in the middle, or after an answer that was lost, completes what is missing.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pandas as pd

from smartmixed_search.analysis.confirmed import Confirmed
from smartmixed_search.errors import SweepError
from smartmixed_search.system.files import locate, read_bytes
from smartmixed_search.tracking import (
    description,
    doubles,
    experiments,
    models,
    records,
    runs,
    schema,
    stored,
    tables,
    trash,
)
from smartmixed_search.tracking.datasets import dataset_input, recorded_sizes
from smartmixed_search.tracking.servers import without_models
from smartmixed_search.tracking.store import connect, store_errors
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.ranking import best_fixed_strategy, rank_networks
from smartmixed_search.trials.records import FAILED, FINISHED, STOPPED, NetworkResult
from smartmixed_search.trials.result import TrialResult

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Run


class Tracker:
    """Records one sweep in a store that was prepared (`store.prepare_store`). Not for several threads at once.

    Args:
        uri: of the store.
        sweep: the sweep's name, or the confirmation's.
        dataset: its dataset's name.
        confirms: the sweep that it confirms, if it does.

    Raises:
        TrackingError: by every method, if the store cannot be reached or refuses.
    """

    def __init__(self, uri: str, *, sweep: str, dataset: str, confirms: Confirmed | None = None) -> None:
        self._uri = uri
        self._sweep = sweep
        self._dataset = dataset
        self._confirms = confirms
        self._client = connect(uri)
        self._sweep_run: Run | None = None
        self._inputs: list[DatasetInput] = []
        self._data: schema.Tags = {}
        self._tables: stored.TableWriter | None = None
        self._recorded: dict[str, tuple[str, str]] = {}
        self.restored = 0
        """Number of runs that had been deleted, and are there again."""

    def check(self, key: str) -> None:
        """Make sure that the store takes the sweep of that key (see `open_sweep`); writes nothing.

        Raises:
            SweepError: the name is taken by a sweep with another key.
        """
        with store_errors(self._uri):
            if not self._find_sweeps(key):
                experiments.find(self._client, self._dataset)

    def open_sweep(
        self,
        *,
        key: str,
        space: Mapping[str, Any],
        seed: int,
        environment: Mapping[str, Any],
        artifacts: Iterable[Path] = (),
        running: bool = True,
    ) -> str:
        """Create the sweep run, or find and reopen it, and return its id. Must precede every record.

        Runs of it that were deleted, except doubles, are there again then.

        Args:
            key: identity of the sweep (space, seed, data): a store holds no two of one name that differ in it.
            space: the resolved space as a plain dict.
            seed: the sweep's seed.
            environment: content of `environment.json`; its `dataset`, if it is there, is what all runs have as input.
            artifacts: text files logged under their own names, such as `space.yaml` and `resolved.json`.
            running: whether the sweep is being run, which makes it the latest one, and not only recorded.

        Raises:
            SweepError: the name is taken by a sweep with another key.
        """
        opened = datetime.now(UTC).isoformat()
        with store_errors(self._uri):
            run = doubles.keep_one(self._client, self._find_sweeps(key))
            if run is None:
                deleted = trash.restore_sweep(self._client, self._sweep, key)
                self.restored += deleted is not None
                run = deleted or self._create_sweep(key, opened)
            self._sweep_run, self._tables = run, None
            self.restored += trash.restore_below(self._client, run)
            if running:
                runs.reopen(self._client, run)
            # A parameter can never change in MLflow: what a continued sweep may change (trials, resources) stays as
            # first recorded here, and is up to date in the artifacts.
            params = records.sweep_params(space, seed)
            new = {name: value for name, value in params.items() if name not in run.data.params}
            asked = {"trials": space["trials"]} if space.get("trials") and running else {}
            tags = {schema.TAG_OPENED: opened} if running and self._confirms is None else {}
            if "dataset" in environment:
                self._inputs = [dataset_input(environment["dataset"])]
                self._data = {schema.TAG_CHECKSUM: environment["dataset"]["checksum"]}
            runs.log(self._client, run, params=new, metrics=asked, tags=tags | self._data, time=_now())
            self._client.log_dict(run.info.run_id, dict(environment), schema.ENVIRONMENT_FILE)
            for path in artifacts:
                self._client.log_text(run.info.run_id, path.read_text(encoding="utf-8"), path.name)
            self._log_inputs(run)
            doubles.delete_unsettled(self._client, run)
        return str(run.info.run_id)

    def recorded(self) -> dict[str, tuple[str, str]]:
        """Return by key how the trials that the store has completely have ended: status and, as kept, reason."""
        with store_errors(self._uri):
            self._stored_tables()
        return dict(self._recorded)

    def settled(self, key: str) -> frozenset[str]:
        """Return the keys of the trials that the store has completely of the sweep of that key; writes nothing.

        Raises:
            SweepError: the name is taken by a sweep with another key.
        """
        with store_errors(self._uri):
            found = [self._read_tables(run)[0][stored.TRIALS] for run in self._find_sweeps(key)]
        return frozenset(trial for trials in found for trial in trials["trial"])

    def record_trial(self, result: TrialResult) -> None:
        """Record a finished trial with all its strategies and controls."""
        with store_errors(self._uri):
            trial = self._trial_run(result.config, result.key, result.seconds)
            if self._has_ended(trial, FINISHED):
                return
            trial = self._opened_again(trial)
            ranking = rank_networks(result.networks)
            known = doubles.children(self._client, trial)
            if _contradicts(trial, known, result, ranking):
                doubles.delete(self._client, trial)
                trial, known = self._trial_run(result.config, result.key, result.seconds), []
            ended = trial.info.start_time + round(1000 * result.seconds)
            strategies = self._record_strategies(trial, known, result, ranking, ended)
            self._log_artifacts(trial.info.run_id, result)
            rival, weights = best_fixed_strategy(result.networks), result.weights_checksum
            tags = {description.NOTE: description.trial_note(ranking)}
            tags |= {} if rival is None else {schema.TAG_BEST_FIXED: rival}
            tags |= {} if weights is None else {schema.TAG_WEIGHTS: weights}
            trial = runs.log(
                self._client,
                trial,
                params=records.trial_params(result.config),
                metrics=records.trial_metrics(result, ranking),
                tags=tags,
            )
            self._settle(trial, FINISHED, ended, strategies)

    def record_failure(self, config: TrialConfig, key: str, reason: str) -> None:
        """Record a trial that failed for good, and why."""
        self._record_end(config, key, FAILED, reason)

    def record_stopped(self, config: TrialConfig, key: str, reason: str) -> None:
        """Record a trial that was stopped early, and why: it has no figures, no strategies and no ranks."""
        self._record_end(config, key, STOPPED, reason)

    def _record_end(self, config: TrialConfig, key: str, status: str, reason: str) -> None:
        with store_errors(self._uri):
            trial, kept = self._trial_run(config, key, 0.0), reason[: schema.REASON_LENGTH]
            if self._has_ended(trial, status, kept):
                return
            trial = self._opened_again(trial)
            params, tags = records.trial_params(config), {schema.TAG_REASON: kept}
            trial = runs.log(self._client, trial, params=params, tags=tags)
            self._settle(trial, status, trial.info.start_time)

    def close_sweep(self, status: str, summary: Mapping[str, float]) -> None:
        """Close the sweep run with a status of the schema, unless it is closed like this.

        `summary` becomes its metrics, and what the tables say its description.
        """
        with store_errors(self._uri):
            run = self._client.get_run(self._opened.info.run_id)
            doubles.delete_unsettled(self._client, run)
            note = self._new_note(run)
            if not (runs.has_settled(run, status) and summary.items() <= run.data.metrics.items() and not note):
                runs.log(self._client, run, metrics=summary, tags=note, time=_now())
                runs.settle(self._client, run, status, _now())

    def register_networks(self) -> list[str]:
        """Register SmartMixed's best networks as models, unless they are; return what was left out, a sentence each."""
        with store_errors(self._uri):
            if (hindrance := without_models(self._uri)) is not None:
                return [hindrance]
            run = self._client.get_run(self._opened.info.run_id)
            best = tables.best_trials(self._read_tables(run)[0][stored.TRIALS], models.BEST)
            registered = models.register_best(self._client, run, list(best["run_id"]))
            if registered.versions:
                self._mention(run, description.models_note(registered.name, registered.alias))
        return registered.left_out

    def _new_note(self, sweep: "Run") -> schema.Tags:
        """Return the tag with the sweep's description unless it is there, or a user has written another one."""
        known, _ = self._read_tables(sweep)
        confirms = None if self._confirms is None else self._confirms.sweep
        trials, strategies = known[stored.TRIALS], known[stored.STRATEGIES]
        joint = bool(tables.joint_datasets([sweep]))
        note = description.sweep_note(
            self._sweep,
            self._dataset,
            trials,
            strategies,
            confirms,
            joint=joint,
            sizes=recorded_sizes(sweep),
            settings=sweep.data.params,
        )
        present = sweep.data.tags.get(description.NOTE, "")
        keep = present.startswith(note) or (present and not description.is_sweep_note(present))
        return {} if keep else {description.NOTE: note}

    def _mention(self, sweep: "Run", what: str) -> None:
        present = sweep.data.tags.get(description.NOTE, "")
        if description.is_sweep_note(present) and what not in present:
            self._client.set_tag(sweep.info.run_id, description.NOTE, present + what)

    @property
    def _opened(self) -> "Run":
        assert self._sweep_run is not None, "open_sweep precedes everything else"
        return self._sweep_run

    def _find_sweeps(self, key: str) -> "list[Run]":
        """Return the sweep's runs: one, unless there are doubles. Of two of one name the older one has it."""
        named = [*runs.sweep_runs(self._client, self._sweep), *runs.confirmation_runs(self._client, self._sweep)]
        found = sorted(named, key=doubles.age)
        if found and found[0].data.tags[schema.TAG_KEY] != key:
            raise SweepError(
                f"the name {self._sweep!r} is taken in the tracking store, by a sweep with another space, seed or "
                "dataset or by a confirmation; choose another --name, or another store"
            )
        return [run for run in found if run.data.tags[schema.TAG_KEY] == key]

    def _create_sweep(self, key: str, opened: str) -> "Run":
        experiment_id = experiments.prepare(self._client, self._uri, self._dataset)
        tags = schema.sweep_tags(self._sweep, key, self._dataset, opened)
        if self._confirms is not None:
            tags = schema.confirmation_tags(self._sweep, key, self._dataset, self._confirms.sweep)
        created = runs.create_run(self._client, experiment_id, self._sweep, tags, _now())
        try:
            return doubles.keep_one(self._client, self._find_sweeps(key)) or created
        except SweepError:  # at the same moment another process has created one of this name
            doubles.delete(self._client, created)
            raise

    def _trial_run(self, config: TrialConfig, key: str, seconds: float) -> "Run":
        found = doubles.children(self._client, self._opened, runs.equals(schema.TAG_KEY, key))
        kept = doubles.keep_one(self._client, found)
        if kept is not None:
            return kept
        tags = schema.trial_tags(self._sweep, key, config, self._opened.info.run_id) | self._data
        if self._confirms is not None:
            tags |= {schema.TAG_CONFIRMS_TRIAL: self._confirms.original_key(config)}
        started = _now() - round(1000 * seconds)
        return self._create_run(schema.trial_run_name(config), tags, started)

    def _has_ended(self, trial: "Run", status: str, reason: str = "") -> bool:
        """Whether a trial's run was completely written like this; then its rows are counted."""
        ended = runs.has_settled(trial, status) and trial.data.tags.get(schema.TAG_REASON, "") == reason
        if ended:
            self._stored_tables().count()
        return ended

    def _opened_again(self, trial: "Run") -> "Run":
        """Return a trial's run; where the trial had ended otherwise, without what was written of that.

        Rows of the tables are never changed: they are stored again, from the runs.
        """
        tags, run_id = trial.data.tags, trial.info.run_id
        if tags[schema.TAG_STATUS] == schema.RUNNING:
            return trial
        sweep = self._client.get_run(self._opened.info.run_id)
        if schema.TAG_TABLES in sweep.data.tags:
            self._client.delete_tag(sweep.info.run_id, schema.TAG_TABLES)
        self._tables = None
        if schema.TAG_REASON in tags:
            self._client.delete_tag(run_id, schema.TAG_REASON)
        runs.reopen(self._client, trial)
        return self._client.get_run(run_id)

    def _create_run(self, name: str, tags: schema.Tags, started: int) -> "Run":
        return runs.create_run(self._client, self._opened.info.experiment_id, name, tags, started)

    def _stored_tables(self) -> stored.TableWriter:
        """Return the sweep's tables, at the first call as MLflow has them."""
        if self._tables is None:
            sweep = self._client.get_run(self._opened.info.run_id)
            known, is_stored = self._read_tables(sweep, of=doubles.children(self._client, sweep))
            self._tables = stored.TableWriter(self._client, sweep, known, stored=is_stored)
            trials = known[stored.TRIALS]
            ends = zip(trials["status"], trials["reason"].fillna(""), strict=True)
            self._recorded = dict(zip(trials["trial"], ends, strict=True))
        return self._tables

    def _read_tables(self, sweep: "Run", of: "Sequence[Run] | None" = None) -> tuple[stored.Tables, bool]:
        """Return the sweep's tables, and whether they are stored; `of`: tables of other trials are none of its."""
        found = {name: stored.read(self._client, sweep, name) for name in (stored.TRIALS, stored.STRATEGIES)}
        deleted = trash.deleted_ids(self._client, sweep)
        whole = {
            name: table
            for name, table in found.items()
            if table is not None and not stored.are_of(table, deleted).any()
        }
        if len(whole) == len(found):
            listed = set(whole[stored.TRIALS]["run_id"])
            if of is None or listed.issubset(run.info.run_id for run in of):
                return whole, True
        return tables.read_runs(self._client, sweep), False

    def _log_inputs(self, run: "Run") -> None:
        if self._inputs:
            self._client.log_inputs(run.info.run_id, self._inputs)

    def _settle(self, trial: "Run", status: str, ended: int, strategies: "Sequence[Run]" = ()) -> None:
        self._log_inputs(trial)
        self._stored_tables().add(trial, status, strategies)
        runs.settle(self._client, trial, status, ended)
        self._stored_tables().settle()

    def _record_strategies(
        self, trial: "Run", known: "Sequence[Run]", result: TrialResult, ranking: pd.DataFrame, ended: int
    ) -> "list[Run]":
        recorded = []
        for strategy in result.config.members:
            networks = _networks(result, strategy)
            found = [run for run in known if run.data.tags[schema.TAG_STRATEGY] == strategy]
            run = doubles.keep_one(self._client, found) or self._create_strategy(trial, result.config, networks[0])
            if not runs.has_settled(run, FINISHED):
                metrics = records.strategy_metrics(networks, ranking)
                run = runs.log(
                    self._client,
                    run,
                    params=records.strategy_params(result.config, networks),
                    metrics=metrics,
                    curves=records.strategy_curves(networks),
                    tags={schema.TAG_STATUS: FINISHED} | schema.ranking_tag(result.key, metrics.get("rank")),
                )
                runs.end(self._client, run, FINISHED, ended)
            recorded.append(run)
        return recorded

    def _create_strategy(self, trial: "Run", config: TrialConfig, network: NetworkResult) -> "Run":
        tags = schema.strategy_tags(trial.data.tags, network, trial.info.run_id)
        name = schema.strategy_run_name(config, network.strategy)
        return self._create_run(name, tags, trial.info.start_time)

    def _log_artifacts(self, run_id: str, result: TrialResult) -> None:
        self._client.log_dict(run_id, result.config.to_dict(), "config.json")
        self._client.log_dict(run_id, result.environment, schema.ENVIRONMENT_FILE)
        self._client.log_dict(run_id, records.choices_artifact(result.choices), "choices.json")
        self._client.log_dict(run_id, records.choice_counts_artifact(result), "choice_counts.json")
        weights = None if result.weights_path is None else read_bytes(locate(result.weights_path))
        if weights is not None:
            with TemporaryDirectory() as folder:
                named = Path(folder) / schema.WEIGHTS_FILE
                named.write_bytes(weights)
                self._client.log_artifact(run_id, str(named))


def _networks(result: TrialResult, strategy: str) -> list[NetworkResult]:
    return [network for network in result.networks if network.strategy == strategy]


def _contradicts(trial: "Run", strategies: "Iterable[Run]", result: TrialResult, ranking: pd.DataFrame) -> bool:
    """Whether a trial is half recorded with other figures: those of a result that was lost, and came out otherwise.

    Of two values of one step and moment MLflow shows the larger one, so that both results would be mixed.
    """
    figures = [(trial, records.trial_metrics(result, ranking))]
    for run in strategies:
        networks = _networks(result, run.data.tags[schema.TAG_STRATEGY])
        figures.append((run, records.strategy_metrics(networks, ranking)))
    return any(
        metrics.get(name, value) != value for run, metrics in figures for name, value in run.data.metrics.items()
    )


def _now() -> int:
    """Return milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
