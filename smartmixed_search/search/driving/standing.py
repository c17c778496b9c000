"""Where a sweep stands while it is run: what has settled, and how far the running trials are."""

import time
from collections import Counter
from statistics import median

from smartmixed_search.families import format_architecture
from smartmixed_search.search.driving.progress import Progress
from smartmixed_search.search.keeping.events import Settled, best_of
from smartmixed_search.search.proposing.queue import TrialQueue
from smartmixed_search.trials.records import FAILED, STOPPED


class Standing:
    """Keeps what the progress line shows, from the moment it is made.

    Args:
        queue: whose trials are run.
    """

    def __init__(self, queue: TrialQueue) -> None:
        settled = queue.ledger.settled.values()
        self._queue = queue
        self._started_at = time.monotonic()
        self._trains_since: float | None = None
        self._settled_before = len(settled)
        self._ended = Counter(one.status for one in settled)
        self._best = best_of(settled)
        self._objectives = [one.objective for one in settled if one.objective is not None]
        self._shares: dict[int, float] = {}

    def reached(self, number: int, share: float) -> None:
        """Take note that a running trial has done that share of its epochs."""
        self._trains_since = self._trains_since or time.monotonic()
        self._shares[number] = share

    def left(self, number: int) -> None:
        """Take note that a trial is not running any more, and has not settled again."""
        self._shares.pop(number, None)

    def settled(self, settled: Settled) -> None:
        """Take note that a trial has settled."""
        self._ended[settled.status] += 1
        if settled.objective is not None:
            self._objectives.append(settled.objective)
        self._best = best_of([settled] if self._best is None else [self._best, settled])
        self.left(settled.number)

    def progress(self) -> Progress:
        """Return where the sweep stands now."""
        now, queue = time.monotonic(), self._queue
        return Progress(
            total=queue.trials,
            settled=len(queue.ledger.settled),
            failed=self._ended[FAILED],
            stopped=self._ended[STOPPED],
            running={number: self._shares.get(number, 0.0) for number in queue.running | queue.restoring},
            best=None if self._best is None else (self._best.objective or 0.0, self._architecture(self._best.number)),
            objectives=(len(self._objectives), median(self._objectives) if self._objectives else 0.0),
            elapsed=now - self._started_at,
            training=now - (self._trains_since or self._started_at),
            settled_before=self._settled_before,
        )

    def _architecture(self, number: int) -> str:
        return format_architecture(self._queue.proposal(number).config.architecture)
