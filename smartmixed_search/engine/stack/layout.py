"""The plan of a trial's stack: which column holds which strategy, how it starts, where its random numbers come from."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smartmixed_search.engine.parts import Part
from smartmixed_search.engine.stack import (
    Assignment,
    ClippedAdam,
    Fixed,
    Mixed,
    Parameters,
    Stack,
    initial_parameters,
    selective_assignment,
)
from smartmixed_search.engine.stack.parameters import Arrays, draw_linear, draw_tilts, reorder_column
from smartmixed_search.method.activations import resolve_pool
from smartmixed_search.method.freezing import group_sizes, neuron_orders
from smartmixed_search.method.randomness import GumbelNoise
from smartmixed_search.method.selection_rate import logit_rate
from smartmixed_search.trials.config import RANDOM_MIXED, SELECTIVE, SMARTMIXED, TrialConfig


class Layout:
    """How a configuration, or a part of its networks, becomes a stack.

    Args:
        config: the trial's configuration.
        part: which of its networks.
        inputs: number of inputs D.
        live: which of them are trained on.
        classes: number of classes C.
        device: where everything lives.
        dtype: of the parameters.
    """

    def __init__(
        self,
        config: TrialConfig,
        part: Part,
        inputs: int,
        live: NDArray[np.intp],
        classes: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.config = config
        self.part = part
        self.device = device
        self.dtype = dtype
        self.sizes = [inputs, *config.architecture, classes]
        self._live = live
        self._inputs = None if len(live) == inputs else torch.from_numpy(live).to(device)
        self.pool = resolve_pool(config.pool)
        self.columns = {name: column for column, name in enumerate(part.members)}
        self.logit_columns = [self.columns[name] for name in (SMARTMIXED, SELECTIVE) if name in self.columns]
        self._tilts = draw_tilts(config.architecture, len(self.pool), config.seed, part.replicates)
        self.tilts = [torch.from_numpy(tilt).to(device) for tilt in self._tilts]
        """Per hidden layer, the function [R, H] that each neuron is initially tilted to, and `random-mixed` applies."""

    @property
    def smartmixed(self) -> int | None:
        """The column of `smartmixed`, if it is among the members."""
        return self.columns.get(SMARTMIXED)

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
            self._tilts,
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
        self, parameters: Parameters, assignments: Sequence[Assignment], selecting: Sequence[int | None]
    ) -> Stack:
        """Put parameters and assignments together."""
        return Stack(
            parameters,
            assignments,
            selecting,
            inputs=self._inputs,
            softmax_output=self.config.output == "softmax",
            precision=self.config.precision,
        )

    def optimizer(self, stack: Stack, selection_steps: int) -> ClippedAdam:
        """Return the optimiser of a stack whose selection phase takes that many steps."""
        config = self.config
        return ClippedAdam(
            stack.parameters,
            stack.gradients,
            self.logit_columns,
            learning_rate=config.learning_rate,
            logit_learning_rate=logit_rate(config.logit_learning_rate, config.learning_rate, selection_steps),
            clip_norm=config.clip_norm,
        )

    def noise(self, stream: str) -> GumbelNoise:
        """Return a stream of Gumbel noise for the hidden neurons."""
        config = self.config
        return GumbelNoise(
            config.seed,
            self.part.replicates,
            config.architecture,
            len(self.pool),
            stream=stream,
            device=self.device,
            dtype=self.dtype,
        )

    def _assignment(self, name: str) -> Assignment:
        if name in (SMARTMIXED, SELECTIVE):
            return selective_assignment(self.pool, self.config.clamp, self.device, self.dtype)
        if name == RANDOM_MIXED:
            return Mixed(self.pool, group_sizes(self.tilts, len(self.pool)))
        return Fixed(self.pool[self.config.pool.index(name)])
