"""The writer of MLflow schema 2: one per sweep, only in the driver.

Every run is found by its key or created, and every write may be repeated. A trial is written from the inside out
(strategies, artifacts, figures, its rows in the sweep's tables, status last): one that says `finished` is complete, and
recording it again after a crash in the middle, or after an answer that was lost, completes what is missing.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smartmixed_search.analysis.confirmed import Confirmed
from smartmixed_search.tracking import schema
from smartmixed_search.tracking.models import models
from smartmixed_search.tracking.runs import doubles, experiments, runs, trash
from smartmixed_search.tracking.store.servers import without_models
from smartmixed_search.tracking.store.store import connect, store_errors
from smartmixed_search.tracking.tables import stored, tables
from smartmixed_search.tracking.tables.measured import SCHEMA_1, Measured
from smartmixed_search.tracking.writing import description, notes, records
from smartmixed_search.tracking.writing.datasets import dataset_input
from smartmixed_search.tracking.writing.sweep_runs import create_sweep_run, find_sweep_runs
from smartmixed_search.tracking.writing.trial_records import contradicts, log_artifacts, record_strategies
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.ranking import best_fixed_strategy, rank_networks
from smartmixed_search.trials.records import FAILED, FINISHED, STOPPED
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
        self._measured: Measured | None = None
        self._target: object = None
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
            if not self._find(key):
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
            run = self._found_or_created(key, opened)
            self._sweep_run, self._tables = run, None
            self._measured = Measured.of(run) if schema.TAG_METRIC in run.data.tags else None
            self._target = space.get("target")
            self.restored += trash.restore_below(self._client, run)
            if running:
                runs.reopen(self._client, run)
            if "dataset" in environment:
                self._inputs = [dataset_input(environment["dataset"])]
                self._data = {schema.TAG_CHECKSUM: environment["dataset"]["checksum"]}
            self._log_space(run, space, seed, {schema.TAG_OPENED: opened} if running else None)
            self._log_files(run, environment, artifacts)
            self._log_inputs(run)
            doubles.delete_unsettled(self._client, run)
        return str(run.info.run_id)

    def _find(self, key: str) -> "list[Run]":
        return find_sweep_runs(self._client, self._sweep, key)

    def _found_or_created(self, key: str, opened: str) -> "Run":
        found = doubles.keep_one(self._client, self._find(key))
        if found is not None:
            return found
        deleted = trash.restore_sweep(self._client, self._sweep, key)
        self.restored += deleted is not None
        return deleted or create_sweep_run(
            self._client, self._uri, self._sweep, key, self._dataset, opened, self._confirms
        )

    def _log_space(self, run: "Run", space: Mapping[str, Any], seed: int, opened: schema.Tags | None) -> None:
        """Log what the sweep may try; `opened` is the tag of the moment at which it is run, if it is.

        A parameter can never change in MLflow: what a continued sweep may change (trials, resources) stays as first
        recorded here, and is up to date in the artifacts.
        """
        params = records.sweep_params(space, seed)
        new = {name: value for name, value in params.items() if name not in run.data.params}
        asked = {"trials": space["trials"]} if space.get("trials") and opened else {}
        tags = opened if opened and self._confirms is None else {}
        runs.log(self._client, run, params=new, metrics=asked, tags=tags | self._data, time=runs.now())

    def _log_files(self, run: "Run", environment: Mapping[str, Any], artifacts: Iterable[Path]) -> None:
        self._client.log_dict(run.info.run_id, dict(environment), schema.ENVIRONMENT_FILE)
        for path in artifacts:
            self._client.log_text(run.info.run_id, path.read_text(encoding="utf-8"), path.name)

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
            found = [tables.settled_tables(self._client, run)[0][stored.TRIALS] for run in self._find(key)]
        return frozenset(trial for trials in found for trial in trials["trial"])

    def record_trial(self, result: TrialResult) -> None:
        """Record a finished trial with all its strategies and controls."""
        with store_errors(self._uri):
            trial = self._trial_run(result.config, result.key, result.seconds)
            if self._has_ended(trial, FINISHED):
                return
            trial = self._opened_again(trial)
            ranking = rank_networks(result.networks, result.metric)
            known = doubles.children(self._client, trial)
            if contradicts(trial, known, result, ranking):
                doubles.delete(self._client, trial)
                trial, known = self._trial_run(result.config, result.key, result.seconds), []
            ended = trial.info.start_time + round(1000 * result.seconds)
            measured = self._measure(result)
            strategies = record_strategies(self._client, trial, known, result, ranking, ended, measured)
            log_artifacts(self._client, trial.info.run_id, result)
            rival, weights = best_fixed_strategy(result.networks, result.metric), result.weights_checksum
            tags = {description.NOTE: description.trial_note(ranking, measured.scale())} | measured.tags
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

    def _measure(self, result: TrialResult) -> Measured:
        """Return by what a trial's networks were measured; the sweep's run says it from the first such trial on."""
        measured, run = Measured.in_result(result, self._target), self._opened
        if measured != self._measured:
            runs.log(self._client, run, tags=measured.sweep_tags)
            experiments.show_metric(self._client, run.info.experiment_id, measured.metric.name)
            self._measured = measured
        return measured

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
            note = notes.new_note(self._client, run)
            if not (runs.has_settled(run, status) and summary.items() <= run.data.metrics.items() and not note):
                runs.log(self._client, run, metrics=summary, tags=note, time=runs.now())
                runs.settle(self._client, run, status, runs.now())

    def register_networks(self) -> list[str]:
        """Register SmartMixed's best networks as models, unless they are; return what was left out, a sentence each."""
        with store_errors(self._uri):
            if (hindrance := without_models(self._uri)) is not None:
                return [hindrance]
            run = self._client.get_run(self._opened.info.run_id)
            best = tables.best_trials(tables.settled_tables(self._client, run)[0][stored.TRIALS], models.BEST)
            registered = models.register_best(self._client, run, list(best["run_id"]))
            if registered.versions:
                notes.mention(self._client, run, description.models_note(registered.name, registered.alias))
        return registered.left_out

    @property
    def _opened(self) -> "Run":
        assert self._sweep_run is not None, "open_sweep precedes everything else"
        return self._sweep_run

    def _trial_run(self, config: TrialConfig, key: str, seconds: float) -> "Run":
        found = doubles.children(self._client, self._opened, runs.equals(schema.TAG_KEY, key))
        kept = doubles.keep_one(self._client, found)
        if kept is not None:
            return kept
        tags = schema.trial_tags(self._sweep, key, config, self._opened.info.run_id) | self._data
        if self._confirms is not None:
            tags |= {schema.TAG_CONFIRMS_TRIAL: self._confirms.original_key(config)}
        started = runs.now() - round(1000 * seconds)
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
            known, is_stored = tables.settled_tables(self._client, sweep, of=doubles.children(self._client, sweep))
            self._tables = stored.TableWriter(self._client, sweep, known, stored=is_stored)
            trials = known[stored.TRIALS]
            ends = zip(trials["status"], trials["reason"].fillna(""), strict=True)
            self._recorded = dict(zip(trials["trial"], ends, strict=True))
        return self._tables

    def _log_inputs(self, run: "Run") -> None:
        if self._inputs:
            self._client.log_inputs(run.info.run_id, self._inputs)

    def _settle(self, trial: "Run", status: str, ended: int, strategies: "Sequence[Run]" = ()) -> None:
        self._log_inputs(trial)
        self._stored_tables().add(trial, status, strategies, self._measured or SCHEMA_1)
        runs.settle(self._client, trial, status, ended)
        self._stored_tables().settle()
