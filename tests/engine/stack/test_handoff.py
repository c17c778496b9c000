"""The handoff: what it keeps, what it changes."""

import dataclasses
import math

import pytest
import torch

from smartmixed_search.engine.measurement import describe_choices
from smartmixed_search.engine.stack.networks import argmax_mixes, evaluate
from smartmixed_search.engine.stack.parameters import draw_linear, original_order
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.method.freezing import neuron_orders
from tests.helpers.reference import toy_dataset
from tests.helpers.training import BASE, CPU

SELECTION = dataclasses.replace(BASE, epochs=6, phase_fraction=0.5)


def at_handoff(**changes: object) -> TwoPhaseTraining:
    """Train the selection phase and hand off."""
    training = TwoPhaseTraining(dataclasses.replace(SELECTION, **changes), toy_dataset(), CPU, torch.float64)
    with torch.no_grad():
        while training.epoch < 3:
            training._validate(training._train_epoch())
            training.epoch += 1
        training.hand_off()
    return training


def val_losses(training: TwoPhaseTraining) -> torch.Tensor:
    data = training.data
    mixes = argmax_mixes(training.networks.stack.parameters)
    return evaluate(training.networks.stack, data.x_val.double(), data.y_val, [], mixes).loss


def test_inherit_from_last_keeps_the_function() -> None:
    training = at_handoff()
    torch.testing.assert_close(val_losses(training), training.curves["val_loss"][-1], rtol=0, atol=1e-12)


def test_inherit_from_best_goes_back_to_the_best_epoch() -> None:
    training = at_handoff(handoff_from="best", learning_rate=0.3)
    losses = torch.stack(training.curves["val_loss"])
    column = training.layout.smartmixed
    best = losses[:, :, column].argmin(0)
    assert (best < 2).any(), "the best epoch must not be the last, or this shows nothing"
    torch.testing.assert_close(val_losses(training)[:, column], losses[:, :, column].amin(0), rtol=0, atol=1e-12)
    assert training.networks.optimizer.steps[:, column].tolist() == ((best + 1) * training.steps_per_epoch).tolist()
    kept = original_order(training.early.states[1], column, [torch.arange(w).expand(2, -1) for w in (9, 7)])
    restored = original_order(training.networks.optimizer.first_moments, column, training.selected.choices)
    for new, expected in zip(restored[0] + restored[1], kept[0] + kept[1], strict=True):
        torch.testing.assert_close(new, expected, rtol=0, atol=0)
    others = [c for c in range(len(training.config.members)) if c != column]
    torch.testing.assert_close(val_losses(training)[:, others], losses[-1][:, others], rtol=0, atol=1e-12)


def test_an_active_clamp_ends_with_the_selection() -> None:
    training = at_handoff(clamp=0.1)
    column = training.layout.smartmixed
    assert not torch.allclose(val_losses(training)[:, column], training.curves["val_loss"][-1][:, column])


def test_inherit_keeps_moments_in_the_neurons_new_order() -> None:
    config = dataclasses.replace(SELECTION)
    before = TwoPhaseTraining(config, toy_dataset(), CPU, torch.float64)
    with torch.no_grad():
        for _ in range(3):
            before._validate(before._train_epoch())
            before.epoch += 1
    moments = before.networks.optimizer.first_moments.clone()
    steps = before.networks.optimizer.steps.clone()
    with torch.no_grad():
        before.hand_off()
    weights, biases = original_order(before.networks.optimizer.first_moments, 0, before.selected.choices)
    for new, old in zip(weights + biases, moments.weights + moments.biases, strict=True):
        torch.testing.assert_close(new, old[:, 0], rtol=0, atol=0)
    assert torch.equal(before.networks.optimizer.steps, steps)


