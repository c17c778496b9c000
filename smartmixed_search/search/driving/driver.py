"""The driver of a running sweep: settles trials in the ledger, and lets everything that follows the ledger know."""

import textwrap
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from smartmixed_search.errors import SweepError
from smartmixed_search.search.driving.progress import Progress
from smartmixed_search.search.driving.setbacks import Setbacks
from smartmixed_search.search.driving.standing import Standing
from smartmixed_search.search.keeping.directory import SweepDirectory
from smartmixed_search.search.keeping.events import RAISED, Event, Setback, Settled
from smartmixed_search.search.keeping.trial_directory import TrialDirectory
from smartmixed_search.search.proposing.halving import Halving
from smartmixed_search.search.proposing.queue import Handout, TrialQueue
from smartmixed_search.system.files import remove, write_atomically
from smartmixed_search.trials.records import FAILED, FINISHED, STOPPED, choice_metrics
from smartmixed_search.trials.result import TrialResult

T = TypeVar("T")

GRACE_SECONDS = 15.0
"""How long an interrupted sweep waits for running trials to keep where they are."""

_UNSHARED = "Unable to set up cluster storage"
"""What Tune says where a node does not see the sweep's directory."""


class Follower(Protocol):
    """Something that repeats what the ledger says, such as Optuna's study and MLflow."""

    def follow(self, events: Sequence[Event]) -> None:
        """Take note of those of the ledger's events, all of which are given, that are new."""


class Printer(Protocol):
    """Something that shows progress."""

    def update(self, progress: Progress) -> None:
        """Show progress if it is time to."""

    def say(self, message: str) -> None:
        """Show a message."""


