"""The stack as an engine: the networks of one multilayer perceptron, trained at once, without autograd."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from smartmixed_search.datasets import Dataset
from smartmixed_search.engine.evaluation import SAMPLED_DRAWS, Evaluation, add_up, average, in_batches
from smartmixed_search.engine.networks import Networks, Selected
from smartmixed_search.engine.parameters import Parameters
from smartmixed_search.engine.parts import Part
from smartmixed_search.engine.stack.assignment import Mixed
from smartmixed_search.engine.stack.layout import StackLayout
from smartmixed_search.engine.stack.live_inputs import live_inputs
from smartmixed_search.engine.stack.network import Stack
from smartmixed_search.engine.stack.parameters import LinearParameters, original_order, reorder_column
from smartmixed_search.engine.stack.steps import Steps
from smartmixed_search.method.freezing import group_sizes, neuron_orders
from smartmixed_search.method.selection import one_hot, relaxed_sample
from smartmixed_search.tasks.metric import Metric
from smartmixed_search.tasks.task import Task
from smartmixed_search.trials.config import SMARTMIXED, TrialConfig


class StackNetworks(Networks):
    """Multilayer perceptrons as one stack; see `Networks`.

    Args:
        config: the trial's configuration.
        part: which of its networks.
        data: on the device where they are trained.
        task: what they learn.
        temperatures: of every selection step; networks that still select after these keep the last.
        dtype: of the parameters.
    """

    layout: StackLayout
    parameters: LinearParameters

    def __init__(
        self,
        config: TrialConfig,
        part: Part,
        data: Dataset,
        task: Task,
        temperatures: Tensor,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        layout = StackLayout(config, part, data.features, live_inputs(data), task, temperatures.device, dtype)
        self.stack = layout.initial_stack()
        optimizer = layout.optimizer(self.stack.parameters, self.stack.gradients, len(temperatures))
        super().__init__(layout, self.stack.parameters, optimizer)
        self._steps = Steps(layout, data, self.stack, optimizer, temperatures, self.loss)
        self._draws = layout.noise("sampled").block(0, SAMPLED_DRAWS)

    @property
    def selecting_columns(self) -> list[int]:
        """See `Networks`."""
        return [column for column, index in enumerate(self.stack.selecting) if index is not None]

    def epoch(self, order: np.ndarray, epochs_left: int) -> Iterator[None]:
        """See `Networks`."""
        for _ in self._steps.epoch(order, epochs_left, self.taken):
            self.taken += 1
            yield

    def evaluate(
        self,
        x: Tensor,
        y: Tensor,
        temperature: Tensor,
        metrics: Sequence[Metric],
        parameters: Parameters | None = None,
    ) -> Evaluation:
        """See `Networks`."""
        stack = self.stack
        if parameters is not None:
            assert isinstance(parameters, LinearParameters)
            stack = self.layout.stack(parameters, stack.assignments, stack.selecting)
        evaluation = evaluate(stack, x, y, metrics, argmax_mixes(stack.parameters))
        columns = self.selecting_columns
        if self.layout.config.evaluation == "sampled" and columns:
            sampled = self._evaluate_sampled(selecting_part(stack, columns), x, y, temperature, metrics)
            evaluation.replace_columns(columns, sampled)
        return evaluation

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
        """See `Networks`."""
        assert isinstance(parameters, LinearParameters)
        selecting = self.layout.stack(parameters, self.layout.assignments(), self.layout.selecting())
        stack = selecting_part(selecting, [self.layout.columns[SMARTMIXED]])
        if sampled:
            return self._evaluate_sampled(stack, x, y, temperature, metrics)
        return evaluate(stack, x, y, metrics, argmax_mixes(stack.parameters))

    def draw(self, stream: str) -> list[np.ndarray]:
        """See `Networks`."""
        weights, biases = self.layout.draw(stream)
        return weights + biases + self.layout.no_coefficients()

    def group(self, states: list[Parameters], choices: list[Tensor]) -> None:
        """Reorder SmartMixed's neurons so that those that chose alike adjoin."""
        column, orders = self.layout.columns[SMARTMIXED], neuron_orders(choices)
        for state in states:
            assert isinstance(state, LinearParameters)
            reorder_column(state, column, orders)

    def freeze(self, choices: list[Tensor]) -> None:
        """See `Networks`."""
        column, pool = self.layout.columns[SMARTMIXED], self.layout.pool
        self.stack.assignments[column] = Mixed(pool, group_sizes(choices, len(pool)))
        self.stack.selecting[column] = None

    def weights(self, parameters: Parameters, selected: Selected) -> dict[str, Tensor]:
        """Return `layer0.weight` [R, outputs, inputs], `layer0.bias` [R, outputs] and so on; see `Networks`."""
        assert isinstance(parameters, LinearParameters)
        weights, biases = original_order(parameters, self.layout.columns[SMARTMIXED], selected.choices)
        weights[0] = self.layout.first_weights(weights[0])
        named: dict[str, Tensor] = {}
        for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            named |= {f"layer{layer}.weight": weight, f"layer{layer}.bias": bias}
        return named

    def _evaluate_sampled(
        self, stack: Stack, x: Tensor, y: Tensor, temperature: Tensor, metrics: Sequence[Metric]
    ) -> Evaluation:
        """Evaluate a stack of selecting columns with sampled choices, with the same draws at every call."""
        hard = self.layout.config.estimator == "hard"
        return evaluate_sampled(stack, x, y, metrics, self._draws, temperature, hard=hard)


