import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from smartmixed_search.errors import TrackingError
from smartmixed_search.tracking import runs, stored
from smartmixed_search.tracking.queries import strategies
from smartmixed_search.tracking.store import connect
from tests.factories import make_result
from tests.tracked import SMALL, SPACE, all_runs, make_tracker

WRITES_OF_SMALL = 1 + 2 * 3 + 2 + 1 + 3 + 2 + 2 + 1
"""The trial's run, two strategies' (run, figures, end), two artifacts, the trial's figures, the sweep's two tables and
their sizes, the trial in the tables, the trial's end and status, the tables' sizes."""


def snapshot(uri: str) -> dict[str, Any]:
    """Everything the trials' runs hold, histories of metrics included, by run id."""
    client = connect(uri)
    found = all_runs(uri)
    return {
        run.info.run_id: (
            run.to_dictionary(),
            {
                name: [(m.step, m.value, m.timestamp) for m in client.get_metric_history(run.info.run_id, name)]
                for name in run.data.metrics
            },
            sorted(artifact.path for artifact in client.list_artifacts(run.info.run_id)),
        )
        for run in found["trial"] + found["strategy"]
    }


def contents(uri: str) -> Any:
    """What the trials' runs hold, apart from ids and times."""
    by_key = {}
    for record, histories, artifacts in snapshot(uri).values():
        tags = {name: v for name, v in record["data"]["tags"].items() if name != "mlflow.parentRunId"}
        points = {name: [(step, value) for step, value, _ in history] for name, history in histories.items()}
        by_key[tags["smartmixed.key"]] = (record["data"]["params"], tags, points, record["info"]["status"], artifacts)
    return by_key


# --- once, whatever happens ---


def test_recording_a_trial_again_changes_nothing(tracking_uri: str) -> None:
    result = make_result(accuracies=SMALL)
    make_tracker(tracking_uri).record_trial(result)
    before = snapshot(tracking_uri)
    make_tracker(tracking_uri).record_trial(result)
    assert snapshot(tracking_uri) == before


def test_a_continued_sweep_keeps_its_run(tracking_uri: str) -> None:
    make_tracker(tracking_uri).close_sweep("failed", {"failed": 1})
    make_tracker(tracking_uri, space=SPACE | {"trials": 50})
    (run,) = all_runs(tracking_uri)["sweep"]
    assert run.data.tags["smartmixed.status"] == "running"
    assert run.info.status == "RUNNING"
    assert run.data.params["trials"] == "36"
    assert run.data.metrics["trials"] == 50


