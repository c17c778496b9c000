"""Training on some of the examples: which ones, and how a trial and a sweep's identity know of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from smartmixed_search.datasets import Dataset, load_dataset
from smartmixed_search.engine.estimate import _trial_seconds
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.errors import ConfigError, DatasetError
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.trials.config import TrialConfig

SPACE = {"dataset": "digits", "architecture": "8", "epochs": 2}


def config(**changes: object) -> TrialConfig:
    return TrialConfig(dataset="digits", architecture=(8,), epochs=2, strategies=("smartmixed", "relu"), **changes)


def test_fewer_examples_are_a_part_of_more_and_the_other_splits_stay() -> None:
    whole = load_dataset("digits")
    few, more = whole.limited(100), whole.limited(300)
    np.testing.assert_array_equal(few.x_train, more.x_train[:100])
    np.testing.assert_array_equal(few.y_train, whole.y_train[:100])
    assert (len(few.x_val), len(few.x_test)) == (len(whole.x_val), len(whole.x_test))
    assert whole.limited(None) is whole


def test_the_first_examples_are_in_random_order() -> None:
    classes = np.unique(load_dataset("digits").limited(100).y_train)
    assert len(classes) == 10


def test_of_fewer_examples_than_asked_for_all_are_used() -> None:
    whole = load_dataset("digits")
    assert whole.limited(1293) is whole
    assert whole.limited(5000) is whole


def test_no_example_at_all_is_refused() -> None:
    with pytest.raises(
        ConfigError, match="train_examples must be a whole number from 1 to 1000000, or none, but got 0"
    ):
        config(train_examples=0)


def test_a_trial_takes_as_many_steps_as_its_examples_make() -> None:
    result = run_trial(config(train_examples=130, batch_size=64), load_dataset("digits"))
    assert {network.steps for network in result.networks} == {2 * 3}
    assert result.selection_steps == 3


def test_a_trial_on_all_examples_by_number_is_that_on_all() -> None:
    digits = load_dataset("digits")
    by_number, whole = (run_trial(config(train_examples=n), digits) for n in (1293, None))
    assert [n.val["loss"] for n in by_number.networks] == [n.val["loss"] for n in whole.networks]


def test_baselines_are_shared_only_between_trials_on_equally_many_examples() -> None:
    assert config(train_examples=100).baseline_key != config().baseline_key
    assert config(train_examples=100).key != config(train_examples=101).key


def test_trials_and_spaces_that_do_not_say_are_called_what_they_were_before_they_could() -> None:
    assert TrialConfig(dataset="digits", architecture=(8,)).key == "7212d2c9fe1cb1d4"
    assert SearchSpace.from_dict(SPACE).former.hash[:12] == "496bc11d1759"


def test_the_estimate_counts_the_examples_that_are_used() -> None:
    digits = load_dataset("digits")
    one_step = np.ones(2)
    assert _trial_seconds(config(train_examples=128), digits, one_step) == pytest.approx(2 * (1 + 144 / (3 * 128)))


def test_a_space_may_search_over_them() -> None:
    space = SearchSpace.from_dict(SPACE | {"train_examples": {"choices": [100, 200]}, "sampler": "grid"})
    assert space.trials == 2


def weighing(*weights: float) -> Dataset:
    """Return digits whose first training examples have these weights, and all others 1."""
    digits = load_dataset("digits")
    told = {f"w_{part}": torch.ones(len(getattr(digits, f"y_{part}"))) for part in ("train", "val", "test")}
    told["w_train"][: len(weights)] = torch.tensor(weights)
    return replace(digits, **told)


def test_weights_are_over_the_mean_of_the_examples_that_are_used() -> None:
    few = weighing(1.0, 2.0, 6.0).limited(3)
    torch.testing.assert_close(few.w_train, torch.tensor([1.0, 2.0, 6.0]) / 3)
    assert few.w_val.unique().tolist() == few.w_test.unique().tolist() == [pytest.approx(1 / 3)]


def test_examples_that_all_weigh_nothing_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"must not all be 0 to train on, but those of the first 2 are; take more"):
        weighing(0.0, 0.0).limited(2)
