"""Gumbel-Softmax over the pool, for all selecting columns at once (Jang et al. 2017, eq. 2; Maddison et al. 2017).

The hard sample is one-hot with the relaxed sample's gradient (straight-through). Its frequencies follow
softmax(logits) at every temperature: temperature shapes the logits' gradient, not which function is drawn.
"""

import torch
from torch import Tensor


def relaxed_sample(logits: Tensor, noise: Tensor, temperature: Tensor) -> Tensor:
    """softmax((logits + noise) / temperature): [R, J, H, K] and noise [R, H, K], equal for all columns."""
    return ((logits + noise.unsqueeze(1)) / temperature).softmax(-1)


def one_hot(scores: Tensor) -> Tensor:
    """1 at the largest of the last dimension (the first of equals), else 0; same shape."""
    return torch.zeros_like(scores).scatter_(-1, scores.argmax(-1, keepdim=True), 1.0)


def logits_gradient(by_mix: Tensor, relaxed: Tensor, temperature: Tensor) -> Tensor:
    """Take the gradient by the (straight-through or relaxed) sample back to the logits; all [R, J, H, K]."""
    centred = by_mix - (relaxed * by_mix).sum(-1, keepdim=True)
    return relaxed * centred / temperature


def temperatures(start: float, final: float | None, steps: int) -> list[float]:
    """Return the temperature of each of `steps` selection steps: constant, or exponential from start to final."""
    if final is None or steps == 1:
        return [start] * steps
    return [start * (final / start) ** (t / (steps - 1)) for t in range(steps)]
