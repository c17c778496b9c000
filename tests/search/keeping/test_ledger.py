import json
from pathlib import Path
from typing import Any

import pytest

from smartmixed_search.errors import SweepError
from smartmixed_search.search.keeping.events import LOST, RAISED, Setback, Settled
from smartmixed_search.search.keeping.ledger import Ledger, count_settled
from smartmixed_search.trials.records import FAILED


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def settled(number: int) -> Settled:
    return Settled(number=number, key=f"k{number}", status="finished", objective=0.5 + number)


def propose(ledger: Ledger, number: int) -> None:
    ledger.propose(number, {"dataset": "digits", "architecture": "8"}, {"temperature": 0.1 + number})


def test_reopened_ledger_holds_the_same_events(path: Path) -> None:
    with Ledger(path) as written:
        propose(written, 0)
        propose(written, 1)
        written.duplicate(1, of=0)
        written.settle(settled(0))
        propose(written, 2)
        written.settle(Settled(number=2, key="k2", status=FAILED, reason="ValueError: no"))
    with Ledger(path) as read:
        assert read.events == written.events


def test_floats_survive_exactly(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.propose(0, {}, {"temperature": 0.1 + 0.2})
    with Ledger(path) as ledger:
        assert ledger.proposed[0].params["temperature"] == 0.1 + 0.2


def test_unfinished_are_proposals_without_outcome(path: Path) -> None:
    with Ledger(path) as ledger:
        for number in range(4):
            propose(ledger, number)
        ledger.settle(settled(1))
        ledger.duplicate(2, of=1)
        assert [proposed.number for proposed in ledger.unfinished] == [0, 3]


def test_consecutive_duplicates_are_counted_from_the_end(path: Path) -> None:
    with Ledger(path) as ledger:
        propose(ledger, 0)
        for number in range(1, 4):
            propose(ledger, number)
            ledger.duplicate(number, of=0)
        assert ledger.consecutive_duplicates == 3
        propose(ledger, 4)
        assert ledger.consecutive_duplicates == 0


@pytest.mark.parametrize("torn", [b'{"event": "settled", "num', b"\x00\x00\x00", b'{"event": "duplicate"}'])
def test_torn_last_line_is_dropped(path: Path, torn: bytes) -> None:
    with Ledger(path) as ledger:
        propose(ledger, 0)
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    with Ledger(path) as ledger:
        assert ledger.next_number == 1
        propose(ledger, 1)
    with Ledger(path) as ledger:
        assert ledger.next_number == 2


def test_damage_in_the_middle_is_refused(path: Path) -> None:
    with Ledger(path) as ledger:
        propose(ledger, 0)
    path.write_bytes(b"{}\n" + path.read_bytes())
    with pytest.raises(SweepError, match=r"line 1 of .* is damaged"):
        Ledger(path)


@pytest.mark.parametrize("line", [0, 1], ids=["a proposal is missing", "a trial has settled twice"])
def test_lines_that_do_not_fit_together_are_refused(path: Path, line: int) -> None:
    with Ledger(path) as ledger:
        propose(ledger, 0)
        ledger.settle(settled(0))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[1:] if line == 0 else [*lines, lines[1]]))
    with pytest.raises(SweepError, match=rf"line {1 if line == 0 else 3} of .* is damaged"):
        Ledger(path)


@pytest.mark.parametrize(
    "change",
    [
        {"number": "0"},
        {"number": 0.0},
        {"number": False},
        {"number": None},
        {"objective": "0.5"},
        {"objective": [0.5]},
        {"key": 3},
        {"status": ["finished"]},
        {"confidence": True},
        {"reason": 1},
        {"event": ["settled"]},
        {"event": "ended"},
        {"more": 1},
    ],
    ids=str,
)
def test_values_of_other_types_are_damage(path: Path, change: dict[str, Any]) -> None:
    with Ledger(path) as ledger:
        propose(ledger, 0)
    whole = path.read_bytes()
    line = {"event": "settled", "number": 0, "key": "k0", "status": "finished", "objective": 1} | change
    path.write_bytes(whole + json.dumps(line).encode() + b"\n")
    with pytest.raises(SweepError, match=r"line 2 of .* is damaged"):
        Ledger(path)


