from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smartmixed_search.errors import SweepError
from smartmixed_search.search.driving.driver import SweepDriver
from smartmixed_search.search.driving.progress import Progress
from smartmixed_search.search.driving.setbacks import LOSSES, MEMORY_KILLS
from smartmixed_search.search.keeping.directory import SweepDirectory
from smartmixed_search.search.keeping.events import LOST, MEMORY, RAISED, Event, Settled
from smartmixed_search.search.keeping.ledger import Ledger
from smartmixed_search.search.proposing.halving import Halving
from smartmixed_search.search.proposing.proposals import Proposer
from smartmixed_search.search.proposing.queue import TrialQueue
from smartmixed_search.space.space import SearchSpace
from tests.helpers.trials import SPACE, synthetic_result

RAY_MESSAGE = """Failure # 1 (occurred at 2026-01-01_00-00-01)
The actor died unexpectedly before finishing this task.
\tclass_name: ImplicitFunc
\tpid: 4711
The actor is dead because its worker process has died.
"""


class Follower:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.calls = 0

    def follow(self, events: Sequence[Event]) -> None:
        self.events = list(events)
        self.calls += 1


class Printer:
    def __init__(self) -> None:
        self.shown: list[Progress] = []

        self.said: list[str] = []

    def update(self, progress: Progress) -> None:
        self.shown.append(progress)

    def say(self, message: str) -> None:
        self.said.append(message)


class Sweep:
    """A driver on a directory, without Ray."""

    def __init__(self, path: Path, ledger: Ledger, max_failures: int = 0) -> None:
        self.directory = SweepDirectory(path)
        self.ledger = ledger
        restore = [one.key for one in ledger.settled.values() if not self.directory.trial(one.key).load_whole()]
        self.queue = TrialQueue(ledger, Proposer(SearchSpace.from_dict(SPACE)), trials=4, restore=restore)
        self.follower, self.printer = Follower(), Printer()
        halving = Halving(ledger, rungs=(3, 9))
        self.driver = SweepDriver(
            self.directory, self.queue, halving, [self.follower], self.printer, max_failures=max_failures
        )

    def train(self, number: int, **changes: Any) -> None:
        config = self.queue.proposal(number).config
        files = self.directory.trial(config.key)
        files.path.mkdir(parents=True, exist_ok=True)
        files.save_result(replace(synthetic_result(config), **changes))


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[Sweep]:
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        yield Sweep(tmp_path, ledger)


def test_finished_trial_is_settled_by_what_is_on_the_disk(sweep: Sweep) -> None:
    config = sweep.driver.next().proposal.config
    sweep.train(0)
    sweep.driver.ended(0, "here")
    objective = synthetic_result(config).objective
    expected = Settled(number=0, key=config.key, status="finished", objective=objective, confidence=0.6)
    assert sweep.ledger.settled[0] == expected


def test_followers_know_what_the_ledger_knows(sweep: Sweep) -> None:
    sweep.driver.next()
    assert sweep.follower.events == sweep.ledger.events != []
    sweep.train(0)
    sweep.driver.ended(0, "here")
    assert sweep.follower.events == sweep.ledger.events


def test_followers_are_left_alone_while_there_is_nothing_new(sweep: Sweep) -> None:
    while sweep.driver.next() is not None:
        pass
    calls = sweep.follower.calls
    assert sweep.driver.next() is None
    assert sweep.follower.calls == calls


def test_result_without_record_is_adopted_on_reentry(sweep: Sweep, tmp_path: Path) -> None:
    sweep.driver.next()
    sweep.driver.next()
    sweep.train(1)
    again = Sweep(tmp_path, sweep.ledger)
    again.driver.resume()
    assert list(sweep.ledger.settled) == [1]
    assert again.driver.next().proposal.number == 0
    assert again.driver.next().proposal.number == 2


def fail(sweep: Sweep, kind: str, number: int = 0, host: str = "here") -> None:
    """Have an attempt fail as kind says; what raises leaves its reason behind."""
    if kind == RAISED:
        files = sweep.directory.trial(sweep.queue.proposal(number).config.key)
        files.path.mkdir(parents=True, exist_ok=True)
        files.error.write_text("ValueError: no\n\nTraceback …")
    sweep.driver.failed(number, kind, host, RAY_MESSAGE)


