"""How a multilayer perceptron's networks are laid out as a stack."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smartmixed_search.engine.layout import Layout
from smartmixed_search.engine.parts import Part
from smartmixed_search.engine.stack.assignment import Assignment, Fixed, Mixed
from smartmixed_search.engine.stack.combining import selective_assignment
from smartmixed_search.engine.stack.learned import Learned, LinearMix
from smartmixed_search.engine.stack.network import Stack
from smartmixed_search.engine.stack.parameters import (
    Arrays,
    LinearParameters,
    draw_linear,
    initial_parameters,
    reorder_column,
)
from smartmixed_search.method.freezing import group_sizes, neuron_orders
from smartmixed_search.method.rivals import LINEAR_MIX, RIVALS
from smartmixed_search.tasks.task import Task
from smartmixed_search.trials.config import RANDOM_MIXED, SELECTIVE, SMARTMIXED, TrialConfig


class StackLayout(Layout):
    """How a configuration, or a part of its networks, becomes a stack.

    Args:
        config: the trial's configuration.
        part: which of its networks.
        inputs: number of inputs D.
        live: which of them are trained on.
        task: what is learned.
        device: where everything lives.
        dtype: of the parameters.
    """

    def __init__(
        self,
        config: TrialConfig,
        part: Part,
        inputs: int,
        live: NDArray[np.intp],
        task: Task,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        super().__init__(config, part, config.architecture, device, dtype)
        self.task = task
        self.sizes = [inputs, *config.architecture, task.outputs]
        self._live = live
        self._inputs = None if len(live) == inputs else torch.from_numpy(live).to(device)

    def assignments(self) -> list[Assignment]:
        """Return how every column determines its activations in the selection phase."""
        return [self._assignment(name) for name in self.part.members]

    def selecting(self) -> list[int | None]:
        """Return, for every column, its index among the selecting ones in the selection phase, or None."""
        indices = {column: index for index, column in enumerate(self.logit_columns)}
        return [indices.get(column) for column in range(len(self.columns))]

    def initial_stack(self) -> Stack:
        """Draw the stack that training starts from."""
        parameters = initial_parameters(
            *self.draw("weights"),
            self.initial_choices,
            self.initial_coefficients(),
            columns=len(self.columns),
            selecting=len(self.logit_columns),
            functions=len(self.pool),
            device=self.device,
            dtype=self.dtype,
        )
        if RANDOM_MIXED in self.columns:
            reorder_column(parameters, self.columns[RANDOM_MIXED], neuron_orders(self.tilts))
        return self.stack(parameters, self.assignments(), self.selecting())

    def draw(self, stream: str) -> tuple[Arrays, Arrays]:
        """Draw weights [R, outputs, live inputs] and biases [R, outputs] of every linear layer."""
        weights, biases = draw_linear(self.sizes, self.config.seed, self.part.replicates, stream)
        return [weights[0][:, :, self._live], *weights[1:]], biases

    def first_weights(self, trained: Tensor) -> Tensor:
        """Complete SmartMixed's trained first layer [R, H, live inputs], in its original order, to [R, H, D]."""
        stream = "handoff" if self.config.handoff == "reinitialize" else "weights"
        weights, _ = draw_linear(self.sizes[:2], self.config.seed, self.part.replicates, stream)
        complete = torch.from_numpy(weights[0]).to(trained)
        complete[:, :, self._live] = trained
        return complete

    def stack(
        self, parameters: LinearParameters, assignments: Sequence[Assignment], selecting: Sequence[int | None]
    ) -> Stack:
        """Put parameters and assignments together."""
        return Stack(
            parameters,
            assignments,
            selecting,
            task=self.task,
            inputs=self._inputs,
            precision=self.config.precision,
        )

    def _assignment(self, name: str) -> Assignment:
        if name in (SMARTMIXED, SELECTIVE):
            return selective_assignment(self.pool, self.config.clamp, self.device, self.dtype)
        if name == RANDOM_MIXED:
            return Mixed(self.pool, group_sizes(self.tilts, len(self.pool)))
        if name == LINEAR_MIX:
            return LinearMix(selective_assignment(self.pool, None, self.device, self.dtype), len(self.pool))
        if name in RIVALS:
            return Learned(name)
        return Fixed(self.pool[self.config.pool.index(name)])
