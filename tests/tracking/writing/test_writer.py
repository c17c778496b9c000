import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from smartmixed_search.errors import SweepError, TrackingError
from smartmixed_search.tracking.questions.queries import strategies
from smartmixed_search.tracking.runs import runs
from smartmixed_search.tracking.store.store import connect, default_tracking_uri
from smartmixed_search.tracking.tables import stored
from smartmixed_search.tracking.writing.writer import Tracker
from tests.helpers.factories import make_result
from tests.helpers.tracked import SMALL, SPACE, Faulty, all_runs, contents, make_tracker, opening

WRITES_OF_SMALL = 1 + 2 * 3 + 2 + 1 + 1 + 3 + 2 + 2 + 1
"""The trial's run, two strategies' (run, figures, end), two artifacts, the trial's figures and dataset, the sweep's two
tables and their sizes, the trial in the tables, the trial's end and status, the tables' sizes."""


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
    tracker._client = Faulty(tracker._client, writes, "request")
    with pytest.raises(TrackingError):
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
    tracker._client = Faulty(client, writes, "request")
    with pytest.raises(TrackingError):
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
    tracker._client = Faulty(tracker._client, WRITES_OF_SMALL - 3, "request")
    with pytest.raises(TrackingError):
        tracker.record_trial(make_result(accuracies=SMALL))
    assert all_runs(tracking_uri)["trial"][0].data.tags["smartmixed.status"] == "running"


@pytest.mark.parametrize(("status", "run_status"), [("failed", "FAILED"), ("stopped", "KILLED")])
def test_trials_without_a_result_are_recorded_once_with_their_reason(
    tracking_uri: str, status: str, run_status: str
) -> None:
    config = make_result().config
    for _ in range(2):
        tracker = make_tracker(tracking_uri)
        record = {"failed": tracker.record_failure, "stopped": tracker.record_stopped}[status]
        record(config, config.key, "OutOfMemoryError: " + "x" * 5000)
    (run,) = all_runs(tracking_uri)["trial"]
    assert run.info.status == run_status
    assert run.data.tags["smartmixed.status"] == status
    assert run.data.tags["smartmixed.reason"].startswith("OutOfMemoryError: x")
    assert set(run.data.params) == set(config.to_dict())
    assert not run.data.metrics
    assert not all_runs(tracking_uri)["strategy"]
    assert strategies(tracking_uri=tracking_uri).empty