def test_failure_takes_its_reason_from_the_first_line_of_the_error_file(sweep: Sweep) -> None:
    config = sweep.driver.next().proposal.config
    fail(sweep, RAISED)
    assert sweep.ledger.settled[0] == Settled(number=0, key=config.key, status="failed", reason="ValueError: no")


@pytest.mark.parametrize(("kind", "bound"), [(RAISED, 2), (LOST, LOSSES), (MEMORY, MEMORY_KILLS)])
def test_trial_is_tried_again_up_to_the_bound_of_each_kind(tmp_path: Path, kind: str, bound: int) -> None:
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        sweep = Sweep(tmp_path, ledger, max_failures=2)
        for _ in range(bound):
            assert sweep.driver.next().proposal.number == 0
            fail(sweep, kind)
            assert not ledger.settled
        assert sweep.driver.next().proposal.number == 0
        fail(sweep, kind)
        assert ledger.settled[0].status == "failed"
        assert sweep.driver.next().proposal.number == 1


def test_lost_processes_and_kills_for_memory_are_no_failures_of_the_trial(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        sweep = Sweep(tmp_path, ledger, max_failures=1)
        for kind in (LOST, MEMORY, LOST, RAISED, LOST):
            sweep.driver.next()
            fail(sweep, kind)
        sweep.driver.next()
        assert not ledger.settled
        fail(sweep, RAISED)
        assert ledger.settled[0].reason == "ValueError: no"


def test_continued_sweep_remembers_how_often_a_trial_has_failed(sweep: Sweep, tmp_path: Path) -> None:
    for _ in range(MEMORY_KILLS):
        sweep.driver.next()
        fail(sweep, MEMORY)
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        again = Sweep(tmp_path, ledger)
        again.driver.next()
        fail(again, MEMORY)
        assert ledger.settled[0].reason == (
            "killed 3 times for memory: fewer trials at once (--concurrency), or nodes with more of it, help"
        )


def test_trial_that_is_lost_too_often_says_so_and_what_ray_says(sweep: Sweep) -> None:
    for _ in range(LOSSES + 1):
        sweep.driver.next()
        fail(sweep, LOST)
    assert sweep.ledger.settled[0].reason == (
        "process or node lost 11 times: "
        "The actor died unexpectedly before finishing this task. The actor is dead because its worker process has died."
    )
    files = sweep.directory.trial(sweep.ledger.settled[0].key)
    assert "pid: 4711" in files.error.read_text()


def test_trial_that_is_tried_again_goes_first_and_is_running_no_longer(sweep: Sweep) -> None:
    sweep.driver.next()
    sweep.driver.reported(0, {"epoch": 4, "epochs": 10})
    fail(sweep, LOST)
    assert sweep.driver.standing.progress().running == {}
    assert sweep.driver.waiting
    assert sweep.driver.next().proposal.number == 0
    assert sweep.driver.standing.progress().running == {0: 0.0}


def test_host_from_which_nothing_but_setbacks_comes_ends_the_sweep(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smartmixed_search.search.driving.setbacks.ON_ONE_HOST", 3)
    for _ in range(2):
        sweep.driver.next()
    fail(sweep, RAISED, 0, "broken")
    fail(sweep, LOST, 1, "healthy")
    sweep.driver.next()
    sweep.driver.next()
    fail(sweep, RAISED, 2, "broken")
    with pytest.raises(
        SweepError, match=r"the last 3 attempts on broken have failed, the last one for: The actor died"
    ):
        fail(sweep, LOST, 1, "broken")


def test_trial_that_ends_well_speaks_for_its_host(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smartmixed_search.search.driving.setbacks.ON_ONE_HOST", 2)
    for _ in range(3):
        sweep.driver.next()
    fail(sweep, RAISED, 0)
    sweep.train(1)
    sweep.driver.ended(1, "here")
    fail(sweep, RAISED, 2)


def test_one_trial_alone_speaks_against_no_host(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smartmixed_search.search.driving.setbacks.ON_ONE_HOST", 2)
    for _ in range(LOSSES + 1):
        sweep.driver.next()
        fail(sweep, LOST)
    assert sweep.ledger.settled[0].status == "failed"


def test_worker_lost_after_its_result_has_not_failed(sweep: Sweep) -> None:
    sweep.driver.next()
    sweep.train(0)
    fail(sweep, LOST)
    assert sweep.ledger.settled[0].status == "finished"


def test_error_inside_a_hook_ends_the_sweep(sweep: Sweep) -> None:
    sweep.driver.next()
    sweep.driver.guard(lambda: sweep.driver.ended(0, "here"))  # nothing is on the disk
    assert sweep.driver.stopping
    assert isinstance(sweep.driver.fault, AssertionError)
    sweep.train(0)
    sweep.driver.guard(lambda: sweep.driver.ended(0, "here"))
    assert not sweep.ledger.settled


def test_progress_counts_epochs_of_running_trials(sweep: Sweep) -> None:
    sweep.driver.next()
    sweep.driver.next()
    sweep.driver.reported(1, {"epoch": 4, "epochs": 10})
    assert sweep.driver.standing.progress().running == {0: 0.0, 1: 0.5}


def test_training_begins_with_the_first_epoch_and_not_with_the_workers(sweep: Sweep) -> None:
    sweep.driver.next()
    before = sweep.driver.standing.progress()
    assert before.training == before.elapsed
    sweep.driver.reported(0, {"epoch": 0, "epochs": 10})
    after = sweep.driver.standing.progress()
    assert after.training < after.elapsed


def test_progress_shows_the_best_of_all_sessions(sweep: Sweep, tmp_path: Path) -> None:
    config = sweep.driver.next().proposal.config
    sweep.train(0)
    sweep.driver.ended(0, "here")
    again = Sweep(tmp_path, sweep.ledger)
    again.driver.tick()
    (shown,) = again.printer.shown
    assert shown.best == (synthetic_result(config).objective, "8")
    assert (shown.settled, shown.settled_before, shown.total) == (1, 1, 4)


def report(sweep: Sweep, number: int, epoch: int, margin: float = 0.0) -> bool:
    return sweep.driver.reported(number, {"epoch": epoch, "epochs": 10, "margin": margin})


def test_trial_that_trails_behind_at_a_rung_is_stopped(sweep: Sweep) -> None:
    for _ in range(3):
        sweep.driver.next()
    assert not report(sweep, 0, 2, margin=0.1)
    assert not report(sweep, 1, 1, margin=-0.5)
    assert report(sweep, 1, 2, margin=0.05)
    assert not report(sweep, 2, 2, margin=0.2)
    sweep.driver.ended(1, "here")
    settled = sweep.ledger.settled[1]
    assert settled.status == "stopped"
    assert settled.reason.startswith("stopped after 3 epochs: margin +0.0500")
    assert settled.objective is None


def test_trial_stopped_just_before_a_crash_is_not_run_again(sweep: Sweep, tmp_path: Path) -> None:
    for number in range(2):
        sweep.driver.next()
        report(sweep, number, 2, margin=-float(number))
    again = Sweep(tmp_path, sweep.ledger)
    again.driver.resume()
    assert {number: one.status for number, one in sweep.ledger.settled.items()} == {1: "stopped"}
    assert again.driver.next().proposal.number == 0
    assert not report(again, 0, 2, margin=-5.0)  # as decided before, whatever it reports now


def test_nothing_is_waited_for_after_a_fault(sweep: Sweep) -> None:
    """Tune, with no trial running, would ask for the one to be tried again for ten minutes."""
    sweep.driver.next()
    fail(sweep, LOST)
    assert sweep.driver.waiting
    sweep.driver.end(SweepError("taken over"))
    assert not sweep.driver.waiting


def test_what_an_interrupt_does_to_a_trial_is_not_counted_against_it(sweep: Sweep, tmp_path: Path) -> None:
    sweep.driver.next()
    sweep.driver.interrupt()
    for kind in (LOST, RAISED):
        fail(sweep, kind)
    assert sweep.driver.stopping
    assert [type(event).__name__ for event in sweep.ledger.events] == ["Proposed"]
    assert Sweep(tmp_path, sweep.ledger).driver.next().proposal.number == 0


def test_nothing_begins_after_an_interrupt(sweep: Sweep) -> None:
    sweep.driver.next()
    sweep.driver.interrupt()
    assert sweep.driver.next() is None
    assert not sweep.driver.waiting


def test_interrupt_asks_running_trials_to_stop_and_waits_for_them(sweep: Sweep) -> None:
    sweep.driver.next()
    sweep.driver.next()
    sweep.driver.interrupt()
    sweep.driver.tick()
    sweep.driver.tick()
    assert sweep.directory.stop.exists()
    assert len(sweep.printer.said) == 1
    assert not sweep.driver.stopping
    sweep.train(0)
    sweep.driver.ended(0, "here")
    assert not sweep.driver.stopping
    sweep.driver.ended(1, "here")  # without a result: it has kept where it is
    assert sweep.driver.stopping
    assert list(sweep.ledger.settled) == [0]


def test_interrupt_does_not_wait_for_ever(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep.driver.next()
    sweep.driver.interrupt()
    assert not sweep.driver.stopping
    monkeypatch.setattr("smartmixed_search.search.driving.driver.GRACE_SECONDS", 0)
    assert sweep.driver.stopping


def test_what_no_trial_can_get_over_ends_the_sweep(sweep: Sweep) -> None:
    sweep.driver.next()
    sweep.driver.guard(lambda: sweep.driver.reported(0, {"halt": "no room"}))
    assert isinstance(sweep.driver.fault, SweepError)
    assert not sweep.ledger.settled


def test_node_that_does_not_see_the_directory_ends_the_sweep(sweep: Sweep) -> None:
    sweep.driver.next()
    with pytest.raises(SweepError, match="every node must see the output directory"):
        sweep.driver.failed(
            0, RAISED, "", "RuntimeError: Unable to set up cluster storage with the following settings: …"
        )
    assert not sweep.ledger.settled


@pytest.fixture
def damaged(sweep: Sweep, tmp_path: Path) -> Sweep:
    """A continued sweep whose first trial has settled, and lost its result."""
    key = sweep.driver.next().proposal.config.key
    sweep.train(0)
    sweep.driver.ended(0, "here")
    sweep.directory.trial(key).result.write_text("{")
    return Sweep(tmp_path, sweep.ledger)


def test_a_lost_result_is_trained_again_and_compared(damaged: Sweep) -> None:
    before = list(damaged.ledger.events)
    assert damaged.driver.next().proposal.number == 0
    assert not report(damaged, 0, 2, margin=-9.0), "it has passed its rungs"
    assert damaged.driver.standing.progress().running == {0: 0.3}
    damaged.train(0)
    damaged.driver.ended(0, "here")
    (said,) = damaged.printer.said
    assert said.endswith("had lost its result, and was trained again: it is as it was")
    assert damaged.ledger.events == before
    assert damaged.driver.standing.progress().settled == 1


def test_a_lost_result_that_comes_out_otherwise_is_said(damaged: Sweep) -> None:
    before = list(damaged.ledger.events)
    damaged.driver.next()
    damaged.train(0, objective=0.125)
    damaged.driver.ended(0, "here")
    (said,) = damaged.printer.said
    assert f"it is not as it was (objective 0.125, was {damaged.ledger.settled[0].objective!r};" in said
    assert damaged.ledger.events == before


def test_a_lost_result_that_cannot_be_had_again_is_said(damaged: Sweep) -> None:
    before = dict(damaged.ledger.settled)
    damaged.driver.next()
    fail(damaged, RAISED)
    (said,) = damaged.printer.said
    assert said.endswith("and was not trained again: ValueError: no")
    assert damaged.ledger.settled == before


def test_trial_that_is_trained_again_may_lose_its_worker_too(damaged: Sweep) -> None:
    before = dict(damaged.ledger.settled)
    damaged.driver.next()
    fail(damaged, LOST)
    assert damaged.driver.waiting
    assert damaged.driver.next().proposal.number == 0
    damaged.train(0)
    fail(damaged, LOST)
    (said,) = damaged.printer.said
    assert said.endswith("it is as it was")
    assert damaged.ledger.settled == before


def test_state_of_a_settled_trial_is_gone(sweep: Sweep) -> None:
    config = sweep.driver.next().proposal.config
    sweep.train(0)
    state = sweep.directory.trial(config.key).state
    state.mkdir()
    (state / "part").write_bytes(b"x")
    sweep.driver.ended(0, "here")
    assert not state.exists()
