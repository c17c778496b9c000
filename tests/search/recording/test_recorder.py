import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from smartmixed_search.errors import SweepError, TrackingError
from smartmixed_search.search.keeping.directory import SweepDirectory
from smartmixed_search.search.keeping.events import Event, Proposed, Settled
from smartmixed_search.search.keeping.resolved import Resolved
from smartmixed_search.search.recording import recorder as module
from smartmixed_search.search.recording.deliveries import Deliveries
from smartmixed_search.search.recording.recorder import Recorder
from smartmixed_search.search.recording.sweep_store import check_name, meet_store
from smartmixed_search.tracking.store.store import advice, default_tracking_uri
from smartmixed_search.tracking.writing.writer import Tracker
from smartmixed_search.trials.config import TrialConfig
from tests.helpers.tracked import all_runs
from tests.helpers.trials import synthetic_result

CONFIGS = [
    TrialConfig(dataset="digits", architecture=(width,), strategies=("smartmixed", "relu"), epochs=4)
    for width in (4, 8, 16)
]
KEYS = [config.key for config in CONFIGS]
RESOLVED = Resolved(
    name="demo", hash="a" * 64, seed=0, dataset={"name": "digits", "checksum": "c" * 16}, space={"dataset": "digits"}
)
EVENTS: list[Event] = [
    *(Proposed(number=number, config=one.to_dict(), params={}) for number, one in enumerate(CONFIGS)),
    Settled(number=0, key=KEYS[0], status="finished", objective=0.5, confidence=0.4),
    Settled(number=1, key=KEYS[1], status="failed", reason="ValueError: no"),
    Settled(number=2, key=KEYS[2], status="stopped", reason="stopped after 2 epochs"),
]
NOWHERE = "http://127.0.0.1:9"


@dataclass
class Outcome:
    trials: int = 3
    complete: bool = True


@pytest.fixture
def directory(tmp_path: Path) -> SweepDirectory:
    """A sweep with one finished, one failed and one stopped trial."""
    directory = SweepDirectory(tmp_path / "demo")
    with directory.claim(RESOLVED, "dataset: digits\n"):
        files = directory.trial(KEYS[0])
        files.path.mkdir()
        files.weights.write_bytes(b"weights")
        result = replace(synthetic_result(CONFIGS[0]), weights_path="/gone/weights.safetensors")
        files.result.write_text(json.dumps(result.to_dict()))
    return directory


@pytest.fixture
def make(directory: SweepDirectory, tracking_uri: str) -> Iterator[Callable[..., Recorder]]:
    """Make recorders of the sweep, and close them."""
    made: list[Recorder] = []

    def make(uri: str = tracking_uri, **options: Any) -> Recorder:
        made.append(Recorder(directory, RESOLVED, uri, **options))
        return made[-1]

    yield make
    for recorder in made:
        recorder._delivery.close(lambda: None)


def record_all(recorder: Recorder) -> Recorder:
    recorder.follow(EVENTS)
    recorder.drain(lambda: True)
    recorder.close(Outcome())
    return recorder


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def trial_status(uri: str) -> dict[str, str]:
    return {run.data.tags["smartmixed.key"]: run.data.tags["smartmixed.status"] for run in all_runs(uri)["trial"]}


def test_settled_trials_reach_mlflow_and_are_remembered(make: Any, directory: Any, tracking_uri: str) -> None:
    recorder = record_all(make())
    assert (recorder.undelivered, recorder.delivered, recorder.problem) == (0, 3, None)
    assert trial_status(tracking_uri) == dict(zip(KEYS, ("finished", "failed", "stopped"), strict=True))
    entries = [json.loads(line) for line in directory.deliveries.read_text().splitlines()]
    assert entries == [{"key": key, "store": tracking_uri} for key in (KEYS[0], f"{KEYS[1]} failed", KEYS[2])]


