import pickle
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from smartmixed_search.config import TrialConfig
from smartmixed_search.search.driver import SweepDriver
from smartmixed_search.search.proposals import Proposal
from smartmixed_search.search.queue import Handout
from smartmixed_search.search.tuning import DriverCallback, DriverScheduler, DriverStopper, QueueSearcher

PROPOSAL = Proposal(number=7, config=TrialConfig(dataset="digits", architecture=(8,)), params={})
TRIAL = SimpleNamespace(config={"number": 7})


class Driver(SweepDriver):
    """Remembers what it is called with, and hands out one proposal."""

    def __init__(self) -> None:
        self.fault = None
        self.calls: list[tuple[Any, ...]] = []
        self.handouts: list[Any] = [Handout(PROPOSAL, "abc")]
        self.held = False
        self.ends = False

    @property
    def waiting(self) -> bool:
        return self.held

    @property
    def stopping(self) -> bool:
        return self.ends

    def next(self) -> Handout | None:
        return self.handouts.pop() if self.handouts else None

    def reported(self, *arguments: Any) -> bool:
        self.calls.append(("reported", *arguments))
        return arguments[1]["epoch"] == 1

    def restarted(self, *arguments: Any) -> None:
        self.calls.append(("restarted", *arguments))

    def ended(self, *arguments: Any) -> None:
        self.calls.append(("ended", *arguments))

    def failed(self, *arguments: Any) -> None:
        self.calls.append(("failed", *arguments))


@pytest.fixture
def driver() -> Driver:
    return Driver()


def test_suggestion_is_a_plain_dict(driver):
    wanted = {"number": 7, "config": PROPOSAL.config.to_dict(), "baselines_of": "abc"}
    assert QueueSearcher(driver).suggest("id") == wanted


def test_searcher_is_finished_when_nothing_is_left(driver):
    searcher = QueueSearcher(driver)
    searcher.suggest("first")
    assert searcher.suggest("second") == Searcher.FINISHED


def test_searcher_has_nothing_now_while_trials_are_held_back(driver):
    driver.handouts, driver.held = [], True
    assert QueueSearcher(driver).suggest("id") is None


def test_searcher_is_finished_when_the_driver_is_in_trouble(driver):
    driver.fault = OSError("disk full")
    assert QueueSearcher(driver).suggest("id") == Searcher.FINISHED


def test_callback_passes_everything_on(driver, tmp_path):
    error = Path(tmp_path / "error.txt")
    error.write_text("the actor died")
    callback = DriverCallback(driver)
    callback.on_trial_recover(0, [], TRIAL)
    callback.on_trial_complete(0, [], TRIAL)
    callback.on_trial_error(0, [], SimpleNamespace(config=TRIAL.config, error_file=str(error)))
    assert driver.calls == [
        ("restarted", 7),
        ("ended", 7),
        ("failed", 7, "the actor died"),
    ]


def test_scheduler_stops_the_trials_that_the_driver_says(driver):
    scheduler = DriverScheduler(driver)
    assert scheduler.on_trial_result(None, TRIAL, {"epoch": 0}) == FIFOScheduler.CONTINUE
    assert scheduler.on_trial_result(None, TRIAL, {"epoch": 1}) == FIFOScheduler.STOP
    assert driver.calls == [("reported", 7, {"epoch": 0}), ("reported", 7, {"epoch": 1})]


def test_stopper_ends_the_run_when_the_driver_wants_to(driver):
    stopper = DriverStopper(driver)
    assert not stopper.stop_all()
    driver.ends = True
    assert stopper.stop_all()
    assert not stopper("id", {})


@pytest.mark.parametrize("adapter", [QueueSearcher, DriverScheduler, DriverCallback, DriverStopper])
def test_adapters_are_pickled_without_the_driver(driver, adapter):
    driver.handouts.append(threading.Lock())  # cannot be pickled, as the ledger's open file cannot
    assert not hasattr(pickle.loads(pickle.dumps(adapter(driver))), "_driver")
