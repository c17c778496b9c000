"""The queue of a sweep's trials: which one is next, and when there are enough. Decides; runs nothing."""

from collections import defaultdict, deque

from smartmixed_search.config import TrialConfig
from smartmixed_search.search.ledger import Duplicate, Ledger, Proposed, Settled
from smartmixed_search.search.proposals import Proposal, Proposer

EXHAUSTED_AFTER = 50
"""Duplicate proposals in a row after which a space counts as exhausted."""


class TrialQueue:
    """Hands out distinct trials until as many are settled as were asked for; starts where the ledger ends.

    Args:
        ledger: told of every event before anybody else, and replayed here at the start.
        proposer: proposes configurations, and is told every outcome, those of duplicates included.
        trials: distinct trials to settle.
    """

    def __init__(self, ledger: Ledger, proposer: Proposer, trials: int) -> None:
        self.ledger = ledger
        self.trials = trials
        self.running: dict[int, Proposal] = {}
        """Trials handed out and not yet settled, by number."""
        self._proposer = proposer
        self._proposals: dict[int, Proposal] = {}
        self._first: dict[str, int] = {}
        self._told: dict[int, Settled] = {}
        self._awaiting: defaultdict[int, list[int]] = defaultdict(list)
        for event in ledger.events:
            match event:
                case Proposed():
                    self._remember(_proposal(event))
                case Duplicate():
                    self._tell_duplicate(event)
                case Settled():
                    self._tell(event)
        self._put_back = deque(self._proposals[proposed.number] for proposed in ledger.unfinished)

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
        return not self.left or (self.exhausted and not self._put_back and not self.running)

    @property
    def put_back(self) -> list[Proposal]:
        """Trials of an earlier session that have no outcome and have not been handed out again."""
        return [proposal for proposal in self._put_back if self._first[proposal.config.key] == proposal.number]

    def proposal(self, number: int) -> Proposal:
        """Return the proposal of that number."""
        return self._proposals[number]

    def next(self) -> Proposal | None:
        """Hand out the next trial; None once nothing more is to be run."""
        while len(self.ledger.settled) + len(self.running) < self.trials:
            if self._put_back:
                proposal = self._put_back.popleft()
            elif not self.exhausted:
                proposal = self._propose()
            else:
                return None
            first = self._first[proposal.config.key]
            if first == proposal.number:
                self.running[proposal.number] = proposal
                return proposal
            duplicate = Duplicate(number=proposal.number, of=first)
            self.ledger.duplicate(duplicate.number, duplicate.of)
            self._tell_duplicate(duplicate)
        return None

    def settle(self, settled: Settled) -> None:
        """Record how a trial ended, and tell the proposer, also for the duplicates that waited for it."""
        self.ledger.settle(settled)
        self.running.pop(settled.number, None)
        self._put_back = deque(proposal for proposal in self._put_back if proposal.number != settled.number)
        self._tell(settled)

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
