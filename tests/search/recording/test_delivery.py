import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from smartmixed_search.errors import TrackingError
from smartmixed_search.search.recording.delivery import Delivery


class FakeStore:
    """Keeps what it was given; `refuse` decides which attempts fail, `away` whether it can be opened at all."""

    def __init__(self, refuse: Callable[[str], bool] = lambda record: False) -> None:
        self.opened = 0
        self.recorded: list[str] = []
        self.attempts: list[float] = []
        self.threads: set[int] = set()
        self.refuse = refuse
        self.away = False

    def open(self) -> None:
        self.threads.add(threading.get_ident())
        if self.away:
            self.attempts.append(time.monotonic())
            raise TrackingError("the store\nis away")
        self.opened += 1

    def take(self, record: str) -> None:
        self.threads.add(threading.get_ident())
        self.attempts.append(time.monotonic())
        if self.refuse(record):
            raise TrackingError("the store\nis down")
        self.recorded.append(record)


@pytest.fixture
def make() -> Iterator[Callable[..., Delivery[str]]]:
    """Make deliveries, and let their threads end."""
    made: list[Delivery[str]] = []

    def make(store: FakeStore, **waits: float) -> Delivery[str]:
        made.append(Delivery(store.open, store.take, **({"first_wait": 0.01, "longest_wait": 0.04} | waits)))
        return made[-1]

    yield make
    for delivery in made:
        delivery.close(lambda: None)


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


def close(delivery: Delivery[str], store: FakeStore, timeout: float = 10) -> bool | None:
    delivery.close(lambda: store.take("end"))
    return delivery.wait_closed(timeout)


@contextmanager
def hanging() -> Iterator[FakeStore]:
    """A store that does not answer until the context ends."""
    released = threading.Event()
    try:
        yield FakeStore(refuse=lambda record: not released.wait(30))
    finally:
        released.set()


def test_records_are_delivered_in_order_in_one_thread_of_their_own(make: Any) -> None:
    store = FakeStore()
    delivery = make(store)
    for record in "abc":
        delivery.add(record)
    assert eventually(lambda: delivery.waiting == 0)
    assert close(delivery, store) is True
    assert store.recorded == ["a", "b", "c", "end"]
    assert store.opened == 1
    assert len(store.threads - {threading.get_ident()}) == 1


def test_the_store_is_opened_before_there_is_a_record(make: Any) -> None:
    store = FakeStore()
    make(store)
    assert eventually(lambda: store.opened == 1)


def test_a_store_that_cannot_be_opened_loses_nothing(make: Any) -> None:
    store = FakeStore()
    store.away = True
    delivery = make(store)
    for record in "ab":
        delivery.add(record)
    assert eventually(lambda: delivery.problem == "the store is away")
    assert delivery.waiting == 2
    store.away = False
    assert eventually(lambda: delivery.waiting == 0)
    assert delivery.problem is None
    assert sorted(store.recorded) == ["a", "b"]


def test_queueing_never_waits_for_the_store(make: Any) -> None:
    with hanging() as store:
        delivery = make(store)
        for record in "abc":
            delivery.add(record)
        assert delivery.waiting == 3
    store.refuse = lambda record: False
    assert eventually(lambda: delivery.waiting == 0)


def test_an_outage_in_the_middle_delays_and_loses_nothing_and_the_store_is_opened_again(make: Any) -> None:
    down = threading.Event()
    store = FakeStore(refuse=lambda record: down.is_set())
    delivery = make(store)
    delivery.add("a")
    assert eventually(lambda: delivery.waiting == 0)
    down.set()
    delivery.add("b")
    delivery.add("c")
    assert eventually(lambda: delivery.problem == "the store is down")
    down.clear()
    assert eventually(lambda: delivery.waiting == 0)
    assert sorted(store.recorded) == ["a", "b", "c"]
    assert delivery.problem is None
    assert store.opened > 1


def test_attempts_become_rarer_up_to_the_longest_wait(make: Any) -> None:
    store = FakeStore(refuse=lambda record: True)
    make(store, first_wait=0.02, longest_wait=0.08).add("a")
    assert eventually(lambda: len(store.attempts) == 6)
    waits = [later - earlier for earlier, later in zip(store.attempts, store.attempts[1:], strict=False)]
    assert all(wait >= least for wait, least in zip(waits, (0.02, 0.04, 0.08, 0.08, 0.08), strict=False))


def test_a_record_that_is_refused_does_not_hold_up_the_others(make: Any) -> None:
    store = FakeStore(refuse=lambda record: record == "a")
    delivery = make(store)
    for record in "abc":
        delivery.add(record)
    assert eventually(lambda: store.recorded == ["b", "c"])
    assert delivery.waiting == 1


def test_who_is_in_a_hurry_does_not_wait_out_a_long_pause(make: Any) -> None:
    store = FakeStore()
    store.away = True
    delivery = make(store, first_wait=600, longest_wait=600)
    delivery.add("a")
    assert eventually(lambda: delivery.problem is not None)
    store.away = False
    delivery.hurry()
    assert eventually(lambda: delivery.waiting == 0)


def test_nothing_is_tried_after_stop(make: Any) -> None:
    store = FakeStore(refuse=lambda record: True)
    delivery = make(store)
    delivery.add("a")
    assert eventually(lambda: delivery.problem is not None)
    delivery.stop()
    store.refuse = lambda record: False
    delivery.close(lambda: None)
    assert delivery.wait_closed(10)
    assert store.recorded == []
    assert delivery.waiting == 1


def test_close_gives_up_on_an_attempt_that_hangs(make: Any) -> None:
    with hanging() as store:
        delivery = make(store)
        delivery.add("a")
        assert eventually(lambda: len(store.attempts) == 1)
        assert close(delivery, store, 0.1) is None
        assert delivery.waiting == 1


def test_close_says_whether_the_last_thing_was_done(make: Any) -> None:
    store = FakeStore(refuse=lambda record: record == "end")
    delivery = make(store)
    assert close(delivery, store) is False
    assert delivery.problem == "the store is down"
