"""The handoff's arithmetic: from logits to choices, and neurons reordered so that those that chose alike adjoin."""

from collections.abc import Sequence

import torch
from torch import Tensor


def neuron_orders(choices: Sequence[Tensor]) -> list[Tensor]:
    """Return, per hidden layer, the stable order [R, H] that sorts the neurons by chosen function [R, H]."""
    return [choice.argsort(dim=1, stable=True) for choice in choices]


def inverse_orders(orders: Sequence[Tensor]) -> list[Tensor]:
    """Return the orders that undo these."""
    return [order.argsort(dim=1) for order in orders]


def group_sizes(choices: Sequence[Tensor], functions: int) -> list[list[list[int]]]:
    """Count, per hidden layer and replicate, the neurons that chose each function of the pool."""
    return [[torch.bincount(row, minlength=functions).tolist() for row in choice] for choice in choices]


def reorder_neurons(weights: Sequence[Tensor], biases: Sequence[Tensor], orders: Sequence[Tensor]) -> None:
    """Reorder, in place, one column's hidden neurons; the function computed stays the same.

    Args:
        weights: per linear layer, [R, outputs, inputs].
        biases: per linear layer, [R, outputs].
        orders: per hidden layer, [R, H]: which neuron comes to each place.
    """
    for layer, order in enumerate(orders):
        weights[layer].copy_(weights[layer].take_along_dim(order[:, :, None], dim=1))
        biases[layer].copy_(biases[layer].take_along_dim(order, dim=1))
        weights[layer + 1].copy_(weights[layer + 1].take_along_dim(order[:, None, :], dim=2))
