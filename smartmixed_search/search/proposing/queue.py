"""The queue of a sweep's trials: which one is next, and when there are enough. Decides; runs nothing."""

import math
from collections import defaultdict, deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from smartmixed_search.search.keeping.events import Duplicate, Proposed, Settled
from smartmixed_search.search.keeping.ledger import Ledger
from smartmixed_search.search.proposing.proposals import Proposal
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.records import FINISHED

EXHAUSTED_AFTER = 50
"""Duplicate proposals in a row after which a space counts as exhausted."""


class Proposes(Protocol):
    """Something that says which trials there are."""

    def propose(self, number: int) -> Proposal:
        """Return the proposal of that number, counted from 0."""

    def tell(self, proposal: Proposal, status: str, value: float | None) -> None:
        """Take note of how a proposal ended."""


@dataclass(frozen=True)
class Handout:
    """A trial that is to be run now."""

    proposal: Proposal
    baselines_of: str | None
    """Key of a finished trial whose baselines it can reuse."""


class TrialQueue:
    """Hands out distinct trials until as many are settled as were asked for; starts where the ledger ends.

    A trial whose baselines another one is training just now is held back until it can reuse them.

    Args:
        ledger: told of every event before anybody else, and replayed here at the start.
        proposer: proposes configurations, and is told every outcome, those of duplicates included.
        trials: distinct trials to settle.
        concurrency: how many trials may be running or held back: more would be proposed without need, knowing less.
        reuse: whether trials may reuse baselines.
        restore: keys of settled trials whose results are lost: before any other, they are handed out once more.
    """

    def __init__(
        self,
        ledger: Ledger,
        proposer: Proposes,
        trials: int,
        *,
        concurrency: float = math.inf,
        reuse: bool = True,
        restore: Collection[str] = (),
    ) -> None:
        self.ledger = ledger
        self.trials = trials
        self.running: dict[int, Proposal] = {}
        """Trials handed out and not yet settled, by number."""
        self.restoring: dict[int, Handout] = {}
        """Settled trials handed out again, by number, until they are back: `restored`."""
        self._proposer = proposer
        self._concurrency = concurrency
        self._reuse = reuse
        self._proposals: dict[int, Proposal] = {}
        self._first: dict[str, int] = {}
        self._told: dict[int, Settled] = {}
        self._awaiting: defaultdict[int, list[int]] = defaultdict(list)
        self._baselines: dict[str, str] = {}
        self._trained_by: dict[str, str] = {}
        self._held: list[Proposal] = []
        self._again: deque[Proposal] = deque()
        for event in ledger.events:
            match event:
                case Proposed():
                    self._remember(_proposal(event))
                case Duplicate():
                    self._tell_duplicate(event)
                case Settled():
                    self._tell(event)
        self._put_back = deque(self._proposals[proposed.number] for proposed in ledger.unfinished)
        self._lost = [self._as_before(one) for one in ledger.settled.values() if one.key in restore]
        self._away = {lost.proposal.config.key for lost in self._lost}

    @property
    def exhausted(self) -> bool:
        """Whether the space holds no further trial, as far as proposals can tell."""
        return self.ledger.consecutive_duplicates >= EXHAUSTED_AFTER

    @property
    def left(self) -> int:
        """How many trials are not settled yet, of those asked for."""
        return max(0, self.trials - len(self.ledger.settled))

    @property
    def done(self) -> bool:
        """Whether nothing is left to run."""
        if self._lost or self.restoring:
            return False
        return not self.left or (self.exhausted and not (self._put_back or self.waiting))

    @property
    def waiting(self) -> bool:
        """Whether trials may be left to hand out later: held back until others have settled, or to be tried again."""
        return bool(self._held or self.running or self._again or self._lost or self.restoring)

    @property
    def put_back(self) -> list[Proposal]:
        """Trials of an earlier session that have no outcome and have not been handed out again."""
        return [proposal for proposal in self._put_back if self._first[proposal.config.key] == proposal.number]

    def proposal(self, number: int) -> Proposal:
        """Return the proposal of that number."""
        return self._proposals[number]

    def next(self) -> Handout | None:
        """Hand out the next trial; None if there is none, or none before others have settled: see `waiting`."""
        for lost in self._lost:
            if lost.baselines_of not in self._away:
                self._lost.remove(lost)
                self.restoring[lost.proposal.number] = lost
                return lost
        if self._again:
            return self._hand_out(self._again.popleft())
        for proposal in self._held:
            if self._is_ready(proposal):
                self._held.remove(proposal)
                return self._hand_out(proposal)
        while self._wants_more():
            proposal = self._put_back.popleft() if self._put_back else self._propose()
            first = self._first[proposal.config.key]
            if first != proposal.number:
                duplicate = Duplicate(number=proposal.number, of=first)
                self.ledger.duplicate(duplicate.number, duplicate.of)
                self._tell_duplicate(duplicate)
            elif self._is_ready(proposal):
                return self._hand_out(proposal)
            else:
                self._held.append(proposal)
        return None

    def retry(self, number: int) -> None:
        """Have a trial that is running handed out again, before any other; those held back for it still wait."""
        if number in self.restoring:
            self._lost.insert(0, self.restoring.pop(number))
        else:
            self._again.append(self.running.pop(number))

    def settle(self, settled: Settled) -> None:
        """Record how a trial ended, and tell the proposer, also for the duplicates that waited for it."""
        self.ledger.settle(settled)
        self.running.pop(settled.number, None)
        self._put_back = deque(proposal for proposal in self._put_back if proposal.number != settled.number)
        self._tell(settled)

    def restored(self, number: int) -> Settled:
        """Take back a trial that was handed out again, and return how it ended the first time: that stays as it is."""
        del self.restoring[number]
        settled = self.ledger.settled[number]
        self._away.remove(settled.key)
        return settled

    def _wants_more(self) -> bool:
        busy = len(self.running) + len(self._held)
        enough = len(self.ledger.settled) + busy >= self.trials or busy >= self._concurrency
        return not enough and bool(self._put_back or not self.exhausted)

    def _is_ready(self, proposal: Proposal) -> bool:
        """Whether no trial is training the baselines that this one could reuse, for the first time or again."""
        wanted = proposal.config.baseline_key
        if not self._reuse or not proposal.config.baselines:
            return True
        if wanted in self._baselines:
            return self._baselines[wanted] not in self._away
        return all(other.config.baseline_key != wanted for other in self.running.values())

    def _hand_out(self, proposal: Proposal) -> Handout:
        self.running[proposal.number] = proposal
        return Handout(proposal, self._baselines.get(proposal.config.baseline_key) if self._reuse else None)

    def _as_before(self, lost: Settled) -> Handout:
        """Hand out a settled trial with the baselines it had: of the first to finish with them, unless that is itself.

        A stack of other networks rounds otherwise, so that the result would not be the same to the last bit.
        """
        proposal = self._proposals[lost.number]
        first = self._trained_by[proposal.config.baseline_key]
        return Handout(proposal, first if self._reuse and first != lost.key else None)

    def _propose(self) -> Proposal:
        proposal = self._proposer.propose(self.ledger.next_number)
        self.ledger.propose(proposal.number, proposal.config.to_dict(), proposal.params)
        self._remember(proposal)
        return proposal

    def _remember(self, proposal: Proposal) -> None:
        self._proposals[proposal.number] = proposal
        self._first.setdefault(proposal.config.key, proposal.number)

    def _tell(self, settled: Settled) -> None:
        self._told[settled.number] = settled
        if settled.status == FINISHED:
            shared = self._proposals[settled.number].config.baseline_key
            self._trained_by.setdefault(shared, settled.key)
            # The latest one: it has all that it has taken over, and an earlier one may have been run without reuse.
            self._baselines[shared] = settled.key
        for number in (settled.number, *self._awaiting.pop(settled.number, ())):
            self._proposer.tell(self._proposals[number], settled.status, settled.objective)

    def _tell_duplicate(self, duplicate: Duplicate) -> None:
        known = self._told.get(duplicate.of)
        if known is None:
            self._awaiting[duplicate.of].append(duplicate.number)
        else:
            self._proposer.tell(self._proposals[duplicate.number], known.status, known.objective)


def _proposal(event: Proposed) -> Proposal:
    return Proposal(number=event.number, config=TrialConfig.from_dict(event.config), params=event.params)
