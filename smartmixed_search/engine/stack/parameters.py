"""The numbers a stack learns, with leading dimensions R (replicates) and S (columns: strategies and controls)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import torch
from torch import Tensor

from smartmixed_search.method.activations import INITIAL_TILT
from smartmixed_search.method.freezing import reorder_neurons
from smartmixed_search.method.randomness import linear_init, seed_sequence


@dataclass(frozen=True)
class Parameters:
    """Weights and biases of every network, selection logits of the selecting ones; or as many gradients or moments."""

    weights: list[Tensor]
    """Per linear layer, [R, S, outputs, inputs]."""
    biases: list[Tensor]
    """Per linear layer, [R, S, outputs]."""
    logits: list[Tensor]
    """Per hidden layer, [R, J, H, K], for the J columns that select."""

    def tensors(self) -> list[Tensor]:
        """Return all tensors in a fixed order."""
        return self.weights + self.biases + self.logits

    def zeros_like(self) -> Self:
        """Return zeros of the same shapes."""
        return self.map(torch.zeros_like)

    def clone(self) -> Self:
        """Return a copy."""
        return self.map(torch.clone)

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Apply a function to every tensor."""
        groups = ([function(tensor) for tensor in group] for group in (self.weights, self.biases, self.logits))
        return type(self)(*groups)

    def columns(self, columns: Sequence[int], selecting: Sequence[int]) -> Self:
        """Return copies of some columns: of weights and biases by their S index, of logits by their J index."""
        return type(self)(
            [weight[:, list(columns)] for weight in self.weights],
            [bias[:, list(columns)] for bias in self.biases],
            [logit[:, list(selecting)] for logit in self.logits],
        )


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


def draw_tilts(widths: Sequence[int], functions: int, seed: int, replicates: Sequence[int]) -> Arrays:
    """Draw the function that each neuron is initially tilted to, per hidden layer [R, H]."""
    rngs = [np.random.default_rng(seed_sequence(seed, replicate, "logits")) for replicate in replicates]
    return _by_layer([[rng.integers(functions, size=width) for width in widths] for rng in rngs])


def initial_parameters(
    weights: Arrays,
    biases: Arrays,
    tilts: Arrays,
    *,
    columns: int,
    selecting: int,
    functions: int,
    device: torch.device,
    dtype: torch.dtype,
) -> Parameters:
    """Return a stack whose columns start equal: the same weights, biases and logits for all strategies of a replicate.

    Args:
        weights: per linear layer, as drawn [R, outputs, inputs].
        biases: per linear layer, as drawn [R, outputs].
        tilts: per hidden layer, the function [R, H] that each neuron is tilted to.
        columns: number of strategies and controls S.
        selecting: how many of them select, J.
        functions: size of the pool K.
        device: where the parameters live.
        dtype: of the parameters.
    """

    def shared(array: np.ndarray, copies: int) -> Tensor:
        tensor = torch.from_numpy(array).to(device, dtype).unsqueeze(1)
        return tensor.repeat(1, copies, *[1] * (tensor.ndim - 2))

    return Parameters(
        [shared(weight, columns) for weight in weights],
        [shared(bias, columns) for bias in biases],
        [shared(INITIAL_TILT * np.eye(functions)[tilt], selecting) for tilt in tilts],
    )


def _by_layer(drawn: list[Arrays]) -> Arrays:
    return [np.stack(layer) for layer in zip(*drawn, strict=True)]


def reorder_column(state: Parameters, column: int, orders: Sequence[Tensor]) -> None:
    """Reorder, in place, the hidden neurons of one column of parameters or moments."""
    reorder_neurons([w[:, column] for w in state.weights], [b[:, column] for b in state.biases], orders)