def test_reinitialize_draws_new_weights_and_forgets_moments() -> None:
    training = at_handoff(handoff="reinitialize")
    config = training.config
    weights, biases = original_order(training.networks.stack.parameters, 0, training.selected.choices)
    drawn = draw_linear(training.layout.sizes, config.seed, range(config.replicates), "handoff")
    for new, expected in zip(weights + biases, drawn[0] + drawn[1], strict=True):
        torch.testing.assert_close(new, torch.from_numpy(expected), rtol=0, atol=0)
    for moments in (training.networks.optimizer.first_moments, training.networks.optimizer.second_moments):
        assert all((tensor[:, 0] == 0).all() for tensor in moments.weights + moments.biases)
        assert all((tensor[:, 1] != 0).any() for tensor in moments.weights + moments.biases)
    assert (training.networks.optimizer.steps[:, 0] == 0).all()
    assert (training.networks.optimizer.steps[:, 1:] == 9).all()
    training.run()
    total = training.networks.optimizer.steps + training.steps_before_handoff
    assert (total == 18).all()


def test_choices_are_the_argmax_and_neurons_are_grouped() -> None:
    training = at_handoff()
    selected = training.selected
    orders = neuron_orders(selected.choices)
    for probability, choice, order in zip(selected.probabilities, selected.choices, orders, strict=True):
        assert torch.equal(probability.argmax(-1), choice)
        sorted_choice = choice.gather(1, order)
        assert (sorted_choice.diff(dim=1) >= 0).all()
    assert len(selected.choices[0].unique()) > 1


@pytest.mark.parametrize("estimator", ["hard", "soft"])
def test_frozen_logits_no_longer_move_or_count(estimator: str) -> None:
    config = dataclasses.replace(SELECTION, estimator=estimator, controls=())
    training = TwoPhaseTraining(config, toy_dataset(), CPU, torch.float64)
    frozen: dict[int, list[torch.Tensor]] = {}

    def report(epoch: int, _: object) -> None:
        if epoch >= 3:
            frozen[epoch] = [logit.clone() for logit in training.networks.stack.parameters.logits]

    training.run(report)
    for first, last in zip(frozen[3], frozen[5], strict=True):
        assert torch.equal(first, last)
    assert all((gradient == 0).all() for gradient in training.networks.stack.gradients.logits)


def test_statistics_of_hand_worked_logits() -> None:
    training = TwoPhaseTraining(dataclasses.replace(SELECTION, architecture=(2,)), toy_dataset(), CPU, torch.float64)
    tilt = training.layout.tilts[0][:, 0]
    logits = training.networks.stack.parameters.logits[0]
    logits.zero_()
    logits[torch.arange(2), 0, 0, tilt] = 2.0  # the first neuron keeps its tilt, clearly
    logits[torch.arange(2), 0, 1, (training.layout.tilts[0][:, 1] + 1) % 6] = 1.0  # the second changes, hardly
    with torch.no_grad():
        training.hand_off()
    assert training.selected.changed[0].tolist() == [0.5, 0.5]
    largest = [math.exp(value) / (math.exp(value) + 5) for value in (2.0, 1.0)]
    for choice in describe_choices(training):
        assert choice.confidence == [pytest.approx(sum(largest) / 2)]
        entropies = [-p * math.log(p) - (1 - p) * math.log((1 - p) / 5) for p in largest]
        assert choice.entropy == [pytest.approx(sum(entropies) / 2)]


def test_a_diverged_network_stays_diverged() -> None:
    config = dataclasses.replace(SELECTION, handoff="reinitialize", handoff_from="best")
    training = TwoPhaseTraining(config, toy_dataset(), CPU)

    def poison(epoch: int, _: object) -> None:
        if epoch == 1:
            training.networks.stack.parameters.weights[0][0, 0] = torch.nan

    training.run(poison)
    assert training.networks.optimizer.alive[:, 0].tolist() == [False, True]
    assert training.early.epoch[0, 0] in (0, 1)
    assert training.final.epoch[0, 0] == -1
