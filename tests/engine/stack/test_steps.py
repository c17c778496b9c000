"""Steps that are replayed on the same memory, as CUDA does, train what steps called one by one train."""

import dataclasses
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.method.activations import register_activation, unregister_activation
from smartmixed_search.trials.config import SELECTIVE
from tests.helpers.recording import Simulated, unmoved
from tests.helpers.reference import toy_dataset
from tests.helpers.training import BASE, CPU, wavy

LONG = dataclasses.replace(BASE, epochs=9, phase_fraction=0.5, batch_size=6)
"""Two phases of 32 and 40 steps, the last of every epoch on a partial batch; noise is drawn more than once."""


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Simulated:
    simulated = Simulated()
    monkeypatch.setattr("smartmixed_search.engine.stack.steps.recorder", lambda _: simulated)
    monkeypatch.setattr("smartmixed_search.engine.stack.cuda_graphs.WORTHWHILE", 3)
    return simulated


@pytest.fixture
def a_users_function() -> Iterator[None]:
    register_activation("wavy", wavy)
    yield
    unregister_activation("wavy")


def train(**changes: object) -> TwoPhaseTraining:
    training = TwoPhaseTraining(dataclasses.replace(LONG, **changes), toy_dataset(), CPU)
    training.run()
    return training


def outcome(training: TwoPhaseTraining) -> list[Tensor]:
    states = [
        training.networks.stack.parameters,
        training.networks.optimizer.first_moments,
        training.networks.optimizer.second_moments,
    ]
    curves = [torch.stack(curve) for curve in training.curves.values()]
    return [*(tensor for state in states for tensor in state.tensors()), *curves, training.networks.optimizer.steps]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"estimator": "soft", "temperature": 1.5, "temperature_final": 0.2},
        {"clamp": 0.4, "output": "softmax"},
        {"handoff": "reinitialize", "handoff_from": "best"},
        {"controls": (SELECTIVE,), "precision": "bf16"},
        {"pool": ("relu", "wavy", "tanh"), "strategies": ("smartmixed", "wavy")},
        {"pool": "modern", "strategies": "all"},
        {"learning_rate": 1e37},
    ],
    ids=["published", "soft", "clamped", "reinitialized", "bf16", "a user's function", "modern", "divergent"],
)
@pytest.mark.usefixtures("a_users_function")
def test_replays_equal_calls(monkeypatch: pytest.MonkeyPatch, recorder: Simulated, changes: dict[str, object]) -> None:
    replayed = train(**changes)
    assert recorder.recorded == 4, "each phase has full batches and a partial one"
    assert recorder.rehearsed == 4
    assert recorder.replayed == 9 * 8 - recorder.rehearsed
    monkeypatch.setattr("smartmixed_search.engine.stack.steps.recorder", lambda _: None)
    for one, other in zip(outcome(replayed), outcome(train(**changes)), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


def test_a_phase_of_few_steps_is_not_captured(monkeypatch: pytest.MonkeyPatch, recorder: Simulated) -> None:
    monkeypatch.setattr("smartmixed_search.engine.stack.cuda_graphs.WORTHWHILE", 6)
    train()
    assert recorder.recorded == 2, "four partial batches in one phase, five in the other"


def test_nothing_that_a_step_uses_ever_moves() -> None:
    training = TwoPhaseTraining(dataclasses.replace(LONG, handoff_from="best"), toy_dataset(), CPU)

    def used() -> list[Tensor]:
        optimizer, stack, steps = training.networks.optimizer, training.networks.stack, training.networks._steps
        states = (stack.parameters, stack.gradients, optimizer.first_moments, optimizer.second_moments)
        own = [value for item in (optimizer, steps, steps._draws) for value in vars(item).values()]
        return [t for state in states for t in state.tensors()] + [t for t in own if isinstance(t, Tensor)]

    assert len(used()) > 30
    with unmoved(used):
        training.run()
    assert training.selected is not None


def test_the_steps_of_an_epoch_may_be_taken_one_by_one() -> None:
    at_once, one_by_one = (TwoPhaseTraining(LONG, toy_dataset(), CPU) for _ in range(2))
    with torch.no_grad():
        at_once._train_epoch()
        taken = [one_by_one.networks.taken for _ in one_by_one.steps_of_epoch()]
    assert taken == list(range(1, 9))
    assert torch.equal(at_once.networks.loss, one_by_one.networks.loss)


def test_a_handoff_between_two_steps_ends_the_use_of_recordings(recorder: Simulated) -> None:
    training = TwoPhaseTraining(LONG, toy_dataset(), CPU)
    with torch.no_grad():
        steps = training.steps_of_epoch()
        for _ in range(4):
            next(steps)
        training.hand_off()
        before = training.networks.stack.parameters.logits[0].clone()
        for _ in range(4):
            next(steps, None)
    assert torch.equal(training.networks.stack.parameters.logits[0][:, 0], before[:, 0])
    assert recorder.recorded == 2
