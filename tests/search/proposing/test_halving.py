from collections.abc import Iterator
from pathlib import Path

import pytest

from smartmixed_search.search.keeping.events import Rung
from smartmixed_search.search.keeping.ledger import Ledger
from smartmixed_search.search.proposing.halving import Halving


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.jsonl") as opened:
        for number in range(7):
            opened.propose(number, {}, {})
        yield opened


def test_best_third_of_those_that_came_so_far_goes_on(ledger: Ledger) -> None:
    halving = Halving(ledger, [4, 12])
    margins = [0.0, -0.1, 0.1, 0.05, 0.05, -0.2, 0.02]
    stopped = [halving.stops(number, 4, margin) for number, margin in enumerate(margins)]
    # By hand: 0.0 alone; -0.1 last of 2 (1 goes on); 0.1 first of 3 (1); 0.05 second of 4 (2); tied second of 5 (2);
    # -0.2 last of 6 (2); 0.02 fourth of 7 (3).
    assert stopped == [False, True, False, False, False, True, True]


def test_rungs_are_compared_apart(ledger: Ledger) -> None:
    halving = Halving(ledger, [4, 12])
    assert not halving.stops(0, 4, 0.5)
    assert not halving.stops(0, 12, 0.1)
    assert not halving.stops(1, 12, 0.2)


def test_nothing_is_compared_between_rungs(ledger: Ledger) -> None:
    halving = Halving(ledger, [4])
    for epochs in (1, 3, 5, 12):
        assert not halving.stops(0, epochs, -1.0)
    assert not any(isinstance(event, Rung) for event in ledger.events)


def test_a_comparison_is_made_once_also_after_a_crash(ledger: Ledger) -> None:
    halving = Halving(ledger, [4])
    halving.stops(0, 4, 0.5)
    assert halving.stops(1, 4, 0.1)
    again = Halving(ledger, [4])
    assert again.stops(1, 4, 0.9)
    assert not again.stops(0, 4, -0.9)
    assert again.stops(2, 4, 0.2)
    assert [event.number for event in ledger.events if isinstance(event, Rung)] == [0, 1, 2]


def test_reason_of_a_stopped_trial(ledger: Ledger) -> None:
    halving = Halving(ledger, [4])
    halving.stops(0, 4, 0.5)
    halving.stops(1, 4, -0.0125)
    assert halving.stopped(0) is None
    assert halving.stopped(1).startswith("stopped after 4 epochs: margin -0.0125 was not among the best third")
