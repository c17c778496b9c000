"""What is kept of one network and of one selection, and the words for how things end."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FINISHED = "finished"


FAILED = "failed"


STOPPED = "stopped"


SETTLED = (FINISHED, FAILED, STOPPED)
"""How a trial can end; a network is `finished` or `diverged`."""


DIVERGED = "diverged"


RANKED = "ranked"


CONTROL = "control"


Curves = dict[str, list[float | None]]


@dataclass(frozen=True, kw_only=True)
class NetworkResult:
    """The figures of one network of a trial: one strategy or control, trained with one replicate's seeds.

    Accuracies lie in [0, 1], losses are in nats and None where a diverged network has none. `val_…` and `test_…` are
    of the network's checkpoint: its epoch of lowest validation loss (`smartmixed`: of the fixed phase).
    """

    strategy: str
    role: str
    """`ranked` or `control`."""
    replicate: int
    status: str
    """`finished` or `diverged`."""
    parameters: int
    """Weights and biases; the selection's logits are not counted."""
    best_epoch: int | None
    """Epoch of the checkpoint, counted from 0; None if the network diverged before it had one."""
    val_loss: float | None
    val_accuracy: float
    val_correct: int
    test_loss: float | None
    test_accuracy: float
    test_correct: int
    val_loss_last: float | None
    val_accuracy_last: float
    epochs: int
    """Epochs trained."""
    steps: int
    """Optimiser steps taken."""
    test_accuracy_at_handoff: float | None
    """Test accuracy of the best checkpoint within the first `selection_epochs`; None for `smartmixed`."""
    phase1: dict[str, float | None]
    """`smartmixed`'s phase-1 checkpoint: `{val,test}_{accuracy,loss}_{argmax,sampled}` and `best_epoch`; else empty."""
    curves: Curves
    """`train_loss`, `val_loss`, `val_accuracy`: one value per epoch; None where it is not finite."""
    test_correct_at: dict[str, float] = field(default_factory=dict)
    """By selection length in epochs, the correct test examples of the best checkpoint within it: what
    `test_accuracy_at_handoff` is in a trial of that length, for which the network can be reused. Empty for
    `smartmixed`."""
    reused_from: str | None = None
    """Key of the trial that trained the network, if it was not this one: then it has cost this one nothing."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the selection phase of one SmartMixed network arrived at. Lists hold one value per hidden layer."""

    replicate: int
    functions: list[list[str]]
    """Name of the frozen function, by layer and neuron, neurons in their original order."""
    confidence: list[float]
    """Mean over the neurons of the largest softmax probability."""
    entropy: list[float]
    """Mean over the neurons of the entropy of the softmax probabilities, in nats."""
    changed: list[float]
    """Share of the neurons whose choice differs from their initial tilt."""
    counts: list[list[list[int]]] = field(default_factory=list)
    """By selection epoch, layer and function of the pool: number of neurons whose most likely function it was."""


def accuracy_at(selection_epochs: int, test_correct_at: Mapping[str, float], examples: int) -> float | None:
    """Return a network's `test_accuracy_at_handoff` for a selection phase of that many epochs; None if it has none."""
    correct = test_correct_at.get(str(selection_epochs))
    return None if correct is None else correct / examples


Metrics = dict[str, float]


_CHOICE_STATISTICS = ("confidence", "entropy", "changed")


def choice_metrics(choices: Sequence[Choice]) -> Metrics:
    """Return what the selection arrived at: `choice_…` over all neurons, `choice_…_layer0` … by hidden layer."""
    metrics: Metrics = {}
    widths = [len(functions) for functions in choices[0].functions]
    for name in _CHOICE_STATISTICS:
        by_layer = [statistics.fmean(layer) for layer in zip(*(getattr(c, name) for c in choices), strict=True)]
        metrics[f"choice_{name}"] = statistics.fmean(by_layer, weights=widths)
        metrics |= {f"choice_{name}_layer{layer}": value for layer, value in enumerate(by_layer)}
    return metrics
