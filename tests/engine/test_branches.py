"""Independent kernels go to streams that fork off the captured one, and all join it again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from smartmixed_search.engine import branches
from smartmixed_search.engine.branches import BRANCHES, Overlapping, apart, here

CUDA = torch.device("cuda")


class Stream:
    """Knows which pieces of work come before those queued on it from now on."""

    def __init__(self) -> None:
        self.device = CUDA
        self.after: set[str] = set()

    def wait_stream(self, other: "Stream") -> None:
        self.after |= other.after


class Capture:
    """Stands for CUDA while it captures."""

    def __init__(self) -> None:
        self.origin = Stream()
        self.current = self.origin
        self.before: dict[str, set[str]] = {}
        self.streams = [Stream() for _ in range(BRANCHES)]

    @contextmanager
    def stream(self, stream: Stream) -> Iterator[None]:
        self.current = stream
        yield
        self.current = self.origin

    def queue(self, name: str) -> None:
        self.before[name] = set(self.current.after)
        self.current.after.add(name)


@pytest.fixture
def capture(monkeypatch: pytest.MonkeyPatch) -> Capture:
    capture = Capture()
    replaced: dict[str, Any] = {
        "is_available": lambda: True,
        "is_current_stream_capturing": lambda: True,
        "current_stream": lambda _: capture.current,
        "stream": capture.stream,
    }
    for name, replacement in replaced.items():
        monkeypatch.setattr(torch.cuda, name, replacement)
    monkeypatch.setattr(branches, "_streams", lambda _: capture.streams)
    return capture


def queue_all(capture: Capture, overlapping: Overlapping, pieces: list[str]) -> None:
    capture.queue("before")
    with overlapping:
        for piece in pieces:
            apart(capture.queue, piece)
        here(capture.queue, "beside")
    capture.queue("after")


def test_pieces_follow_what_was_before_and_precede_what_is_after(capture: Capture) -> None:
    pieces = [f"piece {number}" for number in range(BRANCHES + 3)]
    queue_all(capture, Overlapping(CUDA), pieces)
    assert capture.before["after"] == {"before", "beside", *pieces}
    for place, piece in enumerate(pieces):
        earlier = {pieces[place - BRANCHES]} if place >= BRANCHES else set()
        assert capture.before[piece] == {"before"} | earlier, "only its branch's own pieces delay it"
    assert capture.before["beside"] == {"before"}


def test_a_context_may_be_entered_again(capture: Capture) -> None:
    overlapping = Overlapping(CUDA)
    queue_all(capture, overlapping, ["first"])
    queue_all(capture, overlapping, ["second"])
    assert "first" in capture.before["second"]


def test_an_error_closes_the_branches(capture: Capture) -> None:
    with pytest.raises(ValueError, match="no"), Overlapping(CUDA):
        raise ValueError("no")
    apart(capture.queue, "later")
    assert capture.current.after == {"later"}


def test_branches_that_cannot_open_leave_nothing_open(capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    overlapping = Overlapping(CUDA)
    with monkeypatch.context() as broken:
        broken.setattr(type(capture.current), "wait_stream", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError), overlapping:
            pass
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    queue_all(capture, overlapping, ["one", "two"])
    assert capture.before["two"] == {"before", "one"}


def test_without_a_capture_everything_stays_on_the_stream(capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    queue_all(capture, Overlapping(CUDA), ["one", "two"])
    assert capture.before["two"] == {"before", "one"}


def test_a_cpu_has_no_branches(capture: Capture) -> None:
    queue_all(capture, Overlapping(torch.device("cpu")), ["one", "two"])
    assert capture.before["two"] == {"before", "one"}
