"""The recorder: hands a sweep and every settled trial to MLflow, now or in a later session.

Nothing waits for MLflow but the end of a sweep, and that not for long. A settled trial has its result on the disk and
its line in the ledger, so whatever a store does not have can be delivered at any time.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from smartmixed_search.errors import TrackingError
from smartmixed_search.errors.messages import counted
from smartmixed_search.search.keeping.directory import SweepDirectory
from smartmixed_search.search.keeping.events import Event, Proposed, Settled, best_of
from smartmixed_search.search.keeping.resolved import Resolved
from smartmixed_search.search.recording.deliveries import Deliveries
from smartmixed_search.search.recording.delivery import Delivery
from smartmixed_search.search.recording.environment import sweep_environment
from smartmixed_search.search.recording.registration import register_networks
from smartmixed_search.search.recording.sweep_store import make_tracker
from smartmixed_search.tracking.schema import REASON_LENGTH
from smartmixed_search.tracking.store.store import analyze_store, prepare_store
from smartmixed_search.tracking.store.uris import store_name
from smartmixed_search.tracking.writing.writer import Tracker
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.convergence import count_unconverged
from smartmixed_search.trials.records import FAILED, FINISHED, SETTLED, STOPPED
from smartmixed_search.trials.result import TrialResult

_PATIENCE_SECONDS = 30.0
"""How long the end of a sweep waits for a store that accepts nothing."""
_GRACE_SECONDS = 5.0
"""How long it waits for one that accepts something, once the user is impatient."""
_CLOSING_SECONDS = 10.0
"""How long the end of a sweep itself may take to be recorded."""
_ANSWER_SECONDS = 30.0
"""How long the store may take to answer where nobody waits for it."""
_QUIET_SECONDS = 1.0
"""How long it waits without saying what for."""
_SAY_SECONDS = 10.0
"""How often it says so from then on."""
_ANALYZED_EVERY = 100
"""Trials after which the store is analyzed again."""


class Outcome(Protocol):
    """What a sweep has come to."""

    @property
    def trials(self) -> int:
        """Distinct trials that were asked for."""

    @property
    def complete(self) -> bool:
        """Whether nothing is left to run."""


class Recorder:
    """Follows the ledger into MLflow, which need not be there.

    Args:
        directory: of the sweep, whose only writer this process is.
        resolved: the sweep.
        uri: of the tracking store.
        say: shows the user a message; called in the caller's thread.
        running: whether the sweep is being run, and not only recorded.
        sizes: of the dataset, where it is at hand: `Dataset.sizes`.
    """

    def __init__(
        self,
        directory: SweepDirectory,
        resolved: Resolved,
        uri: str,
        say: Callable[[str], None] = lambda message: None,
        *,
        running: bool = True,
        sizes: Mapping[str, Any] | None = None,
    ) -> None:
        self._directory, self._resolved, self._uri = directory, resolved, uri
        self._say, self._running = say, running
        self._environment = sweep_environment(directory, resolved, sizes or {}, say, running=running)
        self._deliveries = Deliveries(directory.deliveries, store_name(uri))
        self._configs: dict[int, dict[str, Any]] = {}
        self._settled: list[Settled] = []
        self._seen = 0
        self._waiting: set[str] = set()
        self._lost: deque[Settled] = deque()
        self._announced: str | None = None
        self._tracker: Tracker | None = None
        self._known: dict[str, tuple[str, str]] = {}
        self._delivered = 0
        self._delivery = Delivery(self._open, self._deliver)

    @property
    def undelivered(self) -> int:
        """Number of settled trials that the store does not have yet."""
        return len(self._waiting)

    @property
    def lost(self) -> list[str]:
        """Keys of the finished trials among them whose results are gone or damaged."""
        return [settled.key for settled in self._lost]

    @property
    def delivered(self) -> int:
        """Number of trials that this recorder has delivered."""
        return self._delivered

    @property
    def problem(self) -> str | None:
        """Why nothing is being delivered at the moment, in one line; None if nothing hinders it."""
        return self._delivery.problem

    def follow(self, events: Sequence[Event]) -> None:
        """Have every trial recorded that has settled since the last call, unless the store has it already."""
        for event in events[self._seen :]:
            match event:
                case Proposed():
                    self._configs[event.number] = event.config
                case Settled():
                    self._settled.append(event)
                    if _delivery(event) not in self._deliveries:
                        self._waiting.add(event.key)
                    self._delivery.add(event)
        self._seen = len(events)
        self._announce()

    def drain(self, patient: Callable[[], bool]) -> None:
        """Wait while trials are being delivered, as long as the caller is patient and the store accepts some.

        Nothing is delivered any more after that.
        """
        for _ in range(len(self._lost)):
            self._delivery.add(self._lost.popleft())  # it may have been trained again
        self._delivery.hurry()
        left, now = self._delivery.waiting, time.monotonic()
        begun, first = now, left
        say_at, give_up_at = now + _QUIET_SECONDS, now + _PATIENCE_SECONDS
        while self._delivery.waiting and (self.undelivered or self.problem is None) and now < give_up_at:
            time.sleep(0.02)
            now = time.monotonic()
            if not patient():
                give_up_at = min(give_up_at, now + _GRACE_SECONDS)
            elif self._delivery.waiting < left:
                left, give_up_at = self._delivery.waiting, now + _PATIENCE_SECONDS
            if now > say_at and self.undelivered:
                rest = _rest(left, (now - begun) / (first - left)) if left < first else ""
                self._say(f"recording {counted(self.undelivered, 'trial')} in MLflow{rest}{self._reason()}")
                say_at = now + _SAY_SECONDS
        self._delivery.stop()

    def close(self, outcome: Outcome) -> None:
        """Record what the sweep has come to, if the store is there; a message says if it was not to be.

        The best networks of a sweep that is complete are registered as models, and of one that is only recorded now;
        those of a confirmation are not, because its sweep is what chooses.
        """
        counts = Counter(one.status for one in self._settled)
        metrics = {status: float(counts[status]) for status in SETTLED}
        metrics["trials"] = outcome.trials
        metrics["unconverged"] = count_unconverged(one.confidence for one in self._settled)
        best = best_of(self._settled)
        if best is not None and best.objective is not None:
            metrics["best_objective"] = best.objective
        if self._tracker is not None and self._tracker.restored:
            self._say(f"brought back {counted(self._tracker.restored, 'run')} that had been deleted in MLflow")
        status = FINISHED if outcome.complete else STOPPED
        self._delivery.close(lambda: self._close(status, metrics))
        closed = self._delivery.wait_closed(_CLOSING_SECONDS)
        if closed is None and not self.undelivered:
            self._say("recording the end of the sweep in MLflow")
            closed = self._delivery.wait_closed(_PATIENCE_SECONDS)
        self._deliveries.close()
        if not closed and not self.undelivered:
            how = "is not recorded in MLflow yet" if closed is None else "could not be recorded in MLflow"
            self._say(f"the end of the sweep {how}{self._reason()}: `smartmixed-search sync` does it")
        final = outcome.complete or not self._running
        if closed and not self.undelivered and final and self._resolved.confirms is None:
            assert self._tracker is not None
            register_networks(self._tracker, self._say)

    def _announce(self) -> None:
        """Tell the user once when the store goes away, and once when it is back."""
        problem = self.problem
        if problem is not None and self._announced is None:
            self._say(f"nothing can be recorded in MLflow now ({problem}); the sweep goes on, and records wait")
        elif problem is None and self._announced is not None:
            self._say("MLflow records again")
        self._announced = problem

    def _reason(self) -> str:
        return "" if self.problem is None else f" ({self.problem})"

    # What follows runs in the delivery's thread.

    def _open(self) -> None:
        prepare_store(self._uri, _ANSWER_SECONDS)
        tracker = make_tracker(self._uri, self._resolved)
        tracker.open_sweep(
            key=self._resolved.key,
            space=self._resolved.space,
            seed=self._resolved.seed,
            environment=self._environment,
            artifacts=(self._directory.space, self._directory.resolved),
            running=self._running,
        )
        self._known = tracker.recorded()
        self._tracker = tracker
        analyze_store(self._uri)

    def _deliver(self, settled: Settled) -> None:
        if self._known.get(settled.key) != (settled.status, (settled.reason or "")[:REASON_LENGTH]):
            self._waiting.add(settled.key)  # although it was delivered once, to a store that has lost it
            if not self._record(settled):
                self._lost.append(settled)
                return
            self._delivered += 1
            if self._delivered % _ANALYZED_EVERY == 0:
                analyze_store(self._uri)
        self._deliveries.add(_delivery(settled))
        self._waiting.discard(settled.key)

    def _record(self, settled: Settled) -> bool:
        """Record a trial; return whether it could be: a finished one may have lost its result."""
        assert self._tracker is not None
        if settled.status == FINISHED:
            result = self._load(settled.key)
            if result is not None:
                self._tracker.record_trial(result)
            return result is not None
        record = {FAILED: self._tracker.record_failure, STOPPED: self._tracker.record_stopped}[settled.status]
        record(TrialConfig.from_dict(self._configs[settled.number]), settled.key, settled.reason or "")
        return True

    def _load(self, key: str) -> TrialResult | None:
        files = self._directory.trial(key)
        result = files.load_whole()
        if result is None or result.weights_path is None:
            return result
        return replace(result, weights_path=str(files.weights))  # the directory may have moved since

    def _close(self, status: str, metrics: dict[str, float]) -> None:
        if self._tracker is None:
            raise TrackingError(self.problem or "it has not answered yet")
        self._tracker.close_sweep(status, metrics)
        analyze_store(self._uri)


def _delivery(settled: Settled) -> str:
    """Return what a delivery is remembered by; a failed trial may be tried again, and is delivered again after that."""
    return f"{settled.key} {FAILED}" if settled.status == FAILED else settled.key


def _rest(count: int, seconds_each: float) -> str:
    """Return how long records take, in words."""
    seconds = count * seconds_each
    return f", about {round(seconds / 60)} minutes more" if seconds >= 90 else f", about {seconds:.0f} seconds more"
