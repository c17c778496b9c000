"""Delivery: records travel to MLflow in the background, so that training never waits for it, nor fails with it."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from smartmixed_search.config import TrialConfig
from smartmixed_search.result import TrialResult
from smartmixed_search.tracking.writer import Tracker


@dataclass(frozen=True)
class _Record:
    key: str
    write: Callable[[], None]


class Delivery:
    """Hands the records of settled trials to a tracker, one at a time, in a thread of its own.

    A record that cannot be delivered goes to the end of the queue, and the next attempt waits: at first for
    `first_wait`, then ever longer up to `longest_wait` seconds, until one succeeds. So an unreachable store is asked
    ever more rarely, and a record that the store refuses does not hold up the others.

    Args:
        tracker: where `open_sweep` has been called; used by no other thread until `close`.
        on_delivered: called in the thread with the key of every trial that MLflow has completely.
        first_wait: seconds after a first failure.
        longest_wait: seconds after many.
    """

    def __init__(
        self,
        tracker: Tracker,
        on_delivered: Callable[[str], None],
        *,
        first_wait: float = 1.0,
        longest_wait: float = 30.0,
    ) -> None:
        self._tracker = tracker
        self._on_delivered = on_delivered
        self._first_wait = first_wait
        self._longest_wait = longest_wait
        self._records: deque[_Record] = deque()
        self._changed = threading.Condition()
        self._deadline: float | None = None
        self._problem: str | None = None
        self._thread = threading.Thread(target=self._deliver_all, name="smartmixed-delivery", daemon=True)
        self._thread.start()

    @property
    def undelivered(self) -> int:
        """Number of records that MLflow does not have yet."""
        return len(self._records)

    @property
    def problem(self) -> str | None:
        """Why the last attempt failed, in one line; None if it did not."""
        return self._problem

    def trial(self, result: TrialResult) -> None:
        """Queue a finished trial; returns at once."""
        self._add(_Record(result.key, lambda: self._tracker.record_trial(result)))

    def failure(self, config: TrialConfig, key: str, reason: str) -> None:
        """Queue a failed trial; returns at once."""
        self._add(_Record(key, lambda: self._tracker.record_failure(config, key, reason)))

    def close(self, timeout: float) -> int:
        """Try until everything is delivered, or for `timeout` seconds, and return how many records are not.

        An attempt that is under way then is left to itself; the others are given up.
        """
        with self._changed:
            self._deadline = time.monotonic() + timeout
            self._changed.notify()
        self._thread.join(timeout)
        return self.undelivered

    def _add(self, record: _Record) -> None:
        with self._changed:
            self._records.append(record)
            self._changed.notify()

    def _deliver_all(self) -> None:
        wait = 0.0
        while self._next_is_due(wait):
            record = self._records[0]
            try:
                record.write()
                self._on_delivered(record.key)
            except Exception as error:  # whatever it is, it must not end the sweep
                self._problem = " ".join(str(error).split()) or type(error).__name__
                self._records.rotate(-1)
                wait = min(max(2 * wait, self._first_wait), self._longest_wait)
            else:
                self._problem = None
                self._records.popleft()
                wait = 0.0

    def _next_is_due(self, wait: float) -> bool:
        """Pause after a failure, then wait for a record; False once there will be none, or time is up."""
        with self._changed:
            if self._deadline is None:
                self._changed.wait_for(lambda: self._deadline is not None, wait)
            else:
                self._changed.wait(min(wait, self._first_wait))
            self._changed.wait_for(lambda: self._records or self._deadline is not None)
            return bool(self._records) and (self._deadline is None or time.monotonic() < self._deadline)
