"""What is said of a sweep before its first trial."""

from typing import Any

import pytest

from smartmixed_search.search.proposing.proposals import Proposer
from smartmixed_search.space.outlook import Reach, count_trials, remarks
from smartmixed_search.space.space import SearchSpace

PLAIN = {"dataset": "digits", "architecture": {"choices": ["64", "64-32"]}}
FIXED = {"phase_fraction": 0.125, "temperature": 0.3}
SAMPLED = {"depth": {"low": 1, "high": 2}, "width": {"choices": [8, 16]}}


def make(**keys: object) -> SearchSpace:
    return SearchSpace.from_dict(PLAIN | keys)


@pytest.mark.parametrize(
    ("keys", "possible"),
    [
        (FIXED, 2),
        (FIXED | {"temperature": {"choices": [0.3, 1]}}, 4),
        (FIXED | {"phase_fraction": {"low": 0.05, "high": 0.5}, "epochs": 8}, 8),
        (FIXED | {"phase_fraction": {"low": 0.1, "high": 0.5, "step": 0.1}, "epochs": 4}, 4),
        (FIXED | {"phase_fraction": {"low": 0.1, "high": 0.5, "step": 0.1}, "epochs": 20}, 10),
        (FIXED | {"phase_fraction": {"choices": [0.1, 0.11, 0.5]}, "epochs": {"low": 4, "high": 5}}, 8),
        (FIXED | {"architectures": 1}, 1),
        (FIXED | {"architecture": SAMPLED, "search": "joint"}, 5),
        (FIXED | {"output": {"choices": ["logits", "softmax"]}, "clamp": {"choices": ["none", 10]}}, 8),
        (FIXED | {"temperature": {"low": 0.1, "high": 3}}, 1000),
        (FIXED | {"epochs": {"low": 2, "high": 10**6}, "phase_fraction": {"low": 0.001, "high": 0.9}}, 1000),
        ({}, 1000),
        ({"sampler": "grid"}, 2),
    ],
)
def test_distinct_trials_are_counted(keys: dict[Any, Any], possible: int) -> None:
    assert count_trials(make(**keys), 1000) == possible


@pytest.mark.parametrize(
    "keys",
    [
        {"phase_fraction": {"choices": [0.1, 0.2, 0.3]}, "temperature": {"choices": [0.3, 1]}, "epochs": 5},
        {"phase_fraction": {"low": 0.1, "high": 0.9, "step": 0.05}, "epochs": {"low": 3, "high": 5, "step": 1}},
    ],
)
def test_so_many_a_grid_gives(keys: dict[Any, Any]) -> None:
    space = make(**keys, sampler="grid")
    proposer = Proposer(space)
    found = {proposer.propose(number).config.key for number in range(space.trials)}
    assert len(found) == count_trials(space, 1000) < space.trials


def test_what_a_user_may_not_expect_of_the_trials_is_said() -> None:
    few = "trials: 12 asked, 2 possible; a range or choices for a setting give more"
    assert remarks(make(**FIXED, trials=12)) == [few]
    (untuned,) = remarks(make(trials=2))
    assert untuned == "trials: 2, each at the published setting; phase_fraction, temperature are tuned from trial 3 on"
    assert remarks(make(trials=3)) == []
    assert remarks(make(**FIXED, trials=2)) == []


def test_the_reach_of_the_least_and_the_most_of_all_trials() -> None:
    space = make(epochs=20, batch_size=16, phase_fraction={"low": 0.1, "high": 0.5}, logit_learning_rate="none")
    reach = Reach.of(space, 119)
    assert (reach.steps, reach.rates) == ((16, 80), (1e-3, 1e-3))
    assert reach.travel == pytest.approx((0.016, 0.08))
    assert not reach.enough
    assert "16 to 80 steps at logit_learning_rate 0.001 move a logit by 0.016 to 0.08 at most" in reach.in_words()
    assert reach.in_words().endswith("logit_learning_rate auto does, or 0.19 or more")


def test_a_space_that_says_nothing_reaches_far_enough() -> None:
    for examples, batch in ((100, 16), (1293, 128), (54_000, 128)):
        reach = Reach.of(make(epochs=20, batch_size=batch), examples)
        assert reach.enough, reach
        assert "too little" not in reach.in_words()


def test_where_no_rate_would_do_more_steps_are_asked_for() -> None:
    reach = Reach.of(make(epochs=2, batch_size=1000), 900)
    assert (reach.steps, reach.enough) == ((1, 1), False)
    assert reach.in_words().endswith("a smaller batch_size give more steps")


def test_fewer_examples_take_fewer_steps() -> None:
    assert Reach.of(make(epochs=8, batch_size=10, train_examples=40, **FIXED), 1000).steps == (4, 4)


def test_the_reach_of_many_choices_is_seen_in_their_ends() -> None:
    """All together there are ten billion trials."""
    many = {"choices": [*range(2, 202)]}
    space = make(
        epochs=many, batch_size=many, train_examples={"choices": ["none", *range(100, 300)]}, learning_rate=many
    )
    assert Reach.of(space, 1000).steps == (1, 101 * 500)


def test_one_of_several_rates_may_be_too_small() -> None:
    rates = {"choices": ["auto", "none", 0.5]}
    reach = Reach.of(make(epochs=10, batch_size=10, logit_learning_rate=rates, **FIXED), 100)
    assert reach.rates == (1e-3, 1.0)
    assert reach.travel == pytest.approx((0.01, 10))
    assert not reach.enough
