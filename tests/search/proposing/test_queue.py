from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from smartmixed_search.search.keeping.events import Settled
from smartmixed_search.search.keeping.ledger import Ledger
from smartmixed_search.search.proposing.proposals import Proposal
from smartmixed_search.search.proposing.queue import EXHAUSTED_AFTER, Handout, TrialQueue
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.records import FAILED


class Script:
    """Proposes one hidden layer of a width, at a temperature, for each number, and remembers what it is told."""

    def __init__(self, widths: list[int], temperatures: list[float] | None = None, **settings: Any) -> None:
        self.widths = widths
        self.temperatures = temperatures or [0.3] * len(widths)
        self.settings = settings
        self.told: list[tuple[int, str, float | None]] = []

    def propose(self, number: int) -> Proposal:
        config = TrialConfig(
            dataset="digits",
            architecture=(self.widths[number],),
            temperature=self.temperatures[number],
            **self.settings,
        )
        return Proposal(number=number, config=config, params={"width": self.widths[number]})

    def tell(self, proposal: Proposal, status: str, value: float | None) -> None:
        self.told.append((proposal.number, status, value))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.jsonl") as opened:
        yield opened


def finish(queue: TrialQueue, number: int, objective: float = 0.5) -> None:
    key = queue.proposal(number).config.key
    queue.settle(Settled(number=number, key=key, status="finished", objective=objective))


def handed_out(queue: TrialQueue) -> list[int]:
    numbers = []
    while (handout := queue.next()) is not None:
        numbers.append(handout.proposal.number)
    return numbers


def test_never_more_trials_than_asked_for(ledger: Ledger) -> None:
    assert handed_out(TrialQueue(ledger, Script([1, 2, 3, 4]), trials=3)) == [0, 1, 2]


def test_proposal_is_in_the_ledger_when_it_is_handed_out(ledger: Ledger) -> None:
    queue = TrialQueue(ledger, Script([1]), trials=1)
    proposal = queue.next().proposal
    assert ledger.proposed[0].config == proposal.config.to_dict()
    assert ledger.proposed[0].params == {"width": 1}


def test_done_when_all_are_settled(ledger: Ledger) -> None:
    queue = TrialQueue(ledger, Script([1, 2]), trials=2)
    handed_out(queue)
    finish(queue, 0)
    assert not queue.done
    finish(queue, 1)
    assert queue.done


def test_duplicate_of_a_settled_trial_is_told_at_once(ledger: Ledger) -> None:
    script = Script([1, 1, 2])
    queue = TrialQueue(ledger, script, trials=2)
    queue.next()
    finish(queue, 0, 0.7)
    assert handed_out(queue) == [2]
    assert ledger.duplicates[1].of == 0
    assert script.told == [(0, "finished", 0.7), (1, "finished", 0.7)]


def test_duplicate_of_a_running_trial_is_told_when_that_settles(ledger: Ledger) -> None:
    script = Script([1, 1, 2])
    queue = TrialQueue(ledger, script, trials=2)
    assert handed_out(queue) == [0, 2]
    assert script.told == []
    finish(queue, 0, 0.7)
    assert script.told == [(0, "finished", 0.7), (1, "finished", 0.7)]


def test_failed_trial_counts_and_is_told(ledger: Ledger) -> None:
    script = Script([1])
    queue = TrialQueue(ledger, script, trials=1)
    proposal = queue.next().proposal
    queue.settle(Settled(number=0, key=proposal.config.key, status=FAILED, reason="no"))
    assert queue.done
    assert script.told == [(0, FAILED, None)]


def test_fifty_duplicates_in_a_row_exhaust_the_space(ledger: Ledger) -> None:
    queue = TrialQueue(ledger, Script([1] * 100), trials=5)
    assert handed_out(queue) == [0]
    assert len(ledger.duplicates) == EXHAUSTED_AFTER
    assert queue.exhausted
    assert not queue.done
    finish(queue, 0)
    assert queue.done


def test_reentered_queue_proposes_what_an_undisturbed_one_would(ledger: Ledger) -> None:
    first = Script([1, 1, 2, 3, 4])
    queue = TrialQueue(ledger, first, trials=4)
    assert [queue.next().proposal.number for _ in range(3)] == [0, 2, 3]
    finish(queue, 2, 0.2)
    finish(queue, 0, 0.1)
    second = Script([1, 1, 2, 3, 4])
    assert handed_out(TrialQueue(ledger, second, trials=4)) == [3, 4]
    assert second.told == first.told


def test_unfinished_duplicate_is_recognised_on_reentry(ledger: Ledger) -> None:
    script = Script([1, 1, 2])
    for number in (0, 1):  # as if killed between proposing and recognising
        proposal = script.propose(number)
        ledger.propose(number, proposal.config.to_dict(), proposal.params)
    queue = TrialQueue(ledger, script, trials=2)
    assert [proposal.number for proposal in queue.put_back] == [0]
    assert handed_out(queue) == [0, 2]
    assert ledger.duplicates[1].of == 0


def test_larger_number_of_trials_extends_the_sweep(ledger: Ledger) -> None:
    script = Script([1, 2, 3])
    queue = TrialQueue(ledger, script, trials=2)
    for number in handed_out(queue):
        finish(queue, number)
    assert handed_out(TrialQueue(ledger, script, trials=3)) == [2]


def test_smaller_number_of_trials_hands_out_nothing(ledger: Ledger) -> None:
    script = Script([1, 2, 3])
    queue = TrialQueue(ledger, script, trials=3)
    for number in handed_out(queue)[:2]:
        finish(queue, number)
    smaller = TrialQueue(ledger, script, trials=1)
    assert handed_out(smaller) == []
    assert smaller.done