@pytest.mark.parametrize("writes", [*range(8), None])
def test_a_trial_that_ends_otherwise_after_all_is_recorded_anew(
    tracking_uri: str, writes: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, other = (make_result(accuracies=SMALL, seed=seed) for seed in (0, 1))
    tracker = make_tracker(tracking_uri)
    tracker.record_trial(other)
    tracker.record_failure(result.config, result.key, "ValueError: no")
    (failed,) = (run for run in all_runs(tracking_uri)["trial"] if run.data.tags["smartmixed.status"] == "failed")
    if writes is not None:
        tracker = make_tracker(tracking_uri)
        tracker._client = Faulty(tracker._client, writes, "request")
        with pytest.raises(TrackingError):
            tracker.record_trial(result)
    tracker = make_tracker(tracking_uri)
    tracker.record_trial(result)
    ended = ("finished", "")
    assert make_tracker(tracking_uri).recorded() == {result.key: ended, other.key: ended}
    (run,) = (run for run in all_runs(tracking_uri)["trial"] if run.data.tags["smartmixed.key"] == result.key)
    assert run.info.run_id == failed.info.run_id
    assert run.info.status == "FINISHED"
    assert "smartmixed.reason" not in run.data.tags
    assert len(rows(tracking_uri)) == 2 * len(SMALL)
    assert_frame_equal(rows(tracking_uri), rows_of_runs(tracking_uri, monkeypatch))


def test_a_trial_that_fails_again_for_another_reason_says_that_one(tracking_uri: str) -> None:
    config = make_result().config
    for reason in ("ValueError: no", "ValueError: not again"):
        make_tracker(tracking_uri).record_failure(config, config.key, reason)
    assert make_tracker(tracking_uri).recorded() == {config.key: ("failed", "ValueError: not again")}
    (run,) = all_runs(tracking_uri)["trial"]
    assert (run.info.status, run.data.tags["smartmixed.reason"]) == ("FAILED", "ValueError: not again")


# --- a store that fails ---


def session(uri: str, client: Callable[[Any], Any] = lambda client: client, running: bool = True) -> Any:
    """Record a sweep of three trials, one of each status; the client is changed before anything is asked of it."""
    tracker = Tracker(uri, sweep="mine", dataset="digits")
    tracker._client = client(tracker._client)
    tracker.open_sweep(**opening(running=running))
    tracker.recorded()
    tracker.record_trial(make_result(accuracies=SMALL))
    failed, stopped = (make_result(accuracies=SMALL, seed=seed).config for seed in (1, 2))
    tracker.record_failure(failed, failed.key, "ValueError: no")
    tracker.record_stopped(stopped, stopped.key, "stopped after 2 epochs")
    tracker.close_sweep("finished", {"settled": 3})
    return tracker._client


@pytest.fixture(scope="module")
def whole(store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a session leaves during which nothing fails, and how many writes it takes."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copy(store_template, folder)
    uri = f"sqlite:///{folder}/mlflow.db"
    client = session(uri, lambda client: Faulty(client, 10**9, "request"))
    return contents(uri), 10**9 - client._left


def check_fault(uri: str, whole: Any, *fault: Any) -> None:
    """Let something fail once, and everything be repeated, as the recorder repeats it."""
    clients: list[Faulty] = []

    def faulty(client: Any) -> Faulty:
        clients.append(Faulty(client, *fault))
        return clients[-1]

    with pytest.raises(TrackingError, match="no answer"):
        session(uri, faulty)
    late = clients[0]._late
    session(uri, lambda client: _After(client, late) if late is not None else client)
    assert contents(uri) == whole[0]


class _After:
    """A client that does something late: just after the first run has been created."""

    def __init__(self, client: Any, late: Callable[[], object]) -> None:
        self._client = client
        self._late: Callable[[], object] | None = late

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def create_run(self, *args: Any, **kwargs: Any) -> Any:
        run = self._client.create_run(*args, **kwargs)
        if self._late is not None:
            self._late()
            self._late = None
        return run


@pytest.mark.parametrize("lost", ["answer", "late"])
@pytest.mark.parametrize("number", range(3), ids=["sweep", "trial", "strategy"])
def test_a_run_whose_creation_is_not_answered_is_there_once(
    tracking_uri: str, whole: Any, number: int, lost: str
) -> None:
    check_fault(tracking_uri, whole, number, lost, ("create_run",))


@pytest.mark.parametrize("method", ["create_experiment", "log_batch"])
def test_a_write_whose_answer_is_lost_is_done_once(tracking_uri: str, whole: Any, method: str) -> None:
    check_fault(tracking_uri, whole, 0, "answer", (method,))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("lost", ["request", "answer"])
def test_a_session_survives_the_failure_of_every_single_write(
    store_template: Path, tmp_path: Path, whole: Any, lost: str
) -> None:
    for number in range(whole[1]):
        (tmp_path / str(number)).mkdir()
        shutil.copy(store_template, tmp_path / str(number))
        check_fault(default_tracking_uri(tmp_path / str(number)), whole, number, lost)


def test_a_sweep_that_is_recorded_again_and_complete_is_left_as_it_is(tracking_uri: str, whole: Any) -> None:
    session(tracking_uri)
    (before,) = all_runs(tracking_uri)["sweep"]
    session(tracking_uri, running=False)
    (after,) = all_runs(tracking_uri)["sweep"]
    assert after.to_dictionary() == before.to_dictionary()
    assert contents(tracking_uri) == whole[0]


def test_of_two_sweeps_of_one_name_created_at_once_the_older_one_has_it(tracking_uri: str) -> None:
    first, second = (Tracker(tracking_uri, sweep="mine", dataset="digits") for _ in range(2))
    with pytest.MonkeyPatch.context() as patch:
        create = second._client.create_run

        def create_after_the_other(*args: Any, **kwargs: Any) -> Any:
            first.open_sweep(**opening())
            time.sleep(0.002)
            return create(*args, **kwargs | {"start_time": time.time_ns() // 1_000_000})

        patch.setattr(second._client, "create_run", create_after_the_other)
        with pytest.raises(SweepError, match="is taken in the tracking store"):
            second.open_sweep(**opening(key="other"))
    (run,) = all_runs(tracking_uri)["sweep"]
    assert run.data.tags["smartmixed.key"] == "k"


def test_a_double_of_a_sweep_s_run_ends_and_takes_what_is_below_it_along(tracking_uri: str, whole: Any) -> None:
    session(tracking_uri)
    client = connect(tracking_uri)
    (run,) = all_runs(tracking_uri)["sweep"]
    tags = {name: value for name, value in run.data.tags.items() if name != "smartmixed.tables"}
    double = client.create_run(run.info.experiment_id, start_time=1, tags=tags)
    trial = all_runs(tracking_uri)["trial"][0].data.tags | {"mlflow.parentRunId": double.info.run_id}
    client.create_run(run.info.experiment_id, tags=trial)
    session(tracking_uri)
    (left,) = all_runs(tracking_uri)["sweep"]
    assert left.info.run_id == run.info.run_id
    assert contents(tracking_uri) == whole[0]


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
    first = [make_tracker(tracking_uri, name)._opened.info.run_id for name in names]
    again = [make_tracker(tracking_uri, name)._opened.info.run_id for name in names]
    assert len({*first}) == len(names)
    assert again == first


def test_a_dataset_s_name_may_hold_quotes(tracking_uri: str) -> None:
    result = make_result(dataset='it\'s "mine"', accuracies=SMALL)
    for _ in range(2):
        make_tracker(tracking_uri, dataset=result.config.dataset).record_trial(result)
    assert len(all_runs(tracking_uri)["trial"]) == 1


def test_a_name_taken_by_another_sweep_is_refused(tracking_uri: str) -> None:
    make_tracker(tracking_uri)
    with pytest.raises(SweepError, match="choose another --name"):
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