class _DiesAt:
    """Lets MLflow's client do some writes, then raises at every further one."""

    WRITES = ("create_run", "log_batch", "set_tag", "set_terminated", "log_dict", "log_text", "log_artifact")

    def __init__(self, client: Any, writes: int) -> None:
        self._client = client
        self._left = writes

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self._client, name)
        return self._counted(method) if name in self.WRITES else method

    def _counted(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left < 0:
                raise KeyboardInterrupt
            return method(*args, **kwargs)

        return call


@pytest.fixture(scope="module")
def undisturbed(store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copy(store_template, folder)
    uri = f"sqlite:///{folder}/mlflow.db"
    make_tracker(uri).record_trial(make_result(accuracies=SMALL))
    return contents(uri)


def rows(uri: str) -> pd.DataFrame:
    """The strategies' table, apart from ids and times."""
    table = strategies(tracking_uri=uri).drop(columns=["run_id", "parent_id", "started"])
    return table.sort_values(["trial", "strategy"], ignore_index=True)


def rows_of_runs(uri: str, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """The same without the stored tables."""
    with monkeypatch.context() as patch:
        patch.setattr(stored, "read", lambda *_: None)
        return rows(uri)


@pytest.mark.parametrize("writes", [0, 1, 2, 4, 7, *range(9, WRITES_OF_SMALL)])
def test_a_trial_half_recorded_is_completed(
    tracking_uri: str, undisturbed: Any, writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = make_result(accuracies=SMALL)
    tracker = make_tracker(tracking_uri)
    tracker._client = _DiesAt(tracker._client, writes)
    with pytest.raises(KeyboardInterrupt):
        tracker.record_trial(result)
    assert_frame_equal(rows(tracking_uri), rows_of_runs(tracking_uri, monkeypatch))
    make_tracker(tracking_uri).record_trial(result)
    assert contents(tracking_uri) == undisturbed
    assert len(rows(tracking_uri)) == len(SMALL)
    assert_frame_equal(rows(tracking_uri), rows_of_runs(tracking_uri, monkeypatch))


@pytest.mark.parametrize("writes", range(WRITES_OF_SMALL - 6, WRITES_OF_SMALL))
def test_a_trial_half_recorded_does_not_spoil_the_tables_for_the_next(
    tracking_uri: str, writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (make_result(accuracies=SMALL, seed=seed) for seed in range(2))
    tracker = make_tracker(tracking_uri)
    client = tracker._client
    tracker._client = _DiesAt(client, writes)
    with pytest.raises(KeyboardInterrupt):
        tracker.record_trial(first)
    tracker._client = client
    if tracker._tables is not None:
        tracker._tables._client = client
    for result in (second, first):
        tracker.record_trial(result)
        assert_frame_equal(rows(tracking_uri), rows_of_runs(tracking_uri, monkeypatch))
    assert len(rows(tracking_uri)) == 2 * len(SMALL)


def test_a_trial_half_recorded_does_not_say_finished(tracking_uri: str) -> None:
    tracker = make_tracker(tracking_uri)
    tracker._client = _DiesAt(tracker._client, WRITES_OF_SMALL - 3)
    with pytest.raises(KeyboardInterrupt):
        tracker.record_trial(make_result(accuracies=SMALL))
    assert all_runs(tracking_uri)["trial"][0].data.tags["smartmixed.status"] == "running"


def test_failures_are_recorded_once_with_their_reason(tracking_uri: str) -> None:
    config = make_result().config
    for _ in range(2):
        make_tracker(tracking_uri).record_failure(config, config.key, "OutOfMemoryError: " + "x" * 5000)
    (run,) = all_runs(tracking_uri)["trial"]
    assert run.info.status == "FAILED"
    assert run.data.tags["smartmixed.status"] == "failed"
    assert run.data.tags["smartmixed.reason"].startswith("OutOfMemoryError: x")
    assert set(run.data.params) == set(config.to_dict())
    assert not all_runs(tracking_uri)["strategy"]


def test_equal_trials_of_two_sweeps_are_recorded_apart(tracking_uri: str) -> None:
    for sweep in ("one", "two"):
        make_tracker(tracking_uri, sweep).record_trial(make_result(accuracies=SMALL))
    assert len(all_runs(tracking_uri)["trial"]) == 2


# --- names, and what is refused ---


def test_any_sweep_name_finds_its_own_run(tracking_uri: str) -> None:
    names = [
        "it's",
        "itXs",
        'say "x"',
        'sayX"x"',
        'it\'s "x"',
        "back\\slash\\",
        "100 %",
        "a_b",
        "aXb",
        "名",
        "` OR 1=1 --",
    ]
    first = [make_tracker(tracking_uri, name)._sweep_run_id for name in names]
    again = [make_tracker(tracking_uri, name)._sweep_run_id for name in names]
    assert len({*first}) == len(names)
    assert again == first


def test_a_dataset_s_name_may_hold_quotes(tracking_uri: str) -> None:
    result = make_result(dataset='it\'s "mine"', accuracies=SMALL)
    for _ in range(2):
        make_tracker(tracking_uri, dataset=result.config.dataset).record_trial(result)
    assert len(all_runs(tracking_uri)["trial"]) == 1


def test_a_name_taken_by_another_sweep_is_refused(tracking_uri: str) -> None:
    make_tracker(tracking_uri)
    with pytest.raises(TrackingError, match="choose another --name"):
        make_tracker(tracking_uri, dataset="mnist", key="another")
    assert len(all_runs(tracking_uri)["sweep"]) == 1


def test_a_deleted_experiment_is_refused_with_the_way_out(tracking_uri: str) -> None:
    make_tracker(tracking_uri)
    client = connect(tracking_uri)
    experiment = client.get_experiment_by_name("smartmixed/digits")
    client.delete_experiment(experiment.experiment_id)
    with pytest.raises(TrackingError, match=f"mlflow experiments restore -x {experiment.experiment_id}"):
        make_tracker(tracking_uri)


def test_mlflow_s_environment_and_active_run_do_not_interfere(
    tracking_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "other")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    make_tracker(tracking_uri).record_trial(make_result(accuracies=SMALL))
    found = all_runs(tracking_uri)
    assert found["trial"][0].data.tags["mlflow.parentRunId"] == found["sweep"][0].info.run_id


@pytest.fixture
def pages_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_PAGE", 2)


@pytest.mark.parametrize(("limit", "count"), [(None, 5), (3, 3), (2, 2), (9, 5)])
@pytest.mark.usefixtures("pages_of_two")
def test_searches_page_through_everything_up_to_the_limit(tracking_uri: str, limit: int | None, count: int) -> None:
    for number in range(5):
        make_tracker(tracking_uri, f"sweep{number}")
    found = runs.sweep_runs(connect(tracking_uri), limit=limit)
    assert [run.info.run_name for run in found] == [f"sweep{4 - number}" for number in range(count)]