def evaluate(stack: Stack, x: Tensor, y: Tensor, metrics: Sequence[Metric], mixes: Sequence[Tensor] = ()) -> Evaluation:
    """Evaluate every network of a stack.

    Args:
        stack: R × S networks.
        x: examples [N, …] as they are stored.
        y: targets [N, …].
        metrics: what to measure beside the loss.
        mixes: how the selecting columns weigh the pool, per hidden layer [R, J, H, K].
    """
    batches = in_batches(x, y, (x[0].numel(),), stack.parameters.biases[0].dtype)
    tallies = [
        stack.task.tally(stack.forward(inputs.unsqueeze(0), mixes), targets, metrics) for inputs, targets in batches
    ]
    return add_up(stack.task, tallies, y, metrics)


def evaluate_sampled(
    stack: Stack,
    x: Tensor,
    y: Tensor,
    metrics: Sequence[Metric],
    noise: Sequence[Tensor],
    temperature: Tensor,
    *,
    hard: bool,
) -> Evaluation:
    """Evaluate a stack of selecting columns with sampled choices: the mean over fixed draws.

    Args:
        stack: R × J networks, all of them selecting.
        x: inputs [N, D].
        y: targets [N, …].
        metrics: what to measure beside the loss.
        noise: Gumbel noise of the draws, per hidden layer [draws, R, H, K].
        temperature: broadcastable to [R, J, H, K].
        hard: one-hot samples, else relaxed ones.
    """
    draws = []
    for draw in zip(*noise, strict=True):
        logits = stack.parameters.logits
        relaxed = [relaxed_sample(logit, g, temperature) for logit, g in zip(logits, draw, strict=True)]
        draws.append(evaluate(stack, x, y, metrics, [one_hot(sample) for sample in relaxed] if hard else relaxed))
    return average(draws)


def argmax_mixes(parameters: LinearParameters) -> list[Tensor]:
    """Return the mixes by which every selecting column applies its most likely functions."""
    return [one_hot(logit) for logit in parameters.logits]


def selecting_part(stack: Stack, columns: Sequence[int]) -> Stack:
    """Return a stack of copies of some selecting columns."""
    indices = [index for column in columns if (index := stack.selecting[column]) is not None]
    assert len(indices) == len(columns)
    return Stack(
        stack.parameters.columns(columns, indices),
        [stack.assignments[column] for column in columns],
        range(len(columns)),
        task=stack.task,
        inputs=stack.inputs,
        precision=stack.products.precision,
    )
