"""What a trial returns: plain, frozen records that travel between processes as dicts and JSON."""

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from smartmixed_search.config import TrialConfig
from smartmixed_search.selection_rate import logit_rate

FINISHED = "finished"
FAILED = "failed"
STOPPED = "stopped"
SETTLED = (FINISHED, FAILED, STOPPED)
"""How a trial can end; a network is `finished` or `diverged`."""

DIVERGED = "diverged"

RANKED = "ranked"
CONTROL = "control"

CONVERGED_CONFIDENCE = 0.5
"""A mean choice confidence below it means that the selection has not converged."""
UNDECIDED = "neurons were fixed before they had decided"
"""What that means. The choices may still be far from random: small differences between logits make them."""

Curves = dict[str, list[float | None]]


@dataclass(frozen=True, kw_only=True)
class NetworkResult:
    """One network of the stack: one strategy (or control) with one replicate's seeds.

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


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """One trained stack."""

    config: TrialConfig
    key: str
    networks: list[NetworkResult]
    """Replicate by replicate, strategies then controls."""
    choices: list[Choice]
    """One per replicate."""
    objective: float
    """What tuning maximises; from validation data only, always finite."""
    selection_epochs: int
    selection_steps: int
    """Optimiser steps of the selection phase."""
    seconds: float
    """Wall time of the whole stack."""
    environment: dict[str, str]
    """Device and versions the trial ran with, and in how many parts it was trained."""
    weights_path: str | None = field(default=None)
    """Where SmartMixed's frozen networks were written (safetensors), if they were."""
    weights_checksum: str | None = None
    """Checksum of that file."""

    @property
    def logit_learning_rate(self) -> float:
        """Adam's learning rate for the logits, whether the configuration gave it or it followed from the steps."""
        config = self.config
        return logit_rate(config.logit_learning_rate, config.learning_rate, self.selection_steps)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, strings, lists and dicts, fit for JSON."""
        return vars(self) | {
            "config": self.config.to_dict(),
            "networks": [dict(vars(network)) for network in self.networks],
            "choices": [dict(vars(choice)) for choice in self.choices],
        }

    def _repr_html_(self) -> str:
        from smartmixed_search.ranking import rank_networks  # which reads this module, and brings pandas

        shown = rank_networks(self.networks)[["rank", "strategy", "test_accuracy", "val_accuracy", "replicates"]]
        table = shown.to_html(index=False, na_rep="–", float_format="{:z.4f}".format)
        name = "-".join(map(str, self.config.architecture))
        return f"<p>{name} on {html.escape(self.config.dataset)}, objective {self.objective:+z.4f}</p>{table}"

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        values = dict(plain)
        values["config"] = TrialConfig.from_dict(values["config"])
        values["networks"] = [NetworkResult(**network) for network in values["networks"]]
        values["choices"] = [Choice(**choice) for choice in values["choices"]]
        return cls(**values)
