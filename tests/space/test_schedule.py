from typing import Any

import pytest

from smartmixed_search.errors import ConfigError
from smartmixed_search.space.space import SearchSpace

PLAIN = {
    "dataset": "digits",
    "architecture": "8",
    "epochs": 100,
    "phase_fraction": {"low": 0.01, "high": 0.03},
    "scheduler": "asha",
}


def space(**changes: Any) -> SearchSpace:
    return SearchSpace.from_dict(PLAIN | changes)


def test_first_rung_is_after_the_longest_selection_phase() -> None:
    assert space().rungs == (4, 12, 36)
    assert space(phase_fraction={"choices": [0.5, 0.1]}).rungs == (51,)
    assert space(phase_fraction=0.33).rungs == (34,)


def test_no_rung_is_as_late_as_the_last_epoch() -> None:
    assert space(epochs=36, phase_fraction=0.1).rungs == (5, 15)
    assert space(epochs=12, phase_fraction=0.25).rungs == (4,)


@pytest.mark.parametrize("epochs", [100, {"choices": [8, 16]}])
def test_length_of_a_selection_that_is_not_said_leaves_room_for_rungs(epochs: Any) -> None:
    """As it did at first: a sweep begun then goes on, and one trial in three is stopped early, not late."""
    silent = SearchSpace.from_dict(
        {key: value for key, value in PLAIN.items() if key != "phase_fraction"} | {"epochs": epochs}
    )
    assert silent.rungs == space(epochs=epochs, phase_fraction=0.125).rungs
    assert "phase_fraction" in silent.unsaid
    assert "phase_fraction" not in silent.tunable


def test_there_are_no_rungs_without_the_scheduler() -> None:
    assert space(scheduler="none").rungs == ()


def test_scheduler_is_off_unless_asked_for_and_part_of_the_identity() -> None:
    plain = {key: value for key, value in PLAIN.items() if key != "scheduler"}
    assert SearchSpace.from_dict(plain).scheduler == "none"
    assert SearchSpace.from_dict(plain).hash != space().hash
    assert SearchSpace.from_dict(space().to_dict()) == space()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scheduler": "hyperband"}, "scheduler must be one of none, asha, but got 'hyperband'"),
        ({"epochs": 2, "phase_fraction": 0.5}, "but trials may select for 1 of 2 epochs; allow smaller"),
        ({"epochs": {"choices": [10, 100]}, "phase_fraction": 0.1}, "may select for 10 of 10 epochs"),
        ({"strategies": ["smartmixed"], "objective": "accuracy"}, "needs a fixed strategy beside smartmixed"),
    ],
)
def test_schedulers_that_cannot_work_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        space(**changes)


@pytest.mark.parametrize(
    ("changes", "lengths"),
    [
        ({}, (1, 2, 3)),
        ({"phase_fraction": 0.125}, (13,)),
        ({"phase_fraction": {"choices": [0.5, 0.051, 0.054]}}, (5, 50)),
        ({"phase_fraction": {"low": 0.1, "high": 0.3, "step": 0.1}}, (10, 20, 30)),
        ({"learning_rate": {"choices": [1e-3, 1e-2]}}, (1, 2, 3)),
        ({"learning_rate": {"low": 1e-3, "high": 1e-2}}, ()),
        ({"temperature": {"low": 0.1, "high": 1.0}}, (1, 2, 3)),
    ],
)
def test_lengths_of_the_selection_phase(changes: dict[str, Any], lengths: tuple[int, ...]) -> None:
    assert space(**changes).selection_lengths(100) == lengths
