"""What is recorded, when, and what happens where that fails."""

import warnings

import pytest
import torch

from smartmixed_search.engine.stack.cuda_graphs import WORTHWHILE, Graphs, Work, recorder


class Counting:
    """A recorder whose recordings are the work itself."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.log: list[str] = []

    def rehearse(self, work: Work) -> None:
        self.log.append("rehearse")
        work()

    def record(self, work: Work) -> Work:
        self.log.append("record")
        if self.error is not None:
            raise self.error

        def replay() -> None:
            self.log.append("replay")
            work()

        return replay


@pytest.fixture
def done() -> list[str]:
    return []


def test_work_is_rehearsed_then_recorded_then_replayed(done: list[str]) -> None:
    counting = Counting()
    graphs = Graphs(lambda: counting)
    for left in range(WORTHWHILE, WORTHWHILE - 3, -1):
        graphs.run("a", lambda: done.append("a"), left)
    assert counting.log == ["rehearse", "record", "replay", "replay"]
    assert done == ["a"] * 3


def test_each_piece_of_work_has_its_own_recording(done: list[str]) -> None:
    graphs = Graphs(Counting)
    for key in ("a", "b", "a", "b", "a"):
        graphs.run(key, lambda key=key: done.append(key), WORTHWHILE)
    assert done == ["a", "b", "a", "b", "a"]


def test_rare_work_is_not_recorded(done: list[str]) -> None:
    counting = Counting()
    Graphs(lambda: counting).run("a", lambda: done.append("a"), WORTHWHILE - 1)
    assert (counting.log, done) == ([], ["a"])


def test_what_is_forgotten_is_recorded_anew(done: list[str]) -> None:
    counting = Counting()
    graphs = Graphs(lambda: counting)
    for _ in range(2):
        for _ in range(2):
            graphs.run("a", lambda: done.append("a"), WORTHWHILE)
        graphs.forget()
    assert counting.log == ["rehearse", "record", "replay"] * 2


def test_a_failed_capture_is_announced_once_with_its_first_cause(done: list[str]) -> None:
    error = RuntimeError("capture was invalidated")
    error.__context__ = RuntimeError("not permitted when stream is capturing\nand more")
    counting = Counting(error)
    graphs = Graphs(lambda: counting)
    with warnings.catch_warnings(record=True, action="always") as seen:
        for key in ("a", "a", "a", "b", "b"):
            graphs.run(key, lambda: done.append("a"), WORTHWHILE)
    (warning,) = seen
    assert str(warning.message).endswith(
        "without CUDA graphs: a step could not be captured (not permitted when stream is capturing)"
    )
    assert (len(done), counting.log) == (5, ["rehearse", "record"])


def test_a_failed_capture_drops_what_was_recorded_before(done: list[str]) -> None:
    counting = Counting()
    graphs = Graphs(lambda: counting)
    for _ in range(3):
        graphs.run("a", lambda: done.append("a"), WORTHWHILE)
    counting.error = RuntimeError("no")
    graphs.run("b", lambda: done.append("b"), WORTHWHILE)
    with pytest.warns(UserWarning, match="without CUDA graphs"):
        graphs.run("b", lambda: done.append("b"), WORTHWHILE)
    replayed = counting.log.count("replay")
    graphs.run("a", lambda: done.append("a"), WORTHWHILE)
    assert counting.log.count("replay") == replayed
    assert done.count("a") == 4


def test_a_failed_capture_is_not_tried_again_for_what_is_new(done: list[str]) -> None:
    counting = Counting(RuntimeError("no"))
    graphs = Graphs(lambda: counting)
    graphs.run("a", lambda: done.append("a"), WORTHWHILE)
    with pytest.warns(UserWarning, match="without CUDA graphs"):
        graphs.run("a", lambda: done.append("a"), WORTHWHILE)
    graphs.forget()
    graphs.run("b", lambda: done.append("b"), WORTHWHILE)
    assert (counting.log, done) == (["rehearse", "record"], ["a", "a", "b"])


def test_a_lack_of_memory_is_not_hidden() -> None:
    graphs = Graphs(lambda: Counting(torch.OutOfMemoryError("CUDA out of memory")))
    graphs.run("a", lambda: None, WORTHWHILE)
    with pytest.raises(torch.OutOfMemoryError):
        graphs.run("a", lambda: None, WORTHWHILE)


def test_a_cpu_records_nothing() -> None:
    assert recorder(torch.device("cpu")) is None
