"""Networks that an earlier trial has trained give the figures that training them again would give."""

import dataclasses
import json
from typing import Any

import pytest
from torch import Tensor

from smartmixed_search.engine.reuse import ENVIRONMENT, reusable
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.trials.config import SELECTIVE, SMARTMIXED, TrialConfig
from smartmixed_search.trials.result import TrialResult
from tests.helpers.reference import toy_dataset
from tests.helpers.training import BASE

LENGTHS = range(1, BASE.epochs)
"""Selection lengths in epochs."""
OTHER = dataclasses.replace(BASE, phase_fraction=0.8, temperature=1.5)
"""Another setting of SmartMixed: selection takes 4 epochs, not 2."""
VARIANTS: dict[str, dict[str, Any]] = {
    "with controls": {},
    "reinitialized, sampled evaluation": {"handoff": "reinitialize", "evaluation": "sampled"},
    "annealed, clamped, soft": {"temperature_final": 0.1, "clamp": 0.4, "estimator": "soft"},
    "accuracy": {"objective": "accuracy"},
    "fewer strategies": {"strategies": (SMARTMIXED, "tanh"), "controls": ()},
    "fewer replicates": {"replicates": 1},
}


@pytest.fixture(scope="module")
def earlier() -> TrialResult:
    """As the trial's file has it."""
    result = run_trial(BASE, toy_dataset(), handoff_epochs=LENGTHS)
    return TrialResult.from_dict(json.loads(json.dumps(result.to_dict())))


def reuse(config: TrialConfig, earlier: TrialResult | None, **environment: str) -> set[str]:
    """Return the members of a trial that are reused."""
    here = {} if earlier is None else earlier.environment
    found = reusable(config, dict(here) | environment, earlier, [len(toy_dataset().x_test)])
    assert len(found) == config.replicates * len({network.strategy for network in found})
    return {network.strategy for network in found}


def figures(result: TrialResult) -> dict[str, Any]:
    """Return all that a trial says of its networks, but for what tells a reused one."""
    networks = [dataclasses.replace(n, reused_from=None, test_at={}) for n in result.networks]
    plain = dataclasses.replace(result, networks=networks, seconds=0.0).to_dict()
    return dict(leaves("", plain))


def run(config: TrialConfig, earlier: TrialResult | None) -> tuple[dict[str, Any], list[dict[str, float]]]:
    """Return a trial's figures and reports."""
    reports: list[dict[str, float]] = []
    result = run_trial(config, toy_dataset(), report=lambda _, metrics: reports.append(metrics), reuse=earlier)
    return figures(result), reports


def leaves(name: str, value: Any) -> list[tuple[str, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        return [(name, value)]
    return [leaf for key, below in items for leaf in leaves(f"{name}/{key}", below)]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_trial_that_reuses_baselines_equals_one_that_trains_them(earlier: TrialResult, variant: str) -> None:
    config = dataclasses.replace(OTHER, **VARIANTS[variant])
    with_reuse, reports_with_reuse = run(config, earlier)
    without, reports_without = run(config, None)
    assert with_reuse.keys() == without.keys()
    for name, value in without.items():
        # Products are batched differently in a smaller stack.
        expected = pytest.approx(value, rel=1e-4, abs=1e-6) if isinstance(value, float) else value
        assert with_reuse[name] == expected, name
    assert reports_with_reuse == [pytest.approx(metrics) for metrics in reports_without]


def test_only_what_is_not_reused_is_trained(earlier: TrialResult, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[Any] = []
    monkeypatch.setattr(TwoPhaseTraining, "_train_epoch", _noting(trained))
    result = run_trial(OTHER, toy_dataset(), reuse=earlier)
    assert set(trained) == {(SMARTMIXED, SELECTIVE)}
    assert {n.strategy for n in result.networks if n.reused_from is None} == {SMARTMIXED, SELECTIVE}
    assert {n.reused_from for n in result.networks} == {None, earlier.key}


def _noting(trained: list[tuple[str, ...]]) -> Any:
    train = TwoPhaseTraining._train_epoch

    def noted(training: TwoPhaseTraining) -> Tensor:
        trained.append(training.layout.part.members)
        return train(training)

    return noted


def test_networks_that_were_reused_can_be_reused_again(earlier: TrialResult) -> None:
    second = run_trial(OTHER, toy_dataset(), reuse=earlier)
    third = run_trial(dataclasses.replace(BASE, phase_fraction=0.2), toy_dataset(), reuse=second)
    assert {network.reused_from for network in third.networks} == {None, earlier.key}


@pytest.mark.parametrize("length", LENGTHS[1:])
def test_accuracy_at_a_handoff_is_of_the_best_epoch_before_it(earlier: TrialResult, length: int) -> None:
    """The first epochs of a longer training are a shorter one; only SmartMixed notices where it ends."""
    shorter = run_trial(dataclasses.replace(BASE, epochs=length), toy_dataset())
    for network, same in zip(earlier.networks, shorter.networks, strict=True):
        assert network.test_at.get(str(length)) == (None if network.strategy == SMARTMIXED else same.test["correct"]), (
            network.strategy
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate": 0.03},
        {"batch_size": 8},
        {"clip_norm": 1.0},
        {"epochs": 6},
        {"architecture": (9, 6)},
        {"seed": 1},
        {"output": "softmax"},
        {"precision": "bf16"},
        {"pool": BASE.pool[::-1]},
        {"replicates": 3},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_nothing_is_reused_where_training_differs(earlier: TrialResult, changes: dict[str, Any]) -> None:
    assert reuse(OTHER, earlier) == set(OTHER.members) - {SMARTMIXED, SELECTIVE}
    assert reuse(dataclasses.replace(OTHER, **changes), earlier) == set()


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_nothing_is_reused_from_another_environment(earlier: TrialResult, name: str) -> None:
    assert reuse(OTHER, earlier, **{name: "another"}) == set()


def test_nothing_is_reused_for_a_selection_length_that_was_not_measured() -> None:
    only_its_own = run_trial(BASE, toy_dataset())
    assert reuse(OTHER, only_its_own) == set()
    assert reuse(dataclasses.replace(BASE, temperature=2.0), only_its_own) != set()


def test_nothing_is_reused_without_an_earlier_trial() -> None:
    assert reuse(OTHER, None) == set()
