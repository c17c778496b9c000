"""Networks with weights and choices of the test's making, and the same built of the drop-in modules."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from smartmixed_search.method.activations import PUBLISHED_POOL
from smartmixed_search.method.modules import MixedActivation

Parts = tuple[list[Tensor], list[Tensor], list[list[str]]]
"""Weights, biases and choices, as `FrozenNetwork` takes them."""


def draw(sizes: Sequence[int] = (6, 40, 24, 4), names: Sequence[str] = PUBLISHED_POOL, seed: int = 0) -> Parts:
    """Draw a network; sizes are D, hidden widths and C."""
    random = torch.Generator().manual_seed(seed)
    weights = [torch.randn(outputs, inputs, generator=random) / inputs**0.5 for inputs, outputs in pairwise(sizes)]
    biases = [torch.randn(outputs, generator=random) for outputs in sizes[1:]]
    picks = [torch.randint(len(names), (width,), generator=random) for width in sizes[1:-1]]
    return weights, biases, [[names[pick] for pick in layer.tolist()] for layer in picks]


def drop_in(weights: list[Tensor], biases: list[Tensor], choices: list[list[str]]) -> nn.Sequential:
    """Build a network of the drop-in modules, neurons in the order given."""
    layers: list[nn.Module] = []
    for weight, bias, names in zip(weights, biases, [*choices, None], strict=True):
        linear = nn.Linear(*reversed(weight.shape))
        linear.load_state_dict({"weight": weight, "bias": bias})
        layers += [linear] if names is None else [linear, MixedActivation(names)]
    return nn.Sequential(*layers)


def write_weights(
    path: Path, replicates: Sequence[int], plugins: Sequence[str] = (), names: Sequence[str] = PUBLISHED_POOL
) -> Path:
    """Write a file as a trial of three replicates does, others than these diverged; each is drawn with its number."""
    tensors: dict[str, Tensor] = {}
    choices: dict[int, list[list[str]]] = {}
    for replicate in range(3):
        weights, biases, choices[replicate] = draw(names=names, seed=replicate)
        if replicate in replicates:
            for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
                tensors[f"replicate{replicate}.layer{layer}.weight"] = weight
                tensors[f"replicate{replicate}.layer{layer}.bias"] = bias
    save_file(
        tensors,
        path,
        {"config": json.dumps({"dataset": "digits", "plugins": list(plugins)}), "choices": json.dumps(choices)},
    )
    return path