class SweepDriver:
    """Stands between Tune's hooks and the ledger.

    Args:
        directory: where results are found.
        queue: whose trials are run.
        halving: decides which trials are stopped early.
        followers: kept up to date with the ledger.
        printer: shows progress.
        max_failures: how often a trial that raises is tried again.
        check: called regularly; raises what must end the sweep.
    """

    def __init__(
        self,
        directory: SweepDirectory,
        queue: TrialQueue,
        halving: Halving,
        followers: Sequence[Follower],
        printer: Printer,
        *,
        max_failures: int = 1,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.fault: Exception | None = None
        """What went wrong in the driver itself, or would go wrong in every trial."""
        self.standing = Standing(queue)
        self._directory = directory
        self._queue = queue
        self._halving = halving
        self._followers = followers
        self._printer = printer
        self._check = check
        self._setbacks = Setbacks(queue.ledger, max_failures)
        self._interrupted_at: float | None = None
        self._asked_to_stop = False
        self._active: set[int] = set()
        self._followed = 0

    @property
    def interrupted(self) -> bool:
        """Whether the user wants to stop."""
        return self._interrupted_at is not None

    @property
    def stopping(self) -> bool:
        """Whether the sweep is to end now: an interrupted one waits until running trials have kept where they are."""
        if self.fault is not None:
            return True
        waited = 0.0 if self._interrupted_at is None else time.monotonic() - self._interrupted_at
        return self.interrupted and (not self._active or waited > GRACE_SECONDS)

    @property
    def waiting(self) -> bool:
        """Whether there will be more trials, though not now."""
        return self._queue.waiting and not self.interrupted and self.fault is None

    def interrupt(self) -> None:
        """Begin to end the sweep; fit for a signal handler."""
        self._interrupted_at = self._interrupted_at or time.monotonic()

    def guard(self, action: Callable[[], T]) -> T | None:
        """Do something inside one of Tune's hooks; what it raises ends the sweep.

        Left to Tune, an error of the driver (a full disk) would be taken for the failure of a trial.
        """
        if self.fault is None:
            try:
                return action()
            except Exception as error:
                self.end(error)
        return None

    def end(self, fault: Exception) -> None:
        """Have the sweep end for a fault; of several the first one counts."""
        self.fault = self.fault or fault

    def resume(self) -> None:
        """Let the followers catch up, and settle trials that an earlier session left behind with an outcome."""
        self._follow()
        for proposal in self._queue.put_back:
            self._settle_ended(proposal.number)

    def next(self) -> Handout | None:
        """Return the next trial; None if there is none: see `waiting`."""
        if self.interrupted:
            return None
        handout = self._queue.next()
        if self._followed < len(self._queue.ledger.events):  # Tune asks again and again while trials are running
            self._follow()
        if handout is not None:
            self._active.add(handout.proposal.number)
        return handout

    def reported(self, number: int, metrics: dict[str, Any]) -> bool:
        """Take note of an epoch, or of why no trial can go on; return whether the trial is to be stopped.

        Raises:
            SweepError: no trial can go on.
        """
        if "halt" in metrics:
            raise SweepError(metrics["halt"])
        epochs = metrics["epoch"] + 1
        self.standing.reached(number, epochs / metrics["epochs"])
        if number in self._queue.restoring:  # it has passed its rungs
            return False
        return "margin" in metrics and self._halving.stops(number, epochs, metrics["margin"])

    def ended(self, number: int, host: str) -> None:
        """Settle a trial that ended by itself or was stopped: what it left on the disk is what counts.

        One that was interrupted left nothing but its state.
        """
        self._active.discard(number)
        self._setbacks.ended_well(host)
        if number in self._queue.restoring:
            self._restore(number, "it was interrupted")
            return
        settled = self._settle_ended(number)
        assert settled or self.interrupted, f"trial {number} ended without a result"

    def failed(self, number: int, kind: str, host: str, message: str) -> None:
        """Have a trial tried again, or settle it if it has had too many setbacks.

        Args:
            number: of the trial.
            kind: of setback; what raised left its reason behind.
            host: where it was.
            message: what Ray says of it.

        Raises:
            SweepError: no trial can go on, here or on that host.
        """
        self._active.discard(number)
        if _UNSHARED in message:
            raise SweepError(self._directory.unshared("a node"))
        files = self._files(number)
        restoring = number in self._queue.restoring
        if restoring and files.load_whole() is not None:
            self._restore(number)
            return
        if not restoring and self._settle_ended(number):  # the worker was lost between its last write and its last word
            return
        if self.interrupted:  # what interrupts a whole job may end its workers, too: the trial goes on with the sweep
            return
        reason = _why_failed(files, kind, message)
        setback = Setback(number=number, kind=kind, host=host, reason=reason)
        failure = self._setbacks.note(setback)
        if failure is None:
            self.standing.left(number)
            self._queue.retry(number)
        elif restoring:
            self._restore(number, failure)
        else:
            self._settle(Settled(number=number, key=files.path.name, status=FAILED, reason=failure))
        self._setbacks.check(setback)

    def tick(self) -> None:
        """Do regular work: see that the sweep may go on, show progress, pass on that the user wants to stop."""
        self._check()
        self._printer.update(self.standing.progress())
        if self.interrupted and not self._asked_to_stop:
            self._asked_to_stop = True
            self._printer.say("stopping: running trials save how far they are; interrupt again to end at once")
            write_atomically(self._directory.stop, "")

    def _files(self, number: int) -> TrialDirectory:
        return self._directory.trial(self._queue.proposal(number).config.key)

    def _restore(self, number: int, reason: str = "") -> None:
        """Compare a trial that was trained again, unless it was not for some reason, with what the ledger says of it.

        Where they differ, on another machine or number of threads say, what is on the disk now is a result like any
        other and is delivered, and the ledger keeps what the search has gone by.
        """
        before, files = self._queue.restored(number), self._files(number)
        self.standing.left(number)
        result = files.load_whole()
        if result is None:
            self._printer.say(f"trial {before.key} has lost its result, and was not trained again: {reason}")
            return
        remove(files.state)
        now = _finished(number, result)
        if (now.objective, now.confidence) == (before.objective, before.confidence):
            self._printer.say(f"trial {before.key} had lost its result, and was trained again: it is as it was")
        else:
            self._printer.say(
                f"trial {before.key} had lost its result, and was trained again: it is not as it was (objective "
                f"{now.objective!r}, was {before.objective!r}; confidence {now.confidence!r}, was "
                f"{before.confidence!r}); MLflow gets it as it is now, and the search has gone by what it was"
            )

    def _settle_ended(self, number: int) -> bool:
        """Settle a trial that has a result or was stopped; return whether it has."""
        result, stopped = self._files(number).load_whole(), self._halving.stopped(number)
        if result is not None:
            self._settle(_finished(number, result))
        elif stopped is not None:
            key = self._queue.proposal(number).config.key
            self._settle(Settled(number=number, key=key, status=STOPPED, reason=stopped))
        return result is not None or stopped is not None

    def _settle(self, settled: Settled) -> None:
        self._queue.settle(settled)
        self.standing.settled(settled)
        remove(self._files(settled.number).state)
        self._follow()

    def _follow(self) -> None:
        self._followed = len(self._queue.ledger.events)
        for follower in self._followers:
            follower.follow(self._queue.ledger.events)


def _finished(number: int, result: TrialResult) -> Settled:
    return Settled(
        number=number,
        key=result.key,
        status=FINISHED,
        objective=result.objective,
        confidence=choice_metrics(result.choices)["choice_confidence"],
    )


def _why_failed(files: TrialDirectory, kind: str, message: str) -> str:
    """Return why an attempt failed, as the trial that raised said itself, otherwise as Ray says it, which is kept."""
    if kind != RAISED or not files.error.exists():
        files.path.mkdir(parents=True, exist_ok=True)
        write_atomically(files.error, f"{_reason(message)}\n\n{message}")
    return files.error.read_text(encoding="utf-8").split("\n", 1)[0]


def _reason(message: str) -> str:
    """Return what Ray says of an attempt in one line, without the ids that make it look unique."""
    lines = message.splitlines()[1:]
    return textwrap.shorten(" ".join(line for line in lines if not line.startswith("\t")), 300, placeholder=" …")
