"""The ledger: the one owner of which trials a sweep has and how they ended.

One event a line (see `events`), appended and made durable before anything else learns of it. Optuna's study, MLflow and
the progress line follow the ledger and can be rebuilt from it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from smartmixed_search.errors import SweepError
from smartmixed_search.search.keeping.events import (
    Duplicate,
    Event,
    Proposed,
    Reopened,
    Rung,
    Setback,
    Settled,
    read_event,
    write_event,
)
from smartmixed_search.search.keeping.log import Log, read_lines
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.records import FAILED, SETTLED


class Ledger:
    """An open ledger; a context manager that closes the file.

    Raises:
        SweepError: a line other than a torn last one is not an event.
    """

    def __init__(self, path: Path) -> None:
        self.events: list[Event] = []
        """Every event that stands, in the order of the file: all but outcomes that were taken back."""
        self.proposed: dict[int, Proposed] = {}
        self.duplicates: dict[int, Duplicate] = {}
        self.settled: dict[int, Settled] = {}
        self._setbacks: defaultdict[int, list[Setback]] = defaultdict(list)
        self._log = Log(path)
        for line_number, event in enumerate(_events(path, self._log.lines), start=1):
            if not self._fits(event):
                raise SweepError(_damaged(path, line_number))
            self._note(event)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._log.close()

    @property
    def unfinished(self) -> list[Proposed]:
        """Proposals without an outcome, by number."""
        return [
            proposed
            for number, proposed in sorted(self.proposed.items())
            if number not in self.settled and number not in self.duplicates
        ]

    @property
    def next_number(self) -> int:
        """The number of the next proposal."""
        return len(self.proposed)

    @property
    def consecutive_duplicates(self) -> int:
        """How many of the latest proposals were duplicates, without another one between them."""
        count = 0
        while self.next_number - 1 - count in self.duplicates:
            count += 1
        return count

    def propose(self, number: int, config: dict[str, Any], params: dict[str, Any]) -> None:
        """Record a proposal, before it is handed out."""
        self._append(Proposed(number=number, config=config, params=params))

    def duplicate(self, number: int, of: int) -> None:
        """Record that a proposal is the same trial as an earlier one."""
        self._append(Duplicate(number=number, of=of))

    def rung(self, rung: Rung) -> None:
        """Record how a running trial compared with the others at a rung."""
        self._append(rung)

    def setback(self, setback: Setback) -> int:
        """Record how an attempt at a trial ended; return how often it has had one of that kind."""
        self._append(setback)
        return sum(one.kind == setback.kind for one in self._setbacks[setback.number])

    def settle(self, settled: Settled) -> None:
        """Record how a trial ended; it ends once, unless it is reopened."""
        self._append(settled)

    def reopen_failed(self) -> int:
        """Take back that trials have failed, before anything follows the ledger; return how many."""
        failed = [one.number for one in self.settled.values() if one.status == FAILED]
        for number in failed:
            self._append(Reopened(number=number))
        return len(failed)

    def _fits(self, event: Event) -> bool:
        """Whether an event can follow those before it: numbers without gaps, and one end to every proposal."""
        if isinstance(event, Proposed):
            return event.number == self.next_number
        if isinstance(event, Reopened):
            return event.number in self.settled and self.settled[event.number].status == FAILED
        if isinstance(event, Setback):  # also of one that is trained again since its result was lost
            return event.number in self.proposed and event.number not in self.duplicates
        ended = event.number in self.settled or event.number in self.duplicates
        open_ = event.number in self.proposed and not ended
        match event:
            case Duplicate():
                return open_ and 0 <= event.of < event.number and event.of not in self.duplicates
            case Settled():
                return open_ and event.status in SETTLED
        return open_

    def _append(self, event: Event) -> None:
        assert self._fits(event), f"{event} does not fit"
        self._log.append(write_event(event))
        self._note(event)

    def _note(self, event: Event) -> None:
        match event:
            case Proposed():
                self.proposed[event.number] = event
            case Duplicate():
                self.duplicates[event.number] = event
            case Setback():
                self._setbacks[event.number].append(event)
            case Settled():
                self.settled[event.number] = event
            case Reopened():
                self._setbacks.pop(event.number, None)
                self.events.remove(self.settled.pop(event.number))
                return
        self.events.append(event)


def count_settled(path: Path, *, but_failed: bool = False) -> int:
    """Return how many trials have settled, by a ledger that another process may be writing; 0 if there is none.

    With `but_failed`, those that failed are left out.
    """
    return sum(not (but_failed and one.status == FAILED) for one in read_settled(path))


def read_settled(path: Path) -> list[Settled]:
    """Return how trials ended, by a ledger that another process may be writing."""
    settled: dict[int, Settled] = {}
    for event in _events(path, read_lines(path)):
        match event:
            case Settled():
                settled[event.number] = event
            case Reopened():
                settled.pop(event.number, None)
    return list(settled.values())


def read_configs(path: Path) -> list[TrialConfig]:
    """Return the configurations that were proposed, by number; another process may be writing the ledger."""
    events = _events(path, read_lines(path))
    return [TrialConfig.from_dict(event.config) for event in events if isinstance(event, Proposed)]


def _events(path: Path, lines: Iterable[bytes]) -> Iterator[Event]:
    for line_number, line in enumerate(lines, start=1):
        try:
            yield read_event(line)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SweepError(_damaged(path, line_number)) from error


def _damaged(path: Path, line_number: int) -> str:
    return f"line {line_number} of the ledger {path} is damaged; restore it from a copy, or choose another --name"
