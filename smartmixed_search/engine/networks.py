"""The contract of an engine: R × S networks of a part, whoever computes them, as the two-phase loop asks for them.

A new engine implements `Networks` and passes the shared suite of the tests (`tests/engine/contract.py`), which holds it
to every other engine that can train the same networks.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from smartmixed_search.engine.evaluation import Evaluation
from smartmixed_search.engine.layout import Layout
from smartmixed_search.engine.optimizer import ClippedAdam
from smartmixed_search.engine.parameters import Parameters
from smartmixed_search.method.selection import one_hot
from smartmixed_search.tasks.metric import Metric

EpochReport = Callable[[int, np.ndarray], None]
"""Called after every epoch with its number, from 0, and what ranks, measured on the validation examples, [R, S]."""


@dataclass(frozen=True)
class Selected:
    """What the selection phase arrived at."""

    choices: list[Tensor]
    """Per site, index of the chosen function [R, H]."""
    probabilities: list[Tensor]
    """Per site, softmax of the logits [R, H, K]."""
    changed: list[Tensor]
    """Per site, share of the units [R] whose choice differs from their initial tilt."""


class Networks(ABC):
    """R × S networks, trained together: strategies and controls of some replicates.

    Args:
        layout: the plan of the networks.
        parameters: all that a checkpoint must keep of them; updated in place and never replaced.
        optimizer: updates what is learned of these.
    """

    def __init__(self, layout: Layout, parameters: Parameters, optimizer: ClippedAdam) -> None:
        self.layout = layout
        self.parameters = parameters
        self.optimizer = optimizer
        self.taken = 0
        """Number of optimiser steps taken."""
        self.loss = torch.zeros(optimizer.alive.shape, dtype=torch.float64, device=layout.device)
        """Sum of the losses of the epoch's examples so far, [R, S]."""

    @abstractmethod
    def epoch(self, order: np.ndarray, epochs_left: int) -> Iterator[None]:
        """Train on every example once, one batch at each iteration; `loss` starts again.

        Args:
            order: in which each replicate sees the examples, [R, N].
            epochs_left: of the present phase, this one included.
        """

    @abstractmethod
    def evaluate(
        self,
        x: Tensor,
        y: Tensor,
        temperature: Tensor,
        metrics: Sequence[Metric],
        parameters: Parameters | None = None,
    ) -> Evaluation:
        """Evaluate all networks as they are now: those that select as the configuration says.

        Args:
            x: examples [N, …] as they are stored.
            y: targets [N].
            temperature: of the selecting columns, broadcastable to [R, J, H, K]; matters to sampled choices.
            metrics: what to measure beside the loss.
            parameters: to evaluate them with; None: their own.
        """

    @abstractmethod
    def evaluate_selection(
        self,
        x: Tensor,
        y: Tensor,
        temperature: Tensor,
        metrics: Sequence[Metric],
        parameters: Parameters,
        *,
        sampled: bool,
    ) -> Evaluation:
        """Evaluate SmartMixed as it selects, also after the handoff, by its argmax or by sampled choices; [R, 1]."""

    @abstractmethod
    def draw(self, stream: str) -> list[np.ndarray]:
        """Draw what `parameters` share, from a stream of every replicate: arrays [R, …]."""

    @abstractmethod
    def freeze(self, choices: list[Tensor]) -> None:
        """Let SmartMixed's units apply their choices [R, H] from now on; their parameters are grouped already."""

    def group(self, states: list[Parameters], choices: list[Tensor]) -> None:  # noqa: B027  most engines need not
        """Bring SmartMixed's units that chose alike together, in parameters and moments, if that is of use."""

    @abstractmethod
    def weights(self, parameters: Parameters, selected: Selected) -> dict[str, Tensor]:
        """Return SmartMixed's parameters by name, [R, …], units in their original order."""

    @property
    @abstractmethod
    def selecting_columns(self) -> list[int]:
        """The columns that select now: SmartMixed's until the handoff, and `selective`'s."""

    @property
    def smartmixed_logits(self) -> list[Tensor]:
        """SmartMixed's logits [R, H, K] of what chooses: per site, or one tensor for the network."""
        index = self.layout.smartmixed_logits
        return [logit[:, index] for logit in self.parameters.logits]

    def count_choices(self) -> Tensor:
        """Count SmartMixed's units by most likely function, [R, L, K] for L sites."""
        likeliest = [one_hot(logit) for logit in self.smartmixed_logits]
        return torch.stack([units.sum(1) for units in self.layout.of_sites(likeliest)], dim=1)

    def retire(self, loss: Tensor) -> None:
        """Let no network go on whose loss [R, S] or whose parameters are not finite."""
        self.optimizer.alive &= loss.isfinite() & self.optimizer.norms(self.parameters).isfinite()

    def states(self) -> list[Parameters]:
        """Return what a handoff carries over: parameters and both moments."""
        return [self.parameters, self.optimizer.first_moments, self.optimizer.second_moments]
