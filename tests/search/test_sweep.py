"""Sweeps through Ray, with trials that do next to no work."""

import errno
import itertools
import json
import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
import ray
from mlflow import MlflowClient
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from smartmixed_search.errors import ConfigError, NetworkError, ResourceError, SweepError
from smartmixed_search.search import session
from smartmixed_search.search.driving import driver
from smartmixed_search.search.keeping.directory import SweepDirectory
from smartmixed_search.search.keeping.ledger import Ledger, count_settled
from smartmixed_search.search.recording import recorder
from smartmixed_search.search.summary import SweepSummary
from smartmixed_search.search.sweep import run_sweep
from smartmixed_search.space.space import SearchSpace
from tests.helpers import own_networks, trials
from tests.helpers.placing import placed_here
from tests.helpers.sweeps import run_demo
from tests.helpers.tracked import contents

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]


def attempts(output_dir: Path) -> Counter[str]:
    """How often each trial was attempted, by key."""
    lines = {path.parent.name: path.read_text().count("\n") for path in output_dir.glob("demo/trials/*/attempts")}
    return Counter(lines)


def events(summary: SweepSummary, kind: str) -> list[dict[str, Any]]:
    """What the ledger says, by kind of event."""
    lines = (summary.directory / "ledger.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == kind]


def most_at_once(summary: SweepSummary) -> int:
    """How many trials had been handed out and not settled, at most."""
    lines = (summary.directory / "ledger.jsonl").read_text().splitlines()
    steps = [1 if json.loads(line)["event"] == "proposed" else -1 for line in lines]
    return max(itertools.accumulate(steps))


def recorded(uri: str) -> Counter[tuple[str, str]]:
    """How many runs MLflow has, by kind and status."""
    client = MlflowClient(uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    tags = [run.data.tags for run in client.search_runs(experiments, max_results=1000)]
    return Counter((tag["smartmixed.kind"], tag["smartmixed.status"]) for tag in tags)


@pytest.fixture(scope="module")
def finished(ray_session: None, store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> SweepSummary:
    """A sweep of four trials, one at a time; nothing may change it."""
    output_dir = tmp_path_factory.mktemp("finished")
    shutil.copy(store_template, output_dir)
    return run_demo(output_dir, trials=4)


@pytest.fixture(scope="module")
def failed(ray_session: None, store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> SweepSummary:
    """A sweep of three trials, the second of which failed."""
    output_dir = tmp_path_factory.mktemp("failed")
    shutil.copy(store_template, output_dir)
    return run_demo(output_dir, trials.failing_when_wide, trials=3, max_failures=0)


def test_as_many_distinct_trials_settle_as_were_asked_for(finished: SweepSummary) -> None:
    assert finished.settled == {"finished": 4, "failed": 0, "stopped": 0}
    assert attempts(finished.directory.parent).total() == 4
    assert len(attempts(finished.directory.parent)) == 4


def test_no_more_trials_run_at_once_than_allowed(finished: SweepSummary) -> None:
    assert most_at_once(finished) == 1


def test_mlflow_has_every_trial_and_strategy_once(finished: SweepSummary) -> None:
    assert finished.undelivered == 0
    assert recorded(finished.tracking_uri) == {
        ("sweep", "finished"): 1,
        ("trial", "finished"): 4,
        ("strategy", "finished"): 12,
    }


def test_study_holds_the_same_trials(finished: SweepSummary) -> None:
    storage = JournalStorage(JournalFileBackend(str(finished.directory / "study.journal")))
    study = optuna.load_study(study_name="demo", storage=storage)
    assert [trial.user_attrs["key"] for trial in study.trials] == [
        event["key"] for event in events(finished, "settled")
    ]
    assert all(trial.state.is_finished() for trial in study.trials)
    assert study.best_value == finished.best.objective


def test_first_trial_of_every_architecture_is_at_the_published_setting(finished: SweepSummary) -> None:
    params = [event["params"] for event in events(finished, "proposed")]
    assert params[:3] == [{"phase_fraction": 0.125, "temperature": 0.3}] * 3
    assert params[3] != params[0]


def test_trials_run_with_the_threads_of_their_cpus_in_a_reused_worker(finished: SweepSummary) -> None:
    lines = [path.read_text().split() for path in finished.directory.glob("trials/*/attempts")]
    assert len({pid for pid, *_ in lines}) == 1
    assert {tuple(rest) for _, *rest in lines} == {("1", "cpu", "digits", "1293")}


def test_ray_that_was_there_before_is_left_running(finished: SweepSummary) -> None:
    assert ray.is_initialized()


def test_finished_sweep_is_not_run_again(finished: SweepSummary) -> None:
    before = (finished.directory / "ledger.jsonl").read_bytes()
    again = run_demo(finished.directory.parent, trials=4)
    assert again.settled == finished.settled
    assert again.best == finished.best
    assert (finished.directory / "ledger.jsonl").read_bytes() == before


def test_another_space_under_the_name_is_refused(finished: SweepSummary) -> None:
    with pytest.raises(SweepError, match="must keep its space"):
        run_demo(finished.directory.parent, changes={"epochs": 12})


def test_name_that_the_tracking_store_knows_otherwise_is_refused(finished: SweepSummary, tmp_path: Path) -> None:
    with pytest.raises(SweepError, match="the name 'demo' is taken in the tracking store"):
        run_demo(tmp_path, changes={"epochs": 12}, tracking_uri=finished.tracking_uri)
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_comes_out_alike_where_no_ray_places_its_trials(
    finished: SweepSummary, here: None, tracking_uri: str, tmp_path: Path
) -> None:
    summary = run_demo(tmp_path, trials=4)
    assert (summary.directory / "ledger.jsonl").read_bytes() == (finished.directory / "ledger.jsonl").read_bytes()
    assert contents(tracking_uri) == contents(finished.tracking_uri)


def test_more_trials_extend_the_sweep(demo: Path, here: None) -> None:
    longer = run_demo(demo, trials=6)
    assert longer.settled["finished"] == 6
    assert attempts(demo).total() == len(attempts(demo)) == 6
    assert recorded(longer.tracking_uri)["trial", "finished"] == 6


def test_cluster_is_left_before_the_last_records_are_delivered(
    here: None, tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = []
    drain = recorder.Recorder.drain

    @contextmanager
    def joined(address: str | None) -> Iterator[None]:
        yield
        order.append("cluster left")

    def drained(self: recorder.Recorder, patient: Callable[[], bool]) -> None:
        order.append("records delivered")
        drain(self, patient)

    monkeypatch.setattr(session, "ray_session", joined)
    monkeypatch.setattr(recorder.Recorder, "drain", drained)
    assert run_demo(tmp_path, trials=1).complete
    assert order == ["cluster left", "records delivered"]


def test_sweep_is_continued_while_mlflow_is_away(demo: Path, here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(recorder, "_PATIENCE_SECONDS", 1.0)
        summary = run_demo(demo, trials=5, tracking_uri="http://127.0.0.1:9")
    assert summary.settled["finished"] == 5
    assert summary.undelivered == 5
    later = run_demo(demo, trials=5)
    assert later.undelivered == 0
    assert recorded(later.tracking_uri)["trial", "finished"] == 5


def test_a_settled_trial_that_lost_its_result_is_trained_again(
    demo: Path, here: None, store_template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = (demo / "demo" / "ledger.jsonl").read_bytes()
    damaged = sorted(demo.glob("demo/trials/*/result.json"))[0]
    damaged.write_bytes(damaged.read_bytes()[:-9])
    (demo / "mlflow.db").write_bytes(store_template.read_bytes())
    again = run_demo(demo, trials=4)
    assert (again.undelivered, again.settled) == (0, {"finished": 4, "failed": 0, "stopped": 0})
    assert attempts(demo)[damaged.parent.name] == 2
    assert attempts(demo).total() == 5
    assert (demo / "demo" / "ledger.jsonl").read_bytes() == ledger
    assert recorded(again.tracking_uri)["trial", "finished"] == 4
    assert f"trial {damaged.parent.name} had lost its result, and was trained again: it is as it was" in (
        capsys.readouterr().err
    )


def test_more_gpus_than_any_node_has_are_refused_before_anything_is_written(ray_session: None, tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="gpus_per_trial must be at most 0"):
        run_demo(tmp_path, changes={"resources": {"gpus_per_trial": 1}})
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_cannot_be_trained_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    pair = {"network": f"{own_networks.MODULE}:bad", "network_settings": {"answer": "pair"}}
    space = SearchSpace.from_dict({"dataset": "digits", "trials": 1} | pair)
    with pytest.raises(NetworkError, match=r"one tensor .*, but got a tuple of 2"):
        run_sweep(space, output_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [{"trials": 0}, {"concurrency": 0}, {"max_failures": -1}])
def test_counts_that_make_no_sense_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="must be at least"):
        run_demo(tmp_path, **options)


def test_failing_trials_are_recorded_and_do_not_end_the_sweep(failed: SweepSummary) -> None:
    assert failed.settled == {"finished": 2, "failed": 1, "stopped": 0}
    assert list(failed.failures.values()) == ["ValueError: too wide for this test"]
    assert recorded(failed.tracking_uri)["trial", "failed"] == 1
    assert [(event["number"], event["kind"]) for event in events(failed, "setback")] == [(1, "raised")]


def test_failed_trials_are_tried_again_when_asked(failed: SweepSummary, here: None, tmp_path: Path) -> None:
    shutil.copytree(failed.directory.parent, tmp_path, dirs_exist_ok=True)
    assert run_demo(tmp_path, trials=3).settled["failed"] == 1
    assert run_demo(tmp_path, trials=1, retry_failed=True).settled["failed"] == 1, "where none is left to run, none is"
    summary = run_demo(tmp_path, trials=3, retry_failed=True)
    assert summary.settled == {"finished": 3, "failed": 0, "stopped": 0}
    assert summary.failures == {}
    assert [event["number"] for event in events(summary, "reopened")] == [1]
    assert recorded(summary.tracking_uri) == {
        ("sweep", "finished"): 1,
        ("trial", "finished"): 3,
        ("strategy", "finished"): 9,
    }
    storage = JournalStorage(JournalFileBackend(str(summary.directory / "study.journal")))
    assert {trial.state.name for trial in optuna.load_study(study_name="demo", storage=storage).trials} == {"COMPLETE"}


def test_trial_that_raises_is_tried_again_as_often_as_was_asked(here: None, tracking_uri: str, tmp_path: Path) -> None:
    summary = run_demo(tmp_path, trials.failing_when_wide, trials=2, max_failures=2)
    assert sorted(attempts(tmp_path).values()) == [1, 3]
    assert [(event["number"], event["kind"]) for event in events(summary, "setback")] == [(1, "raised")] * 3


def test_a_lost_worker_is_no_failure_of_the_trial(ray_session: None, tracking_uri: str, tmp_path: Path) -> None:
    summary = run_demo(tmp_path, trials.dying_once, trials=1, max_failures=0)
    assert summary.settled["finished"] == 1
    assert list(attempts(tmp_path).values()) == [2]
    assert [event["kind"] for event in events(summary, "setback")] == ["lost"]
    assert events(summary, "setback")[0]["host"]


def test_interrupted_sweep_does_not_wait_for_a_trial_that_does_not_stop(
    ray_session: None, tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "GRACE_SECONDS", 0.5)

    def interrupt() -> None:
        while not list(tmp_path.glob("demo/trials/*")):
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    summary = run_demo(tmp_path, trials.deaf, trials=1)
    assert summary.interrupted
    assert summary.settled == {"finished": 0, "failed": 0, "stopped": 0}


def test_full_disk_ends_the_sweep_and_fails_no_trial(here: None, tracking_uri: str, tmp_path: Path) -> None:
    with pytest.raises(SweepError, match="finds no room in the output directory"):
        run_demo(tmp_path, trials.without_room, trials=3, max_failures=0)
    assert recorded(tracking_uri)["trial", "finished"] == 1
    assert recorded(tracking_uri)["trial", "failed"] == 0
    assert run_demo(tmp_path, trials=3).settled == {"finished": 3, "failed": 0, "stopped": 0}


@pytest.mark.parametrize(("of", "method"), [(Ledger, "__init__"), (SweepDirectory, "claim")])
def test_disk_that_is_still_full_says_so_again(demo: Path, here: None, of: type, method: str) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(of, method, full)
        with pytest.raises(SweepError, match="finds no room in the output directory"):
            run_demo(demo, trials=5)


REFUSALS = {errno.ENOSPC: "finds no room in", errno.EROFS: "cannot write to", errno.EIO: "cannot write to"}


def test_driver_whose_disk_takes_nothing_says_so_and_goes_on_later(
    here: None, tracking_uri: str, tmp_path: Path
) -> None:
    for number, rule in REFUSALS.items():

        def refuse(*_: object, number: int = number) -> int:
            raise OSError(number, os.strerror(number))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "pwrite", refuse)
            with pytest.raises(SweepError, match=f"{rule} the output directory.* run the same command again"):
                run_demo(tmp_path, trials=3)
    assert run_demo(tmp_path, trials=3).complete


def test_trials_that_trail_behind_are_stopped(ray_session: None, tracking_uri: str, tmp_path: Path) -> None:
    asha = {"scheduler": "asha", "architecture": "8", "temperature": {"choices": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}}
    summary = run_demo(tmp_path, trials.climbing, changes=asha | {"phase_fraction": 0.125, "sampler": "grid"}, trials=6)
    rungs = events(summary, "rung")
    assert [rung["epochs"] for rung in rungs if rung["number"] == 0] == [2, 6]
    assert summary.settled["stopped"] >= 2
    assert summary.settled["finished"] + summary.settled["stopped"] == 6
    stopped = {event["number"] for event in events(summary, "settled") if event["status"] == "stopped"}
    assert stopped == {rung["number"] for rung in rungs if rung["stop"]}
    assert recorded(tracking_uri)["trial", "stopped"] == len(stopped)
    assert recorded(tracking_uri)["strategy", "finished"] == 3 * (6 - len(stopped))


@pytest.mark.parametrize("reuse", [True, False])
def test_baselines_are_reused_unless_that_is_switched_off(
    here: None, tracking_uri: str, tmp_path: Path, reuse: bool
) -> None:
    summary = run_demo(tmp_path, trials=5, concurrency=2, reuse=reuse)
    trained = {event["config"]["architecture"]: event["number"] for event in reversed(events(summary, "proposed"))}
    reused = {path.parent.name: path.read_text() for path in summary.directory.glob("trials/*/reused")}
    assert len(reused) == (5 - len(trained) if reuse else 0)
    keys = {event["number"]: event["key"] for event in events(summary, "settled")}
    assert set(reused.values()) <= {keys[number] for number in trained.values()}


def test_space_with_fewer_trials_is_exhausted(here: None, tracking_uri: str, tmp_path: Path) -> None:
    small = {"architecture": "8", "temperature": 0.3, "phase_fraction": {"choices": [0.1, 0.5, 0.9]}, "trials": 5}
    summary = run_demo(tmp_path, changes=small)
    assert summary.exhausted
    assert summary.settled["finished"] == 3
    assert recorded(tracking_uri)["trial", "finished"] == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_ends_the_sweep_and_the_same_call_continues_it(
    ray_session: None, tracking_uri: str, tmp_path: Path, number: int
) -> None:
    ledger = tmp_path / "demo" / "ledger.jsonl"

    def interrupt() -> None:
        while count_settled(ledger) < 1:
            time.sleep(0.1)
        os.kill(os.getpid(), number)

    threading.Thread(target=interrupt, daemon=True).start()
    handler = signal.getsignal(number)
    first = run_demo(tmp_path, trials.slow, trials=4, concurrency=2)
    assert most_at_once(first) == 2
    assert first.interrupted
    assert not first.complete
    assert signal.getsignal(number) is handler
    with placed_here():
        second = run_demo(tmp_path, trials.instant, trials=4)
    assert second.complete
    assert not second.interrupted
    assert max(attempts(tmp_path).values()) == 1
    assert recorded(tracking_uri)["trial", "finished"] == 4
