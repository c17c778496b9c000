"""Inputs that are zero everywhere: left out of training, and nothing else changes."""

import dataclasses

import numpy as np
import pytest
import torch

from smartmixed_search.datasets import Dataset
from smartmixed_search.engine.measurement import Measured, measure
from smartmixed_search.engine.stack import live_inputs as inputs
from smartmixed_search.engine.stack.live_inputs import live_inputs
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.trials.config import RANDOM_MIXED, SELECTIVE
from tests.helpers.reference import toy_dataset
from tests.helpers.training import BASE

LIVE = [1, 2, 5, 8, 11, 17, 18, 22]


def sparse_dataset() -> Dataset:
    """Return 24 inputs, eight of them alive; one of these in a single test example."""
    toy = toy_dataset(features=24)
    dead = torch.ones(24, dtype=torch.bool)
    dead[LIVE] = False
    splits = {name: getattr(toy, name).masked_fill(dead, 0.0) for name in ("x_train", "x_val", "x_test")}
    splits["x_train"][:, 22] = 0.0
    splits["x_val"][:, 22] = 0.0
    splits["x_test"][1:, 22] = 0.0
    return dataclasses.replace(toy, **splits)


def trained(handoff: str) -> Measured:
    config = dataclasses.replace(BASE, controls=(SELECTIVE, RANDOM_MIXED), handoff=handoff)
    training = TwoPhaseTraining(config, sparse_dataset(), torch.device("cpu"), torch.float64)
    training.run()
    with torch.no_grad():
        return measure(training)


def test_an_input_is_live_if_any_example_of_any_split_has_it() -> None:
    assert live_inputs(sparse_dataset()).tolist() == LIVE


def test_dead_inputs_align_the_live_ones() -> None:
    dataset = sparse_dataset()
    dataset.x_train[0, 0] = 1.0
    live = live_inputs(dataset).tolist()
    assert len(live) == 16
    assert set(live) >= {0, *LIVE}
    assert live == sorted(live)


def test_a_dataset_of_nothing_keeps_an_input() -> None:
    toy = toy_dataset(features=24)
    nothing = {name: torch.zeros_like(getattr(toy, name)) for name in ("x_train", "x_val", "x_test")}
    assert len(live_inputs(dataclasses.replace(toy, **nothing))) == inputs.ALIGNMENT


def test_they_are_found_once_for_all_trainings_on_a_dataset() -> None:
    dataset = sparse_dataset()
    trainings = [TwoPhaseTraining(BASE, dataset, torch.device("cpu")) for _ in range(2)]
    assert live_inputs(trainings[0].data) is live_inputs(trainings[1].data)


@pytest.mark.parametrize("handoff", ["inherit", "reinitialize"])
def test_results_are_those_of_training_on_all_inputs(handoff: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without = trained(handoff)
    monkeypatch.setattr(
        "smartmixed_search.engine.stack.networks.live_inputs", lambda dataset: np.arange(dataset.features)
    )
    everything = trained(handoff)
    for one, other in zip(without.networks, everything.networks, strict=True):
        assert one.test["loss"] == pytest.approx(other.test["loss"], rel=1e-9)
        assert one.curves["train_loss"] == pytest.approx(other.curves["train_loss"], rel=1e-9)
        assert (one.parameters, one.test["correct"]) == (other.parameters, other.test["correct"])
    assert without.weights.keys() == everything.weights.keys()
    for name, weight in everything.weights.items():
        torch.testing.assert_close(without.weights[name], weight)
