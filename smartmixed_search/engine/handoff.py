"""The handoff: SmartMixed's choices are frozen, and what its units share is carried over, restored or drawn again."""

import torch
from torch import Tensor

from smartmixed_search.engine.checkpoints import Checkpoint
from smartmixed_search.engine.networks import Networks, Selected
from smartmixed_search.engine.optimizer import ClippedAdam
from smartmixed_search.engine.parameters import Parameters
from smartmixed_search.trials.config import SMARTMIXED


def hand_off(networks: Networks, early: Checkpoint, steps_per_epoch: int) -> Selected:
    """End SmartMixed's selection phase: choose, group, freeze; in place.

    A network that diverged while selecting stays diverged, whatever is handed off: divergence is never retried.

    Args:
        networks: SmartMixed's among them.
        early: their best selection epochs, with moments if `handoff_from` is `best`.
        steps_per_epoch: optimiser steps of an epoch.
    """
    layout, states = networks.layout, networks.states()
    column, config = layout.columns[SMARTMIXED], layout.config
    if config.handoff_from == "best":
        _restore(early, states, column, layout.smartmixed_logits)
        _restore_steps(early, networks.optimizer, column, steps_per_epoch)
    logits = networks.smartmixed_logits
    choices, tilts = (layout.of_sites(ones) for ones in ([logit.argmax(-1) for logit in logits], layout.tilts))
    if config.handoff == "reinitialize":
        _reinitialize(networks, column)
    networks.group(states, choices)
    freeze(networks, choices)
    changed = [(choice != tilt).double().mean(1) for choice, tilt in zip(choices, tilts, strict=True)]
    # a diverged network's may be infinite
    probabilities = layout.of_sites([logit.nan_to_num().softmax(-1) for logit in logits])
    return Selected(choices, probabilities, changed)


def freeze(networks: Networks, choices: list[Tensor]) -> None:
    """Let SmartMixed's units, grouped already, apply their choices [R, H] from now on, and its logits rest."""
    optimizer, index = networks.optimizer, networks.layout.smartmixed_logits
    networks.freeze(choices)
    optimizer.learn_logits_of([*networks.layout.logit_columns[:index], *networks.layout.logit_columns[index + 1 :]])
    for gradient in optimizer.gradients.logits:
        gradient[:, index] = 0  # or the last one would count in the norm for ever


def _restore(early: Checkpoint, states: list[Parameters], column: int, index: int) -> None:
    """Go back to each replicate's best selection epoch; one that diverged before it had any stays."""
    found = early.epoch[:, column] >= 0
    for kept, state in zip(early.states, states, strict=True):
        for best, current in zip(kept.shared, state.shared, strict=True):
            current[found, column] = best[found, column]
        for best, current in zip(kept.logits, state.logits, strict=True):
            current[found, index] = best[found, index]


def _restore_steps(early: Checkpoint, optimizer: ClippedAdam, column: int, steps_per_epoch: int) -> None:
    epoch, steps = early.epoch[:, column], optimizer.steps[:, column]
    steps.copy_(((epoch + 1) * steps_per_epoch).to(steps).where(epoch >= 0, steps))


def _reinitialize(networks: Networks, column: int) -> None:
    """Draw what is shared from the stream `handoff`; moments and step count start again."""
    parameters, *moments = networks.states()
    for current, drawn in zip(parameters.shared, networks.draw("handoff"), strict=True):
        current[:, column] = torch.from_numpy(drawn).to(current)
    for moment in moments:
        for tensor in moment.shared:
            tensor[:, column] = 0
    networks.optimizer.steps[:, column] = 0
