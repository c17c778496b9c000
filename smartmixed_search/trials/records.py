"""What is kept of one network and of one selection, and the words for how things end."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from smartmixed_search.tasks.metric import Metric

FINISHED = "finished"


FAILED = "failed"


STOPPED = "stopped"


SETTLED = (FINISHED, FAILED, STOPPED)
"""How a trial can end; a network is `finished` or `diverged`."""


DIVERGED = "diverged"


RANKED = "ranked"


CONTROL = "control"


Curves = dict[str, list[float | None]]
SPLITS = ("val", "test")
"""What networks are measured on."""


@dataclass(frozen=True, kw_only=True)
class NetworkResult:
    """The figures of one network of a trial: one strategy or control, trained with one replicate's seeds.

    `val` and `test` are of the network's checkpoint, its epoch of lowest validation loss (`smartmixed`: of the fixed
    phase): `loss`, the value of every metric by its name, and of accuracy also `correct`, the number of examples. None
    where there is none: of a network that diverged before it had a checkpoint, which has an accuracy of 0, or where a
    metric is undefined.
    """

    strategy: str
    role: str
    """`ranked` or `control`."""
    replicate: int
    status: str
    """`finished` or `diverged`."""
    parameters: int
    """Weights, biases and what a learned rival's activations learn; the selection's logits are not counted."""
    best_epoch: int | None
    """Epoch of the checkpoint, counted from 0; None if the network diverged before it had one."""
    val: dict[str, float | None]
    test: dict[str, float | None]
    val_last: dict[str, float | None]
    """Loss and the metric that ranks after the last epoch."""
    epochs: int
    """Epochs trained."""
    steps: int
    """Optimiser steps taken."""
    test_at_handoff: float | None
    """What the metric that ranks is on the test examples, by the best checkpoint within the first `selection_epochs`;
    None for `smartmixed`."""
    phase1: dict[str, float | None]
    """`smartmixed`'s phase-1 checkpoint, `best_epoch`, and `{val,test}_{loss,…}_{argmax,sampled}` with the name of the
    metric that ranks; else empty."""
    curves: Curves
    """`train_loss`, `val_loss`, `val_…` of the metric that ranks: a value for every epoch; None where it has none."""
    test_at: dict[str, float | None] = field(default_factory=dict)
    """By selection length in epochs, the same as `test_at_handoff` in a trial of that length, for which the network can
    be reused, as `Metric.quantity` has it. Empty for `smartmixed`."""
    reused_from: str | None = None
    """Key of the trial that trained the network, if it was not this one: then it has cost this one nothing."""

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read a network's fields, also as they were when accuracy was the only metric."""
        return cls(**(plain if "val" in plain else _of_accuracy(plain)))


def _of_accuracy(plain: Mapping[str, Any]) -> dict[str, Any]:
    old = dict(plain)
    groups = {split: {name: old.pop(f"{split}_{name}") for name in ("loss", "accuracy", "correct")} for split in SPLITS}
    last = {name: old.pop(f"val_{name}_last") for name in ("loss", "accuracy")}
    at_handoff, test_at = old.pop("test_accuracy_at_handoff"), old.pop("test_correct_at", {})
    return {**old, **groups, "val_last": last, "test_at_handoff": at_handoff, "test_at": test_at}


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


def value_at(selection_epochs: int, test_at: Mapping[str, float | None], metric: Metric, examples: int) -> float | None:
    """Return a network's `test_at_handoff` for a selection phase of that many epochs; None if it has none."""
    quantity = test_at.get(str(selection_epochs))
    return None if quantity is None else metric.value(quantity, examples)


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
