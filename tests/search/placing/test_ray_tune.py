import pickle
import threading
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.core.generated.common_pb2 import ActorDiedErrorContext
from ray.exceptions import ActorDiedError, OutOfMemoryError, OwnerDiedError, RayTaskError
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from smartmixed_search.search.driving.driver import SweepDriver
from smartmixed_search.search.placing.ray_tune import DriverCallback, DriverScheduler, DriverStopper, QueueSearcher
from smartmixed_search.search.proposing.proposals import Proposal
from smartmixed_search.search.proposing.queue import Handout
from smartmixed_search.trials.config import TrialConfig

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

    def ended(self, *arguments: Any) -> None:
        self.calls.append(("ended", *arguments))

    def failed(self, *arguments: Any) -> None:
        self.calls.append(("failed", *arguments))


@pytest.fixture
def driver() -> Driver:
    return Driver()


def test_suggestion_is_a_plain_dict(driver: Driver) -> None:
    wanted = {"number": 7, "config": PROPOSAL.config.to_dict(), "baselines_of": "abc"}
    assert QueueSearcher(driver).suggest("id") == wanted


def test_searcher_is_finished_when_nothing_is_left(driver: Driver) -> None:
    searcher = QueueSearcher(driver)
    searcher.suggest("first")
    assert searcher.suggest("second") == Searcher.FINISHED


def test_searcher_has_nothing_now_while_trials_are_held_back(driver: Driver) -> None:
    driver.handouts, driver.held = [], True
    assert QueueSearcher(driver).suggest("id") is None


def test_searcher_is_finished_when_the_driver_is_in_trouble(driver: Driver) -> None:
    driver.fault = OSError("disk full")
    assert QueueSearcher(driver).suggest("id") == Searcher.FINISHED


def error_file(folder: Path, error: Exception) -> Path:
    """Write what Tune writes of an error."""
    path = folder / "error.txt"
    path.write_text(f"Failure # 1 (occurred at 2026-01-01_00-00-00)\n{error}\n")
    return path


def raised(cause: Exception) -> RayTaskError:
    """Return what Ray raises in the driver where a trial has raised something."""
    try:
        raise cause
    except Exception as error:
        text = f"Traceback (most recent call last):\n{traceback.format_exc().partition(chr(10))[2]}"
        return RayTaskError("train", text, error, proctitle="ray::ImplicitFunc.train", pid=7, ip="10.0.0.7")


DIED = ActorDiedError(
    ActorDiedErrorContext(
        actor_id=b"a" * 16, class_name="ImplicitFunc", node_ip_address="10.0.0.7", error_message="Its node has died."
    )
)
LOW = OutOfMemoryError(
    "1 worker(s) were killed due to the node running low on memory. Memory on the node (IP: 10.0.0.7, ID: 9e9f) was "
    "5.19GB used / 23.54GB limit (0.220629)\n15222\t0.05\tray::DashboardAgent"
)
SETBACKS = [
    pytest.param(raised(ValueError("the node is running low on memory")), "raised", id="own error"),
    pytest.param(raised(OwnerDiedError("ab" * 14, b"", "")), "lost", id="the dataset went down with its node"),
    pytest.param(DIED, "lost", id="process or node"),
    pytest.param(LOW, "memory", id="memory monitor"),
    pytest.param(ActorDiedError(raised(ImportError("no such plugin"))), "raised", id="worker that cannot begin"),
]


@pytest.mark.parametrize(("error", "kind"), SETBACKS)
def test_setbacks_are_told_apart_by_what_ray_says(driver: Driver, tmp_path: Path, error: Exception, kind: str) -> None:
    trial = SimpleNamespace(config=TRIAL.config, error_file=str(error_file(tmp_path, error)))
    DriverCallback(driver).on_trial_error(0, [], trial)
    ((what, number, told, host, message),) = driver.calls
    assert (what, number, told, host) == ("failed", 7, kind, "10.0.0.7")
    assert str(error) in message


@pytest.mark.parametrize(("last_result", "host"), [({"node_ip": "10.0.0.7"}, "10.0.0.7"), (None, "")])
def test_callback_passes_on_where_a_trial_ended(driver: Driver, last_result: dict[str, str] | None, host: str) -> None:
    DriverCallback(driver).on_trial_complete(0, [], SimpleNamespace(config=TRIAL.config, last_result=last_result))
    assert driver.calls == [("ended", 7, host)]


def test_scheduler_stops_the_trials_that_the_driver_says(driver: Driver) -> None:
    scheduler = DriverScheduler(driver)
    assert scheduler.on_trial_result(None, TRIAL, {"epoch": 0}) == FIFOScheduler.CONTINUE
    assert scheduler.on_trial_result(None, TRIAL, {"epoch": 1}) == FIFOScheduler.STOP
    assert driver.calls == [("reported", 7, {"epoch": 0}), ("reported", 7, {"epoch": 1})]


def test_stopper_ends_the_run_when_the_driver_wants_to(driver: Driver) -> None:
    stopper = DriverStopper(driver)
    assert not stopper.stop_all()
    driver.ends = True
    assert stopper.stop_all()
    assert not stopper("id", {})


@pytest.mark.parametrize("adapter", [QueueSearcher, DriverScheduler, DriverCallback, DriverStopper])
def test_adapters_are_pickled_without_the_driver(driver: Driver, adapter: type) -> None:
    driver.handouts.append(threading.Lock())  # cannot be pickled, as the ledger's open file cannot
    assert not hasattr(pickle.loads(pickle.dumps(adapter(driver))), "_driver")
