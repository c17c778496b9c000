"""Results as earlier versions wrote them, when accuracy was the only metric."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from smartmixed_search.datasets import load_dataset
from smartmixed_search.engine.reuse import ENVIRONMENT, reusable
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.tasks.metric import ACCURACY
from smartmixed_search.trials.ranking import objective, rank_networks
from smartmixed_search.trials.result import TrialResult

STORED = json.loads(Path(__file__).with_name("result_of_898b56d.json").read_text())


@pytest.fixture(scope="module")
def stored() -> TrialResult:
    return TrialResult.from_dict(STORED)


def test_a_stored_result_is_of_accuracy(stored: TrialResult) -> None:
    assert (stored.metric, stored.task) == (ACCURACY, "classification")
    assert stored.config.key == stored.key
    for network, plain in zip(stored.networks, STORED["networks"], strict=True):
        assert network.val == {name: plain[f"val_{name}"] for name in ("loss", "accuracy", "correct")}
        assert network.test == {name: plain[f"test_{name}"] for name in ("loss", "accuracy", "correct")}
        assert network.test_at_handoff == plain["test_accuracy_at_handoff"]
    assert objective(stored.networks, "margin") == stored.objective
    assert rank_networks(stored.networks)["test_correct"].tolist() == [
        network["test_correct"] for network in sorted(STORED["networks"], key=lambda one: -one["test_correct"])
    ]


def test_it_is_written_as_results_are_now(stored: TrialResult) -> None:
    again = TrialResult.from_dict(json.loads(json.dumps(stored.to_dict())))
    assert again == stored


def test_the_same_trial_has_the_same_figures_now(stored: TrialResult) -> None:
    now = run_trial(stored.config, load_dataset("digits"))
    for before, network in zip(stored.networks, now.networks, strict=True):
        assert network.val["loss"] == pytest.approx(before.val["loss"], rel=1e-4)
        assert network.curves["val_accuracy"] == pytest.approx(before.curves["val_accuracy"], abs=0.01)


def test_its_baselines_can_be_taken_over(stored: TrialResult) -> None:
    here = {name: stored.environment.get(name, "") for name in ENVIRONMENT}
    (relu,) = reusable(stored.config, here, replace(stored, environment=here), [len(load_dataset("digits").y_test)])
    assert relu.reused_from == stored.key
    assert relu.test_at_handoff == next(n for n in stored.networks if n.strategy == "relu").test_at_handoff
