import pickle
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.search import Searcher

from smartmixed_search.config import TrialConfig
from smartmixed_search.search.driver import SweepDriver
from smartmixed_search.search.proposals import Proposal
from smartmixed_search.search.tuning import DriverCallback, DriverStopper, QueueSearcher

PROPOSAL = Proposal(number=7, config=TrialConfig(dataset="digits", architecture=(8,)), params={})
TRIAL = SimpleNamespace(config={"number": 7})


class Driver(SweepDriver):
    """Remembers what it is called with, and hands out one proposal."""

    def __init__(self) -> None:
        self.interrupted = False
        self.fault = None
        self.calls: list[tuple[Any, ...]] = []
        self.proposals = [PROPOSAL]

    def next(self) -> Proposal | None:
        return self.proposals.pop() if self.proposals else None

    def reported(self, *arguments: Any) -> None:
        self.calls.append(("reported", *arguments))

    def restarted(self, *arguments: Any) -> None:
        self.calls.append(("restarted", *arguments))

    def finished(self, *arguments: Any) -> None:
        self.calls.append(("finished", *arguments))

    def failed(self, *arguments: Any) -> None:
        self.calls.append(("failed", *arguments))


@pytest.fixture
def driver() -> Driver:
    return Driver()


def test_suggestion_is_a_plain_dict(driver):
    assert QueueSearcher(driver).suggest("id") == {"number": 7, "config": PROPOSAL.config.to_dict()}


def test_searcher_is_finished_when_nothing_is_left(driver):
    searcher = QueueSearcher(driver)
    searcher.suggest("first")
    assert searcher.suggest("second") == Searcher.FINISHED


def test_searcher_is_finished_when_the_driver_is_in_trouble(driver):
    driver.fault = OSError("disk full")
    assert QueueSearcher(driver).suggest("id") == Searcher.FINISHED


def test_callback_passes_everything_on(driver, tmp_path):
    error = Path(tmp_path / "error.txt")
    error.write_text("the actor died")
    callback = DriverCallback(driver)
    callback.on_trial_result(0, [], TRIAL, {"epoch": 1, "epochs": 2})
    callback.on_trial_recover(0, [], TRIAL)
    callback.on_trial_complete(0, [], TRIAL)
    callback.on_trial_error(0, [], SimpleNamespace(config=TRIAL.config, error_file=str(error)))
    assert driver.calls == [
        ("reported", 7, {"epoch": 1, "epochs": 2}),
        ("restarted", 7),
        ("finished", 7),
        ("failed", 7, "the actor died"),
    ]


@pytest.mark.parametrize("trouble", [{"interrupted": True}, {"fault": OSError("disk full")}])
def test_stopper_ends_the_run_when_the_driver_wants_to(driver, trouble):
    stopper = DriverStopper(driver)
    assert not stopper.stop_all()
    for name, value in trouble.items():
        setattr(driver, name, value)
    assert stopper.stop_all()
    assert not stopper("id", {})


@pytest.mark.parametrize("adapter", [QueueSearcher, DriverCallback, DriverStopper])
def test_adapters_are_pickled_without_the_driver(driver, adapter):
    driver.proposals.append(threading.Lock())  # cannot be pickled, as the ledger's open file cannot
    assert not hasattr(pickle.loads(pickle.dumps(adapter(driver))), "_driver")