@pytest.mark.parametrize("deep", ["[" * 10_000 + "]" * 10_000, '{"a":' * 10_000 + "1" + "}" * 10_000])
def test_a_line_that_is_nested_too_deeply_is_damage(path: Path, deep: str) -> None:
    path.write_text(f'{{"event": "proposed", "number": 0, "config": {{}}, "params": {deep}}}\n')
    with pytest.raises(SweepError, match=r"line 1 of .* is damaged"):
        Ledger(path)


def test_a_flipped_bit_in_a_line_is_damage(path: Path) -> None:
    with Ledger(path) as ledger:
        propose(ledger, 0)
        ledger.settle(settled(0))
    text = path.read_text()
    path.write_text(text.replace('"objective": 0.5', '"objective": 0.7'))
    assert path.read_text() != text
    with pytest.raises(SweepError, match=r"line 2 of .* is damaged"):
        Ledger(path)


def test_lines_of_an_earlier_version_have_no_checksum(path: Path) -> None:
    with Ledger(path) as written:
        propose(written, 0)
        written.settle(settled(0))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        del line["checksum"]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with Ledger(path) as read:
        assert read.events == written.events


def test_events_are_on_the_disk_before_the_call_returns(path: Path) -> None:
    with Ledger(path) as ledger:
        propose(ledger, 0)
        assert path.read_bytes().count(b"\n") == 1


def test_trial_settles_once(path: Path) -> None:
    with Ledger(path) as ledger:
        propose(ledger, 0)
        ledger.settle(settled(0))
        with pytest.raises(AssertionError):
            ledger.settle(settled(0))


def failed(number: int) -> Settled:
    return Settled(number=number, key=f"k{number}", status=FAILED, reason="ValueError: no")


def test_reopened_trial_has_no_outcome_and_no_setbacks_any_more(path: Path) -> None:
    with Ledger(path) as ledger:
        for number in range(3):
            propose(ledger, number)
        assert [ledger.setback(setback(1)) for _ in range(2)] == [1, 2]
        ledger.settle(settled(0))
        ledger.settle(failed(1))
        assert ledger.reopen_failed() == 1
        assert ledger.reopen_failed() == 0
    with Ledger(path) as read:
        assert read.events == ledger.events
        assert list(read.settled) == [0]
        assert [proposed.number for proposed in read.unfinished] == [1, 2]
        assert not [event for event in read.events if isinstance(event, Settled) and event.number == 1]
        assert read.setback(setback(1)) == 1
        read.settle(settled(1))
    assert count_settled(path) == 2


def test_setbacks_are_counted_by_trial_and_kind(path: Path) -> None:
    with Ledger(path) as ledger:
        propose(ledger, 0)
        propose(ledger, 1)
        counts = [ledger.setback(setback(*one)) for one in ((0, LOST), (0, RAISED), (1, LOST), (0, LOST))]
    assert counts == [1, 1, 1, 2]


def test_those_that_failed_can_be_left_out_of_the_count(path: Path) -> None:
    with Ledger(path) as ledger:
        for number in range(2):
            propose(ledger, number)
        ledger.settle(settled(0))
        ledger.settle(failed(1))
    assert (count_settled(path), count_settled(path, but_failed=True)) == (2, 1)


def test_finished_trial_cannot_be_reopened(path: Path) -> None:
    with Ledger(path) as ledger:
        propose(ledger, 0)
        ledger.settle(settled(0))
    path.write_bytes(path.read_bytes() + b'{"event": "reopened", "number": 0}\n')
    with pytest.raises(SweepError, match=r"line 3 of .* is damaged"):
        Ledger(path)


def setback(number: int, kind: str = LOST) -> Setback:
    return Setback(number=number, kind=kind, host="10.0.0.7", reason="its node has died")
