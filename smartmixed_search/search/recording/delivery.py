"""Delivery: records travel to MLflow in the background, so that training never waits for it, nor fails with it."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from smartmixed_search.errors.messages import in_short

Record = TypeVar("Record")


class Delivery(Generic[Record]):
    """Delivers records one at a time, in a thread of its own; everything given here is called only in it.

    A record that cannot be delivered goes to the end of the queue, and the next attempt waits: at first for
    `first_wait`, then ever longer up to `longest_wait` seconds, until one succeeds. So an unreachable store is asked
    ever more rarely, and a record that the store refuses does not hold up the others. A queue of records takes as much
    memory as they do: let them say where the data are.

    Args:
        begin: opens the store; called before the first record, whether or not one comes, and again after any failure.
        deliver: delivers a record; may be called again with one that it has delivered.
        first_wait: seconds after a first failure.
        longest_wait: seconds after many.
    """

    def __init__(
        self,
        begin: Callable[[], None],
        deliver: Callable[[Record], None],
        *,
        first_wait: float = 1.0,
        longest_wait: float = 30.0,
    ) -> None:
        self._begin = begin
        self._deliver = deliver
        self._first_wait = first_wait
        self._longest_wait = longest_wait
        self._records: deque[Record] = deque()
        self._changed = threading.Condition()
        self._begun = False
        self._hurried = False
        self._stopped = False
        self._last: Callable[[], None] | None = None
        self._closed = False
        self._problem: str | None = None
        self._thread = threading.Thread(target=self._run, name="smartmixed-delivery", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Number of records that are not delivered yet."""
        return len(self._records)

    @property
    def problem(self) -> str | None:
        """Why the last attempt failed, in one line; None if it did not."""
        return self._problem

    def add(self, record: Record) -> None:
        """Queue a record; returns at once."""
        with self._changed:
            self._records.append(record)
            self._changed.notify()

    def hurry(self) -> None:
        """Try again at once, and from now on after short waits."""
        with self._changed:
            self._hurried = True
            self._changed.notify()

    def close(self, last: Callable[[], None]) -> None:
        """Give up what is not delivered, and have `last` called once an attempt that is under way has come to its end.

        See `wait_closed`.
        """
        with self._changed:
            self._last, self._stopped = last, True
            self._changed.notify()

    def wait_closed(self, timeout: float) -> bool | None:
        """Return whether `last` was done well; None if it is not done within `timeout` seconds, and left to itself."""
        self._thread.join(timeout)
        return None if self._thread.is_alive() else self._closed

    def stop(self) -> None:
        """Begin no further attempt."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _run(self) -> None:
        wait = 0.0
        while self._next_is_due(wait):
            wait = 0.0 if self._try(self._attempt) else min(max(2 * wait, self._first_wait), self._longest_wait)
        with self._changed:
            self._changed.wait_for(lambda: self._last is not None)
        assert self._last is not None
        self._closed = self._try(self._last)

    def _attempt(self) -> None:
        try:
            if not self._begun:
                self._begin()
                self._begun = True
            if self._records:
                self._deliver(self._records[0])
                self._records.popleft()
        except BaseException:
            self._begun = False
            self._records.rotate(-1)
            raise

    def _try(self, action: Callable[[], None]) -> bool:
        try:
            action()
        except Exception as error:  # whatever it is, it must not end the sweep
            self._problem = in_short(error, kind=False)
            return False
        self._problem = None
        return True

    def _next_is_due(self, wait: float) -> bool:
        """Pause after a failure, then wait until there is something to do; False once nothing more is to be tried."""
        with self._changed:
            if self._hurried:
                self._changed.wait_for(lambda: self._stopped, min(wait, self._first_wait))
            else:
                self._changed.wait_for(lambda: self._stopped or self._hurried, wait)
            self._changed.wait_for(lambda: self._stopped or self._records or not self._begun)
            return not self._stopped
