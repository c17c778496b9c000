import threading
import time
from collections.abc import Callable
from typing import Any

from smartmixed_search.config import TrialConfig
from smartmixed_search.errors import TrackingError
from smartmixed_search.result import TrialResult
from smartmixed_search.tracking.delivery import Delivery
from tests.factories import make_result

RESULTS = [make_result(seed=seed, accuracies={"smartmixed": 0.9, "relu": 0.8}) for seed in range(3)]
KEYS = [result.key for result in RESULTS]


class FakeTracker:
    """Keeps the keys it was given; `refuse` decides which attempts fail."""

    def __init__(self, refuse: Callable[[str], bool] = lambda key: False) -> None:
        self.recorded: list[str] = []
        self.attempts: list[float] = []
        self.refuse = refuse

    def record_trial(self, result: TrialResult) -> None:
        self._record(result.key)

    def record_failure(self, config: TrialConfig, key: str, reason: str) -> None:
        self._record(f"{key}: {reason}")

    def _record(self, what: str) -> None:
        self.attempts.append(time.monotonic())
        if self.refuse(what):
            raise TrackingError("the store\nis down")
        self.recorded.append(what)


def make_delivery(tracker: Any, delivered: list[str] | None = None, **waits: float) -> Delivery:
    waits = {"first_wait": 0.01, "longest_wait": 0.04} | waits
    return Delivery(tracker, ([] if delivered is None else delivered).append, **waits)


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


def test_records_are_delivered_in_order_and_announced() -> None:
    tracker, delivered = FakeTracker(), []
    delivery = make_delivery(tracker, delivered)
    for result in RESULTS:
        delivery.trial(result)
    delivery.failure(RESULTS[0].config, "key", "reason")
    assert delivery.close(10) == 0
    assert tracker.recorded == [*KEYS, "key: reason"]
    assert delivered == [*KEYS, "key"]


def test_queueing_never_waits_for_the_store() -> None:
    released = threading.Event()
    tracker = FakeTracker(refuse=lambda key: not released.wait(10))
    delivery = make_delivery(tracker)
    start = time.monotonic()
    for result in RESULTS:
        delivery.trial(result)
    assert time.monotonic() - start < 1
    assert delivery.undelivered == 3
    released.set()
    assert delivery.close(10) == 0


def test_an_outage_in_the_middle_delays_and_loses_nothing() -> None:
    down = threading.Event()
    tracker = FakeTracker(refuse=lambda key: down.is_set())
    delivery = make_delivery(tracker)
    delivery.trial(RESULTS[0])
    assert eventually(lambda: delivery.undelivered == 0)
    down.set()
    delivery.trial(RESULTS[1])
    delivery.trial(RESULTS[2])
    assert eventually(lambda: delivery.problem == "the store is down")
    down.clear()
    assert delivery.close(10) == 0
    assert sorted(tracker.recorded) == sorted(KEYS)
    assert delivery.problem is None


def test_attempts_become_rarer_up_to_the_longest_wait() -> None:
    tracker = FakeTracker(refuse=lambda key: True)
    delivery = make_delivery(tracker, first_wait=0.02, longest_wait=0.08)
    delivery.trial(RESULTS[0])
    assert eventually(lambda: len(tracker.attempts) == 6)
    delivery.close(0)
    waits = [later - earlier for earlier, later in zip(tracker.attempts, tracker.attempts[1:], strict=False)]
    assert all(wait >= least for wait, least in zip(waits, (0.02, 0.04, 0.08, 0.08, 0.08), strict=False))


def test_close_reports_what_is_undelivered_when_time_is_up() -> None:
    delivered: list[str] = []
    delivery = make_delivery(FakeTracker(refuse=lambda key: True), delivered)
    for result in RESULTS:
        delivery.trial(result)
    start = time.monotonic()
    assert delivery.close(0.2) == 3
    assert time.monotonic() - start < 2
    assert delivered == []


def test_close_does_not_wait_out_a_long_pause() -> None:
    down = threading.Event()
    down.set()
    tracker = FakeTracker(refuse=lambda key: down.is_set())
    delivery = make_delivery(tracker, first_wait=60, longest_wait=60)
    delivery.trial(RESULTS[0])
    assert eventually(lambda: delivery.problem is not None)
    down.clear()
    start = time.monotonic()
    assert delivery.close(30) == 0
    assert time.monotonic() - start < 5


def test_close_returns_in_time_while_an_attempt_hangs() -> None:
    released = threading.Event()
    delivery = make_delivery(FakeTracker(refuse=lambda key: not released.wait(30)))
    delivery.trial(RESULTS[0])
    start = time.monotonic()
    assert delivery.close(0.1) == 1
    assert time.monotonic() - start < 2
    released.set()


def test_a_record_that_is_refused_does_not_hold_up_the_others() -> None:
    tracker = FakeTracker(refuse=lambda key: key == KEYS[0])
    delivery = make_delivery(tracker)
    for result in RESULTS:
        delivery.trial(result)
    assert eventually(lambda: len(tracker.recorded) == 2)
    assert delivery.close(0.1) == 1


def test_an_error_of_the_announcement_leaves_the_record_undelivered() -> None:
    def disk_full(key: str) -> None:
        raise OSError("disk full")

    delivery = Delivery(FakeTracker(), disk_full, first_wait=0.01, longest_wait=0.01)  # type: ignore[arg-type]
    delivery.trial(RESULTS[0])
    assert eventually(lambda: delivery.problem == "disk full")
    assert delivery.close(0) == 1


def test_closing_without_records_is_immediate() -> None:
    start = time.monotonic()
    assert make_delivery(FakeTracker()).close(30) == 0
    assert time.monotonic() - start < 2
