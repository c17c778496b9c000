"""The driver of a running sweep: settles trials in the ledger, and lets everything that follows the ledger know."""

import textwrap
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from smartmixed_search.config import format_architecture
from smartmixed_search.result import FAILED, FINISHED, TrialResult
from smartmixed_search.search.directory import SweepDirectory, TrialDirectory
from smartmixed_search.search.files import write_atomically
from smartmixed_search.search.ledger import Event, Settled, best_of
from smartmixed_search.search.progress import Progress
from smartmixed_search.search.proposals import Proposal
from smartmixed_search.search.queue import TrialQueue
from smartmixed_search.tracking.records import choice_metrics

T = TypeVar("T")


class Follower(Protocol):
    """Something that repeats what the ledger says, such as Optuna's study and MLflow."""

    def follow(self, events: Sequence[Event]) -> None:
        """Take note of those of the ledger's events, all of which are given, that are new."""


class Printer(Protocol):
    """Something that shows progress."""

    def update(self, progress: Progress) -> None:
        """Show progress if it is time to."""


class SweepDriver:
    """Stands between Tune's hooks and the ledger.

    Args:
        directory: where results are found.
        queue: whose trials are run.
        followers: kept up to date with the ledger.
        printer: shows progress.
    """

    def __init__(
        self, directory: SweepDirectory, queue: TrialQueue, followers: Sequence[Follower], printer: Printer
    ) -> None:
        self.interrupted = False
        """Whether the user wants to stop; set by a signal handler."""
        self.fault: Exception | None = None
        """What went wrong in the driver itself."""
        self._directory = directory
        self._queue = queue
        self._followers = followers
        self._printer = printer
        self._started_at = time.monotonic()
        self._settled_before = len(queue.ledger.settled)
        self._failed = sum(one.status == FAILED for one in queue.ledger.settled.values())
        self._best = best_of(queue.ledger.settled.values())
        self._shares: dict[int, float] = {}

    @property
    def stopping(self) -> bool:
        """Whether the sweep is to end as soon as possible."""
        return self.interrupted or self.fault is not None

    def guard(self, action: Callable[[], T]) -> T | None:
        """Do something inside one of Tune's hooks; what it raises ends the sweep.

        Left to Tune, an error of the driver (a full disk) would be taken for the failure of a trial.
        """
        if self.fault is None:
            try:
                return action()
            except Exception as error:
                self.fault = error
        return None

    def resume(self) -> None:
        """Let the followers catch up, and settle trials whose results an earlier session left behind unrecorded."""
        self._follow()
        for proposal in self._queue.put_back:
            result = self._files(proposal.number).load_result()
            if result is not None:
                self._settle_result(proposal.number, result)

    def next(self) -> Proposal | None:
        """Return the next trial; None once nothing more is to be run."""
        proposal = self._queue.next()
        self._follow()
        return proposal

    def reported(self, number: int, metrics: dict[str, Any]) -> None:
        """Take note of an epoch, so that the time left can be told."""
        self._shares[number] = (metrics["epoch"] + 1) / metrics["epochs"]

    def restarted(self, number: int) -> None:
        """Take note that a trial begins anew."""
        self._shares.pop(number, None)

    def finished(self, number: int) -> None:
        """Settle a trial that ended by itself: what it left on the disk is what counts."""
        result = self._files(number).load_result()
        assert result is not None
        self._settle_result(number, result)

    def failed(self, number: int, message: str) -> None:
        """Settle a trial that failed for good, for the reason it left behind, or else the one in Ray's `message`."""
        files = self._files(number)
        result = files.load_result()
        if result is not None:  # the worker was lost between its last write and its last word
            self._settle_result(number, result)
            return
        if not files.error.exists():
            files.path.mkdir(exist_ok=True)
            write_atomically(files.error, f"{_reason(message)}\n\n{message}")
        reason = files.error.read_text(encoding="utf-8").split("\n", 1)[0]
        self._settle(Settled(number=number, key=files.path.name, status=FAILED, reason=reason))

    def tick(self) -> None:
        """Show progress, if it is time to."""
        self._printer.update(self.progress())

    def progress(self) -> Progress:
        """Return where the sweep stands."""
        return Progress(
            total=self._queue.trials,
            settled=len(self._queue.ledger.settled),
            failed=self._failed,
            running={number: self._shares.get(number, 0.0) for number in self._queue.running},
            best=None if self._best is None else (self._best.objective or 0.0, self._architecture(self._best.number)),
            elapsed=time.monotonic() - self._started_at,
            settled_before=self._settled_before,
        )

    def _files(self, number: int) -> TrialDirectory:
        return self._directory.trial(self._queue.proposal(number).config.key)

    def _architecture(self, number: int) -> str:
        return format_architecture(self._queue.proposal(number).config.architecture)

    def _settle_result(self, number: int, result: TrialResult) -> None:
        self._settle(
            Settled(
                number=number,
                key=result.key,
                status=FINISHED,
                objective=result.objective,
                confidence=choice_metrics(result.choices)["choice_confidence"],
            )
        )

    def _settle(self, settled: Settled) -> None:
        self._queue.settle(settled)
        self._failed += settled.status == FAILED
        self._best = best_of([settled] if self._best is None else [self._best, settled])
        self._shares.pop(settled.number, None)
        self._follow()

    def _follow(self) -> None:
        for follower in self._followers:
            follower.follow(self._queue.ledger.events)


def _reason(message: str) -> str:
    """Return what Ray says of a trial's last attempt in one line, without the ids that make it look unique."""
    lines = message.rsplit("Failure # ", 1)[-1].splitlines()[1:]
    return textwrap.shorten(" ".join(line for line in lines if not line.startswith("\t")), 300, placeholder=" …")
