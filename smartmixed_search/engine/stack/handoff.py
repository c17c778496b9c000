"""The handoff: SmartMixed's choices are frozen, and its neurons are sorted by them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from smartmixed_search.engine.checkpoints import Checkpoint
from smartmixed_search.engine.stack import ClippedAdam, Mixed, Parameters, Stack
from smartmixed_search.engine.stack.layout import Layout
from smartmixed_search.engine.stack.parameters import reorder_column
from smartmixed_search.method.freezing import group_sizes, inverse_orders, neuron_orders, reorder_neurons
from smartmixed_search.trials.config import SMARTMIXED


@dataclass(frozen=True)
class Selected:
    """What the selection phase arrived at."""

    choices: list[Tensor]
    """Per hidden layer, index of the chosen function [R, H], neurons in their original order."""
    orders: list[Tensor]
    """Per hidden layer, the order [R, H] in which the frozen network holds its neurons."""
    probabilities: list[Tensor]
    """Per hidden layer, softmax of the logits [R, H, K]."""
    changed: list[Tensor]
    """Per hidden layer, share of the neurons [R] whose choice differs from their initial tilt."""


def hand_off(layout: Layout, stack: Stack, optimizer: ClippedAdam, early: Checkpoint, steps_per_epoch: int) -> Selected:
    """End SmartMixed's selection phase: choose, reorder, freeze; in place.

    A network that diverged while selecting stays diverged, whatever is handed off: divergence is never retried.

    Args:
        layout: the trial's plan; its configuration says what is handed off.
        stack: the networks.
        optimizer: their optimiser; its moments are handed off as well, or made new.
        early: the networks' best selection epochs, with moments if `handoff_from` is `best`.
        steps_per_epoch: optimiser steps of an epoch.
    """
    column, config = layout.columns[SMARTMIXED], layout.config
    states = handoff_states(stack, optimizer)
    if config.handoff_from == "best":
        _restore(early, states, column)
        _restore_steps(early, optimizer, column, steps_per_epoch)
    logits = [logit[:, 0] for logit in stack.parameters.logits]
    choices = [logit.argmax(-1) for logit in logits]
    orders = neuron_orders(choices)
    if config.handoff == "reinitialize":
        _reinitialize(layout, states, optimizer, column)
    for state in states:
        reorder_column(state, column, orders)
    freeze(layout, stack, optimizer, choices)
    changed = [(choice != tilt).double().mean(1) for choice, tilt in zip(choices, layout.tilts, strict=True)]
    probabilities = [logit.nan_to_num().softmax(-1) for logit in logits]  # a diverged network's may be infinite
    return Selected(choices, orders, probabilities, changed)


def freeze(layout: Layout, stack: Stack, optimizer: ClippedAdam, choices: list[Tensor]) -> None:
    """Let SmartMixed's neurons, sorted by their choices [R, H], apply these from now on, and its logits rest."""
    column = layout.columns[SMARTMIXED]
    stack.assignments[column] = Mixed(layout.pool, group_sizes(choices, len(layout.pool)))
    stack.selecting[column] = None
    optimizer.learn_logits_of(layout.logit_columns[1:])
    for gradient in stack.gradients.logits:
        gradient[:, 0] = 0  # or the last one would count in the norm for ever


def handoff_states(stack: Stack, optimizer: ClippedAdam) -> list[Parameters]:
    """Return what a handoff carries over: parameters and both moments."""
    return [stack.parameters, optimizer.first_moments, optimizer.second_moments]


def original_order(parameters: Parameters, column: int, orders: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Return copies of one column's weights [R, outputs, inputs] and biases, neurons in their original order."""
    weights = [weight[:, column].clone() for weight in parameters.weights]
    biases = [bias[:, column].clone() for bias in parameters.biases]
    reorder_neurons(weights, biases, inverse_orders(orders))
    return weights, biases


def _restore(early: Checkpoint, states: list[Parameters], column: int) -> None:
    """Go back to each replicate's best selection epoch; one that diverged before it had any stays."""
    found = early.epoch[:, column] >= 0
    for kept, state in zip(early.states, states, strict=True):
        for group, index in (("weights", column), ("biases", column), ("logits", 0)):
            for best, current in zip(getattr(kept, group), getattr(state, group), strict=True):
                current[found, index] = best[found, index]


def _restore_steps(early: Checkpoint, optimizer: ClippedAdam, column: int, steps_per_epoch: int) -> None:
    epoch, steps = early.epoch[:, column], optimizer.steps[:, column]
    steps.copy_(((epoch + 1) * steps_per_epoch).to(steps).where(epoch >= 0, steps))


def _reinitialize(layout: Layout, states: list[Parameters], optimizer: ClippedAdam, column: int) -> None:
    """Draw new weights from the stream `handoff`; moments and step count start anew."""
    weights, biases = layout.draw("handoff")
    parameters, *moments = states
    for current, drawn in zip(parameters.weights + parameters.biases, weights + biases, strict=True):
        current[:, column] = torch.from_numpy(drawn).to(current)
    for moment in moments:
        for tensor in moment.weights + moment.biases:
            tensor[:, column] = 0
    optimizer.steps[:, column] = 0