def test_what_was_recorded_is_analyzed(make: Any, tracking_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ANALYZED_EVERY", 1)
    monkeypatch.setattr("smartmixed_search.tracking.store.database._FEW_RUNS", 3)
    record_all(make())
    assert advice(tracking_uri) is None


def test_a_sweep_is_closed_with_what_it_came_to(make: Any, tracking_uri: str) -> None:
    record_all(make())
    (run,) = all_runs(tracking_uri)["sweep"]
    assert (run.data.tags["smartmixed.status"], run.info.status) == ("finished", "FINISHED")
    assert run.data.metrics == {
        "finished": 1,
        "failed": 1,
        "stopped": 1,
        "trials": 3,
        "unconverged": 1,
        "best_objective": 0.5,
    }


def test_weights_are_found_where_the_directory_is_now(make: Any, tracking_uri: str, tmp_path: Path) -> None:
    record_all(make())
    (run,) = (run for run in all_runs(tracking_uri)["trial"] if run.data.tags["smartmixed.key"] == KEYS[0])
    path = MlflowClient(tracking_uri).download_artifacts(run.info.run_id, "weights.safetensors", str(tmp_path))
    assert Path(path).read_bytes() == b"weights"


@pytest.mark.parametrize(("complete", "running", "registered"), [(True, True, 1), (False, True, 0), (False, False, 1)])
def test_networks_are_registered_once_nothing_is_left_to_run_or_to_be_recorded(
    make: Any, monkeypatch: pytest.MonkeyPatch, complete: bool, running: bool, registered: int
) -> None:
    calls: list[Tracker] = []
    monkeypatch.setattr(module, "register_networks", lambda tracker, say: calls.append(tracker))
    recorder = make(running=running)
    recorder.follow(EVENTS)
    recorder.drain(lambda: True)
    recorder.close(Outcome(complete=complete))
    assert len(calls) == registered


def test_networks_are_not_registered_while_a_trial_is_not_delivered(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "register_networks", lambda *_: pytest.fail("the best may be missing"))
    monkeypatch.setattr(Tracker, "record_failure", away)
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.0)
    recorder = make()
    recorder.follow(EVENTS)
    assert eventually(lambda: recorder.delivered == 2)
    assert record_all(recorder).undelivered == 1


def test_the_dataset_s_sizes_are_remembered_for_later_deliveries(make: Any, tracking_uri: str) -> None:
    sizes = {"features": 64, "classes": 10, "train": 80, "val": 8, "test": 20}
    record_all(make(sizes=sizes))
    record_all(make(running=False))
    found = all_runs(tracking_uri)
    for run in found["sweep"] + found["trial"]:
        (given,) = run.inputs.dataset_inputs
        assert (given.dataset.name, given.dataset.digest) == ("digits", "c" * 16)
        assert json.loads(given.dataset.profile)["num_rows"] == 108


