import threading

import pytest
import ray

from smartmixed_search.errors import SweepError
from smartmixed_search.search.placing import watch
from smartmixed_search.search.placing.watch import check_own_ray, watched

SOON = 20.0


class Lost:
    """Is told that Ray is lost, and whether the process was to end."""

    def __init__(self) -> None:
        self.told = threading.Event()
        self.left = threading.Event()


@pytest.fixture
def lost() -> Lost:
    return Lost()


def test_lost_ray_is_told_and_left_where_training_hangs_in_it(lost: Lost) -> None:
    with watched(lambda: False, lost.told.set, lost.left.set, every=0.01, grace=0.01):
        assert lost.told.wait(SOON)
        assert lost.left.wait(SOON)


def test_process_goes_on_where_training_comes_to_its_end(lost: Lost) -> None:
    with watched(lambda: False, lost.told.set, lost.left.set, every=0.01, grace=SOON):
        assert lost.told.wait(SOON)
    for thread in threading.enumerate():
        if thread.name == "smartmixed-watch":
            thread.join(SOON)
    assert not lost.left.is_set()


def test_moment_without_an_answer_is_no_end(lost: Lost) -> None:
    looked = threading.Event()
    answers = iter([True, False, False, True, False, False, True])

    def answer() -> bool:
        found = next(answers, None)
        if found is None:
            looked.set()
        return found is not False

    with watched(answer, lost.told.set, lost.left.set, every=0.001):
        assert looked.wait(SOON)
    assert not lost.told.is_set()


def test_nobody_asks_for_ray_once_it_may_be_left(lost: Lost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_ANSWER_SECONDS", 0.001)  # an answer may take longer than a connection
    asked, answered = threading.Event(), threading.Event()

    def answer() -> bool:
        asked.set()
        threading.Event().wait(0.05)
        answered.set()
        return True

    with watched(answer, lost.told.set, lost.left.set, every=0.001):
        assert asked.wait(SOON)
    assert answered.is_set()


class Node:
    """What Ray keeps of the processes that it has started."""

    def __init__(self, *dead: str) -> None:
        self.dead = dead

    def dead_processes(self) -> list[tuple[str, None]]:
        return [(kind, None) for kind in self.dead]


@pytest.mark.parametrize("node", [None, Node(), Node("log_monitor")])
def test_ray_of_others_and_what_it_can_do_without_may_be_gone(
    monkeypatch: pytest.MonkeyPatch, node: Node | None
) -> None:
    monkeypatch.setattr(ray._private.worker, "_global_node", node)
    check_own_ray()


@pytest.mark.parametrize("part", ["raylet", "gcs_server"])
def test_own_ray_without_one_of_its_parts_is_lost(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    monkeypatch.setattr(ray._private.worker, "_global_node", Node(part))
    with pytest.raises(SweepError, match="run the same command again to continue"):
        check_own_ray()
