"""`logit_learning_rate: auto` gives a selection of any length room to decide."""

from dataclasses import replace

import numpy as np
import pytest

from smartmixed_search.datasets import load_dataset
from smartmixed_search.engine.reuse import reusable
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.method.selection_rate import ENOUGH_TRAVEL, LARGEST_RATE, TRAVEL, logit_rate
from smartmixed_search.trials.config import TrialConfig
from tests.helpers.reference import toy_dataset
from tests.helpers.training import BASE

CONFIG = TrialConfig(dataset="digits", architecture=(16,))


def test_auto_lets_a_logit_travel_the_same_way_in_any_number_of_steps_and_farther_in_many() -> None:
    travel = [logit_rate("auto", 1e-3, steps) * steps for steps in (20, 100, 400, 1600, 6400)]
    assert travel == pytest.approx([TRAVEL, TRAVEL, TRAVEL, 2 * TRAVEL, 4 * TRAVEL])
    assert TRAVEL > ENOUGH_TRAVEL


def test_auto_is_bounded_and_never_below_the_rate_of_the_weights() -> None:
    assert logit_rate("auto", 1e-3, 1) == LARGEST_RATE
    assert logit_rate("auto", 1e-3, 10**7) == 1e-3
    assert logit_rate("auto", 2.0, 1) == 2.0


def test_a_given_rate_is_taken_as_it_is() -> None:
    assert (logit_rate(0.05, 1e-3, 10), logit_rate(None, 1e-3, 10)) == (0.05, 1e-3)


def test_auto_is_the_rate_of_the_trial_s_own_steps() -> None:
    data = toy_dataset()
    auto = run_trial(replace(BASE, logit_learning_rate="auto"), data)
    told = run_trial(replace(BASE, logit_learning_rate=auto.logit_learning_rate), data)
    assert auto.logit_learning_rate == LARGEST_RATE, "6 steps"
    assert (auto.choices, auto.networks) == (told.choices, told.networks)


def test_auto_has_a_key_of_its_own_and_the_same_baselines() -> None:
    auto, default = replace(CONFIG, logit_learning_rate="auto"), CONFIG
    assert auto.key != default.key
    assert auto.baseline_key == default.baseline_key
    assert TrialConfig.from_dict(auto.to_dict()) == auto
    earlier = run_trial(replace(BASE, logit_learning_rate=None), toy_dataset())
    again = reusable(replace(BASE, logit_learning_rate="auto"), earlier.environment, earlier, [23])
    assert {network.strategy for network in again} == {*BASE.fixed_strategies, "random-mixed"}


def test_keys_of_configurations_without_it_never_change() -> None:
    """Or no trial of an earlier version would be found again."""
    config = TrialConfig(dataset="digits", architecture=(64, 32))
    assert (config.key, config.baseline_key) == ("9b806b13494f6ad0", "e584d263a5f27878")


def test_a_short_selection_decides_with_auto_and_not_without() -> None:
    config = replace(CONFIG, epochs=4, batch_size=128, strategies=("smartmixed",), objective="accuracy", replicates=2)
    digits = load_dataset("digits").limited(640)
    confidence = {}
    for rate in ("auto", None):
        result = run_trial(replace(config, logit_learning_rate=rate, phase_fraction=0.5), digits)
        confidence[rate] = np.mean([choice.confidence for choice in result.choices])
    assert confidence["auto"] > 0.6
    assert confidence[None] < 0.2