def test_following_again_delivers_nothing_twice(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = make()
    recorder.follow(EVENTS)
    assert record_all(recorder).delivered == 3
    monkeypatch.setattr(Tracker, "record_trial", lambda *_: pytest.fail("delivered twice"))
    again = record_all(make())
    assert (again.undelivered, again.delivered, again.problem) == (0, 0, None)


def test_results_are_not_held_in_memory_while_they_wait(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "prepare_store", away)
    loaded: list[str] = []
    monkeypatch.setattr(Recorder, "_load", lambda self, key: loaded.append(key))
    recorder = make()
    recorder.follow(EVENTS)
    assert eventually(lambda: recorder.problem is not None)
    assert recorder.undelivered == 3
    assert loaded == []


# --- a store that is away ---


def away(*_: object) -> None:
    raise TrackingError("the store is away")


def test_a_recorder_does_not_wait_for_a_store_that_hangs(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(module, "prepare_store", lambda *_: released.wait(30))
    recorder = make()
    recorder.follow(EVENTS)
    assert (recorder.undelivered, recorder.problem) == (3, None)
    released.set()


def test_a_store_that_is_away_keeps_nobody_waiting_who_is_impatient(
    make: Any, directory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "prepare_store", away)
    monkeypatch.setattr(module, "_GRACE_SECONDS", 0.1)
    said: list[str] = []
    recorder = make(say=said.append)
    recorder.follow(EVENTS)
    recorder.drain(lambda: False)
    recorder.close(Outcome())
    assert (recorder.undelivered, recorder.problem) == (3, "the store is away")
    assert not directory.deliveries.exists()


def test_the_user_is_told_once_that_the_store_went_away_and_once_that_it_is_back(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(module, "prepare_store", away)
        recorder = make(say=said.append)
        assert eventually(lambda: recorder.problem is not None)
        for _ in range(3):
            recorder.follow(EVENTS)
    assert eventually(lambda: not recorder.undelivered)
    for _ in range(3):
        recorder.follow(EVENTS)
    assert said == [
        "nothing can be recorded in MLflow now (the store is away); the sweep goes on, and records wait",
        "MLflow records again",
    ]


def test_the_wait_at_the_end_is_announced(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "prepare_store", away)
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(module, "_QUIET_SECONDS", 0.1)
    said: list[str] = []
    recorder = make(say=said.append)
    recorder.follow(EVENTS)
    recorder.drain(lambda: True)
    assert said[-1] == "recording 3 trials in MLflow (the store is away)"


def test_a_sweep_that_was_delivered_before_is_not_waited_for(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    record_all(make())
    monkeypatch.setattr(module, "prepare_store", away)
    said: list[str] = []
    recorder = record_all(make(say=said.append))
    assert recorder.undelivered == 0
    assert said[-1] == (
        "the end of the sweep could not be recorded in MLflow (the store is away): `smartmixed-search sync` does it"
    )


def test_a_later_session_delivers_what_was_left(make: Any, tracking_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Tracker, "record_failure", away)
        patch.setattr(module, "_PATIENCE_SECONDS", 0.0)
        first = make()
        first.follow(EVENTS)
        assert eventually(lambda: first.delivered == 2)
        record_all(first)
    assert (first.delivered, first.undelivered) == (2, 1)
    second = record_all(make())
    assert (second.delivered, second.undelivered) == (1, 0)
    assert len(trial_status(tracking_uri)) == 3


def finish(directory: SweepDirectory, number: int) -> list[Event]:
    """Return the events of the sweep if the trial that failed had been tried again, and finished."""
    files = directory.trial(KEYS[number])
    files.path.mkdir()
    files.result.write_text(json.dumps(synthetic_result(CONFIGS[number]).to_dict()))
    finished = Settled(number=number, key=KEYS[number], status="finished", objective=0.7, confidence=0.6)
    return [*(event for event in EVENTS if not (isinstance(event, Settled) and event.number == number)), finished]


def test_trial_that_was_tried_again_is_recorded_anew(make: Any, directory: Any, tracking_uri: str) -> None:
    record_all(make())
    events = finish(directory, 1)
    for delivered in (1, 0):
        recorder = make()
        recorder.follow(events)
        recorder.drain(lambda: True)
        recorder.close(Outcome())
        assert (recorder.delivered, recorder.undelivered) == (delivered, 0)
    assert trial_status(tracking_uri) == dict(zip(KEYS, ("finished", "finished", "stopped"), strict=True))
    (sweep,) = all_runs(tracking_uri)["sweep"]
    assert (sweep.data.metrics["finished"], sweep.data.metrics["failed"]) == (2, 0)


def test_trial_that_was_tried_again_waits_while_the_store_is_away(
    make: Any, directory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_all(make())
    monkeypatch.setattr(module, "prepare_store", away)
    recorder = make()
    recorder.follow(finish(directory, 1))
    assert recorder.undelivered == 1


def test_the_end_of_a_sweep_is_waited_for_while_it_is_being_recorded(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    close_sweep = Tracker.close_sweep

    def slow(*arguments: Any) -> None:
        assert released.wait(20)
        close_sweep(*arguments)

    def say(message: str) -> None:
        said.append(message)
        released.set()

    said: list[str] = []
    monkeypatch.setattr(Tracker, "close_sweep", slow)
    monkeypatch.setattr(module, "_CLOSING_SECONDS", 0.01)
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 20.0)
    record_all(make(say=say))
    assert "recording the end of the sweep in MLflow" in said
    assert not any("`smartmixed-search sync`" in message for message in said)


def test_an_end_that_is_still_being_recorded_is_not_said_to_have_failed(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    monkeypatch.setattr(Tracker, "close_sweep", lambda *_: released.wait(20))
    monkeypatch.setattr(module, "_CLOSING_SECONDS", 0.01)
    said: list[str] = []
    recorder = make(say=said.append)
    recorder.follow(EVENTS)
    recorder.drain(lambda: True)
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.01)
    recorder.close(Outcome())
    released.set()
    assert said[-1] == "the end of the sweep is not recorded in MLflow yet: `smartmixed-search sync` does it"


def test_the_wait_at_the_end_says_how_long_it_takes(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    proceed = threading.Semaphore(0)
    record_stopped = Tracker.record_stopped

    def held(*arguments: Any) -> None:
        assert proceed.acquire(timeout=20)
        record_stopped(*arguments)

    def say(message: str) -> None:
        said.append(message)
        if "more" in message:
            proceed.release()

    monkeypatch.setattr(Tracker, "record_stopped", held)
    monkeypatch.setattr(module, "_QUIET_SECONDS", 0.0)
    monkeypatch.setattr(module, "_SAY_SECONDS", 0.0)
    recorder = make(say=say)
    recorder.follow(EVENTS)
    recorder.drain(lambda: True)
    assert re.fullmatch(r"recording 1 trial in MLflow, about \d+ seconds more", said[-1])


def test_long_waits_are_told_in_minutes() -> None:
    assert module._rest(600, 2.5) == ", about 25 minutes more"
    assert module._rest(20, 2.5) == ", about 50 seconds more"


def test_a_lost_result_holds_up_nobody_and_is_tried_once_more_at_the_end(
    make: Any, directory: SweepDirectory, tracking_uri: str
) -> None:
    files = directory.trial(KEYS[0])
    whole = files.result.read_bytes()
    files.result.write_bytes(whole[:-1])
    recorder = make()
    recorder.follow(EVENTS)
    assert eventually(lambda: recorder.undelivered == 1)
    assert (recorder.lost, recorder.delivered, recorder.problem) == ([KEYS[0]], 2, None)
    files.result.write_bytes(whole)  # it was trained again
    record_all(recorder)
    assert (recorder.lost, recorder.undelivered, recorder.delivered) == ([], 0, 3)
    assert len(trial_status(tracking_uri)) == 3


def test_the_end_does_not_wait_for_a_lost_result(make: Any, directory: SweepDirectory) -> None:
    directory.trial(KEYS[0]).result.unlink()
    recorder = record_all(make())
    assert (recorder.lost, recorder.undelivered, recorder.delivered) == ([KEYS[0]], 1, 2)


# --- which store has what ---


def test_another_store_gets_everything(make: Any, store_template: Path, tmp_path: Path) -> None:
    record_all(make())
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mlflow.db").write_bytes(store_template.read_bytes())
    other = default_tracking_uri(tmp_path / "other")
    assert record_all(make(other)).delivered == 3
    assert len(trial_status(other)) == 3
    assert record_all(make()).delivered == 0


def test_a_store_that_lost_what_it_had_gets_it_again(
    make: Any, tracking_uri: str, store_template: Path, tmp_path: Path
) -> None:
    record_all(make())
    (tmp_path / "mlflow.db").write_bytes(store_template.read_bytes())
    recorder = record_all(make())
    assert (recorder.undelivered, recorder.delivered) == (0, 3)
    assert len(trial_status(tracking_uri)) == 3


def test_deliveries_that_cannot_be_remembered_are_deliveries(make: Any, directory: Any) -> None:
    directory.deliveries.mkdir()
    recorder = record_all(make())
    assert (recorder.undelivered, recorder.delivered) == (0, 3)
    assert record_all(make()).delivered == 0


def test_a_damaged_record_of_deliveries_is_overlooked(tmp_path: Path) -> None:
    path = tmp_path / "deliveries.jsonl"
    path.write_bytes(b'{"key": "a", "store": "s"}\n\0\0\0\n["b"]\n{"key": "c", "store": "other"}\n{"key": "d", "sto')
    known = Deliveries(path, "s")
    known.add("e")
    known.close()
    known.add("f")
    again = Deliveries(path, "s")
    assert [key for key in "abcdef" if key in again] == ["a", "e"]


# --- meeting the store ---


def test_name_of_another_sweep_in_the_store_is_refused(make: Any, tracking_uri: str) -> None:
    record_all(make())
    check_name(tracking_uri, RESOLVED)
    other = Resolved(**(RESOLVED.to_dict() | {"seed": 1}))
    for continued in (True, False):
        with pytest.raises(SweepError, match=r"'demo' is taken .* another space, seed or dataset"):
            meet_store(tracking_uri, other, continued=continued)


def test_a_store_that_turns_out_to_have_another_sweep_of_that_name_leaves_the_records_waiting(
    make: Any, directory: SweepDirectory, tracking_uri: str
) -> None:
    Tracker(tracking_uri, sweep="demo", dataset="digits").open_sweep(key="other", space={}, seed=0, environment={})
    said: list[str] = []
    recorder = make(say=said.append)
    recorder.follow(EVENTS)
    assert eventually(lambda: recorder.problem is not None)
    recorder.follow(EVENTS)
    assert recorder.undelivered == 3
    assert "'demo' is taken in the tracking store, by a sweep with another space, seed or dataset" in said[0]
    assert len(all_runs(tracking_uri)["sweep"]) == 1


def test_a_new_sweep_needs_its_store_and_a_continued_one_does_not() -> None:
    with pytest.raises(TrackingError, match="cannot reach"):
        meet_store(NOWHERE, RESOLVED, continued=False)
    meet_store(NOWHERE, RESOLVED, continued=True)


def test_checking_a_name_writes_nothing(tracking_uri: str, tmp_path: Path) -> None:
    before = (tmp_path / "mlflow.db").read_bytes()
    check_name(tracking_uri, RESOLVED)
    assert (tmp_path / "mlflow.db").read_bytes() == before
