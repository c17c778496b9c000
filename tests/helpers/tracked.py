"""Sweeps recorded in a store, and what the store then holds."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

from mlflow.exceptions import MlflowException

from smartmixed_search.tracking.store.store import connect
from smartmixed_search.tracking.writing.writer import Tracker
from tests.helpers.factories import make_result

SPACE = {
    "dataset": "digits",
    "architecture": {"depth": {"low": 1, "high": 4}, "shape": "free"},
    "trials": 36,
    "temperature_final": None,
    "controls": [],
    "strategies": ["smartmixed", "relu"],
}
SMALL = {"smartmixed": 0.9, "relu": 0.8}


def make_tracker(uri: str, sweep: str = "mine", dataset: str = "digits", **changes: Any) -> Tracker:
    tracker = Tracker(uri, sweep=sweep, dataset=dataset)
    tracker.open_sweep(**opening(**changes))
    return tracker


def record_two_trials(uri: str) -> None:
    """Of the networks' neurons, all but one of each layer chose relu, as `make_result` has it."""
    tracker = make_tracker(uri)
    for width in (5, 7):
        tracker.record_trial(make_result(architecture=(width, 4)))


def opening(**changes: Any) -> dict[str, Any]:
    """What a sweep is opened with."""
    dataset = {"name": "digits", "checksum": "c" * 16, "features": 64, "classes": 10, "train": 80, "val": 8, "test": 20}
    return {"key": "k", "space": SPACE, "seed": 7, "environment": {"git": None, "dataset": dataset}} | changes


def all_runs(uri: str) -> dict[str, list[Any]]:
    """Every run of the store, by kind."""
    client = connect(uri)
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    kinds: dict[str, list[Any]] = {"sweep": [], "trial": [], "strategy": []}
    for run in client.search_runs(ids):
        kinds.setdefault(run.data.tags["smartmixed.kind"], []).append(run)
    return kinds


def contents(uri: str, sweep: str | None = None) -> dict[tuple[str, str], Any]:
    """What all runs, or a sweep's, hold, apart from ids and times, by kind and key; fails where two have one key."""
    client, found = connect(uri), {}
    for run in (run for kind in all_runs(uri).values() for run in kind):
        if sweep not in (None, run.data.tags["smartmixed.sweep"]):
            continue
        tags = {name: v for name, v in run.data.tags.items() if name not in ("mlflow.parentRunId", "smartmixed.opened")}
        of_sweep = tags["smartmixed.kind"] == "sweep"  # whose metrics are measured again whenever they are recorded
        points = {
            (name, step, value) if of_sweep else (name, step, value, timestamp - run.info.start_time)
            for name, step, value, timestamp in _history(uri, run)
        }
        inputs = [(one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs]
        artifacts = sorted(artifact.path for artifact in client.list_artifacts(run.info.run_id))
        identity = (tags["smartmixed.kind"], tags["smartmixed.key"])
        assert identity not in found, f"two runs of {identity}"
        found[identity] = (run.data.params, tags, points, inputs, run.info.status, artifacts)
    return found


def _history(uri: str, run: Any) -> list[tuple[str, int, float, int]]:
    """Every point of a run's metrics; of a database it is asked at once, for MLflow asks for each metric by itself."""
    if uri.startswith("sqlite:///"):
        with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as database:
            points = "SELECT key, step, value, timestamp FROM metrics WHERE run_uuid = ? AND NOT is_nan"
            return database.execute(points, (run.info.run_id,)).fetchall()
    client = connect(uri)
    histories = (client.get_metric_history(run.info.run_id, name) for name in run.data.metrics)
    return [(one.key, one.step, one.value, one.timestamp) for history in histories for one in history]


class Faulty:
    """An MLflow client whose write of that number, of those made by `methods`, goes unanswered, once.

    `lost` says what becomes of it: the `request` is lost, the `answer` is, or it is done `late`, when somebody calls
    what is kept for that.
    """

    WRITES = (
        *("create_experiment", "create_run", "delete_run", "update_run", "log_batch", "set_tag", "delete_tag"),
        *("restore_run", "set_terminated", "log_dict", "log_text", "log_artifact", "log_inputs", "log_outputs"),
        *("create_logged_model", "log_model_artifacts", "finalize_logged_model"),
        *("create_registered_model", "create_model_version", "set_registered_model_alias", "set_logged_model_tags"),
    )

    def __init__(self, client: Any, number: int, lost: str, methods: tuple[str, ...] = WRITES) -> None:
        self._client = client
        self._left = number
        self._lost = lost
        self._methods = methods
        self._late: Callable[[], object] | None = None

    def __getattr__(self, name: str) -> Any:
        method: Callable[..., Any] = getattr(self._client, name)
        return self._counted(method) if name in self._methods else method

    def _counted(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left != -1:
                return method(*args, **kwargs)
            if self._lost == "answer":
                method(*args, **kwargs)
            elif self._lost == "late":
                self._late = lambda: method(*args, **kwargs)
            raise MlflowException("no answer")

        return call
