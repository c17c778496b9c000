"""The numbers a stack learns: how they are drawn, laid out and reordered."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from smartmixed_search.engine.parameters import Parameters
from smartmixed_search.method.activations import INITIAL_TILT
from smartmixed_search.method.freezing import inverse_orders, neuron_orders, reorder_neurons
from smartmixed_search.method.randomness import linear_init, seed_sequence


class LinearParameters(Parameters):
    """Of a multilayer perceptron: weights of all linear layers, their biases, and what learned rivals learn."""

    @property
    def weights(self) -> list[Tensor]:
        """Per linear layer, [R, S, outputs, inputs]."""
        return self.shared[: self._layers]

    @property
    def biases(self) -> list[Tensor]:
        """Per linear layer, [R, S, outputs]."""
        return self.shared[self._layers : 2 * self._layers]

    @property
    def coefficients(self) -> list[Tensor]:
        """Per hidden layer, [R, S, P, H]; none without a learned rival: see `Layout.initial_coefficients`."""
        return self.shared[2 * self._layers :]

    @property
    def _layers(self) -> int:
        return sum(tensor.ndim == 3 for tensor in self.shared)


Arrays = list[np.ndarray]


def draw_linear(sizes: Sequence[int], seed: int, replicates: Sequence[int], stream: str) -> tuple[Arrays, Arrays]:
    """Draw every linear layer of every replicate: lists of [R, outputs, inputs] and of [R, outputs]."""
    weights: list[Arrays] = []
    biases: list[Arrays] = []
    for replicate in replicates:
        rng = np.random.default_rng(seed_sequence(seed, replicate, stream))
        layers = [linear_init(rng, outputs, inputs) for inputs, outputs in pairwise(sizes)]
        weights.append([weight for weight, _ in layers])
        biases.append([bias for _, bias in layers])
    return _by_layer(weights), _by_layer(biases)


def initial_parameters(
    weights: Arrays,
    biases: Arrays,
    tilts: Arrays,
    coefficients: Sequence[Tensor] = (),
    *,
    columns: int,
    selecting: int,
    functions: int,
    device: torch.device,
    dtype: torch.dtype,
) -> LinearParameters:
    """Return a stack whose columns start equal: the same weights, biases and logits for all strategies of a replicate.

    Args:
        weights: per linear layer, as drawn [R, outputs, inputs].
        biases: per linear layer, as drawn [R, outputs].
        tilts: per hidden layer, the function [R, H] that each neuron is tilted to.
        coefficients: what learned rivals start from, the one thing that is not shared.
        columns: number of strategies and controls S.
        selecting: how many of them select, J.
        functions: size of the pool K.
        device: where the parameters live.
        dtype: of the parameters.
    """

    def shared(array: np.ndarray, copies: int) -> Tensor:
        tensor = torch.from_numpy(array).to(device, dtype).unsqueeze(1)
        return tensor.repeat(1, copies, *[1] * (tensor.ndim - 2))

    return LinearParameters(
        [*(shared(array, columns) for array in (*weights, *biases)), *coefficients],
        [shared(INITIAL_TILT * np.eye(functions)[tilt], selecting) for tilt in tilts],
    )


def _by_layer(drawn: list[Arrays]) -> Arrays:
    return [np.stack(layer) for layer in zip(*drawn, strict=True)]


def reorder_column(state: LinearParameters, column: int, orders: Sequence[Tensor]) -> None:
    """Reorder, in place, the hidden neurons of one column of parameters or moments."""
    reorder_neurons([w[:, column] for w in state.weights], [b[:, column] for b in state.biases], orders)


def original_order(
    parameters: LinearParameters, column: int, choices: Sequence[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """Return copies of the weights [R, outputs, inputs] and biases of a column that was reordered by these choices."""
    weights = [weight[:, column].clone() for weight in parameters.weights]
    biases = [bias[:, column].clone() for bias in parameters.biases]
    reorder_neurons(weights, biases, inverse_orders(neuron_orders(choices)))
    return weights, biases