SAME_BASELINES = ([8, 8, 16, 8], [0.1, 0.2, 0.3, 0.4])
"""Trials 0, 1 and 3 differ in temperature only."""


def test_trial_waits_while_another_one_trains_its_baselines(ledger: Ledger) -> None:
    queue = TrialQueue(ledger, Script(*SAME_BASELINES), trials=4)
    assert handed_out(queue) == [0, 2]
    assert queue.waiting
    assert not queue.done
    finish(queue, 0)
    assert handed_out(queue) == [1, 3]


def test_queue_waits_until_every_trial_has_settled(ledger: Ledger) -> None:
    queue = TrialQueue(ledger, Script([8, 16]), trials=2)
    assert handed_out(queue) == [0, 1]
    assert queue.waiting
    for number in (0, 1):
        finish(queue, number)
    assert not queue.waiting


def test_trial_that_is_tried_again_goes_before_those_that_wait_for_its_baselines(ledger: Ledger) -> None:
    queue = TrialQueue(ledger, Script(*SAME_BASELINES), trials=4)
    assert handed_out(queue) == [0, 2]
    queue.retry(0)
    assert queue.waiting
    assert queue.next() == Handout(queue.proposal(0), None)
    assert queue.next() is None


def test_trial_is_told_whose_baselines_it_can_reuse(ledger: Ledger) -> None:
    queue = TrialQueue(ledger, Script(*SAME_BASELINES), trials=4)
    first = queue.next()
    assert first.baselines_of is None
    finish(queue, 0)
    second = queue.next()
    assert second.baselines_of == first.proposal.config.key
    assert queue.next().baselines_of is None
    finish(queue, 1)
    assert queue.next().baselines_of == second.proposal.config.key, "the latest has the most to give"


def test_waiting_trial_trains_baselines_itself_if_the_other_one_fails(ledger: Ledger) -> None:
    queue = TrialQueue(ledger, Script(*SAME_BASELINES), trials=4)
    key = queue.next().proposal.config.key
    assert handed_out(queue) == [2]
    queue.settle(Settled(number=0, key=key, status=FAILED, reason="no"))
    handout = queue.next()
    assert (handout.proposal.number, handout.baselines_of) == (1, None)
    assert queue.next() is None


def test_lost_trials_are_handed_out_again_before_any_other_and_stay_settled(ledger: Ledger) -> None:
    script = Script([1, 2, 3, 4])
    queue = TrialQueue(ledger, script, trials=2)
    for number in handed_out(queue):
        finish(queue, number)
    before = dict(ledger.settled)
    again = TrialQueue(ledger, script, trials=3, restore=[queue.proposal(1).config.key])
    assert handed_out(again) == [1, 2]
    assert list(again.restoring) == [1]
    finish(again, 2)
    assert not again.done
    assert again.restored(1) == before[1]
    assert again.done
    assert {number: ledger.settled[number] for number in before} == before


def test_a_lost_trial_has_the_baselines_that_it_had(ledger: Ledger) -> None:
    """Those that it trained itself may be another's by now: they would be said to be taken over from itself."""
    queue = TrialQueue(ledger, Script(*SAME_BASELINES), trials=3)
    for number in handed_out(queue):
        finish(queue, number)
    finish(queue, queue.next().proposal.number)
    keys = [queue.proposal(number).config.key for number in range(3)]
    again = TrialQueue(ledger, Script(*SAME_BASELINES), trials=3, restore=keys)
    found = {handout.proposal.number: handout.baselines_of for handout in iter(again.next, None)}
    assert found == {0: None, 2: None}
    again.restored(0)
    assert again.next() == Handout(again.proposal(1), keys[0])
    alone = TrialQueue(ledger, Script(*SAME_BASELINES), trials=3, reuse=False, restore=keys)
    assert [handout.baselines_of for handout in iter(alone.next, None)] == [None, None, None]


def test_trial_waits_while_the_baselines_that_it_could_reuse_are_trained_again(ledger: Ledger) -> None:
    queue = TrialQueue(ledger, Script(*SAME_BASELINES), trials=1)
    key = queue.next().proposal.config.key
    finish(queue, 0)
    again = TrialQueue(ledger, Script(*SAME_BASELINES), trials=4, restore=[key])
    assert handed_out(again) == [0, 2]
    again.retry(0)
    assert handed_out(again) == [0]
    again.restored(0)
    assert again.next() == Handout(again.proposal(1), key)


def test_no_more_trials_wait_than_could_run(ledger: Ledger) -> None:
    queue = TrialQueue(ledger, Script([8] * 9, [0.1 * (n + 1) for n in range(9)]), trials=9, concurrency=3)
    assert handed_out(queue) == [0]
    assert ledger.next_number == 3


def test_trials_without_reuse_never_wait(ledger: Ledger) -> None:
    queue = TrialQueue(ledger, Script(*SAME_BASELINES), trials=4, reuse=False)
    assert handed_out(queue) == [0, 1, 2, 3]
    finish(queue, 0)
    assert TrialQueue(ledger, Script(*SAME_BASELINES), trials=4, reuse=False).next().baselines_of is None


def test_trials_without_baselines_never_wait(ledger: Ledger) -> None:
    alone = {"strategies": ("smartmixed",), "objective": "accuracy"}
    assert handed_out(TrialQueue(ledger, Script(*SAME_BASELINES, **alone), trials=4)) == [0, 1, 2, 3]


def test_reentered_queue_knows_whose_baselines_can_be_reused(ledger: Ledger) -> None:
    queue = TrialQueue(ledger, Script(*SAME_BASELINES), trials=4)
    key = queue.next().proposal.config.key
    finish(queue, 0)
    queue.next()
    again = TrialQueue(ledger, Script(*SAME_BASELINES), trials=4)
    assert again.next().baselines_of == key
