"""Multilayer perceptrons: named by their hidden widths, such as `512-256-128`."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from smartmixed_search.errors import ConfigError
from smartmixed_search.families.family import Activate, Family, Site
from smartmixed_search.method.randomness import linear_init

Widths = tuple[int, ...]
"""Hidden widths, from input to output."""
_FEW_LAYERS = 32


class Mlp(Family[Widths]):
    """Linear layers, named `layer0`, `layer1`, …, with the site `activation0` after the first, and so on."""

    name: ClassVar[str] = "mlp"
    kind: ClassVar[type] = tuple
    bounds: ClassVar[Mapping[str, tuple[int, int]]] = {"depth": (1, 1000), "width": (1, 2**20)}

    def parse(self, text: str) -> Widths:
        """Read hidden widths such as `512-256-128`.

        Raises:
            ConfigError: a width is not a whole number of at least 1, or there is none.
        """
        parts = text.split("-")
        if not all(part.isascii() and part.isdigit() and len(part) <= 9 and int(part) >= 1 for part in parts):
            raise ConfigError(
                "an architecture must be hidden widths of at least 1 joined by '-', such as 512-256-128, "
                f"but got {text!r}"
            )
        return tuple(int(part) for part in parts)

    def format(self, architecture: Widths) -> str:
        """Write hidden widths as `512-256-128`."""
        return "-".join(str(width) for width in architecture)

    def order(self, architecture: Widths) -> tuple[int, Widths]:
        """Sort by depth, then by widths."""
        return len(architecture), architecture

    def depth(self, architecture: Widths) -> int:
        """Return the number of hidden layers."""
        return len(architecture)

    def smaller(self, architecture: Widths) -> Widths | None:
        """Leave out every second of many layers, then halve the widths."""
        if len(architecture) > _FEW_LAYERS:
            return architecture[::2]
        return tuple(max(1, width // 2) for width in architecture) if max(architecture) > 1 else None

    def sites(self, architecture: Widths, input_shape: Sequence[int], outputs: int) -> tuple[Site, ...]:
        """Return one site after every hidden layer, a neuron being a unit."""
        return tuple(Site(f"activation{layer}", width, -1) for layer, width in enumerate(architecture))

    def build(
        self,
        architecture: Widths,
        input_shape: Sequence[int],
        outputs: int,
        activate: Activate,
        rng: np.random.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> nn.Module:
        """See `Family`; inputs of more than one dimension are flattened."""
        network = nn.Sequential()
        if len(input_shape) > 1:
            network.add_module("flatten", nn.Flatten())
        sites = self.sites(architecture, input_shape, outputs)
        for layer, (inputs, width) in enumerate(pairwise(_sizes(architecture, input_shape, outputs))):
            network.add_module(f"layer{layer}", _linear(inputs, width, rng, dtype))
            if layer < len(sites):
                network.add_module(sites[layer].name, activate(sites[layer]))
        return network

    def parameters(self, architecture: Widths, input_shape: Sequence[int], outputs: int) -> int:
        """See `Family`.

        Example:
            >>> Mlp().parameters((32,), (64,), 10)
            2410
        """
        sizes = _sizes(architecture, input_shape, outputs)
        return sum(inputs * width + width for inputs, width in pairwise(sizes))

    def flops(self, architecture: Widths, input_shape: Sequence[int], outputs: int) -> int:
        """See `Family`."""
        return 2 * sum(inputs * width for inputs, width in pairwise(_sizes(architecture, input_shape, outputs)))


def _sizes(architecture: Widths, input_shape: Sequence[int], outputs: int) -> list[int]:
    return [math.prod(input_shape), *architecture, outputs]


def _linear(inputs: int, outputs: int, rng: np.random.Generator, dtype: torch.dtype) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, device="meta", dtype=dtype).to_empty(device="cpu")
    for parameter, drawn in zip((layer.weight, layer.bias), linear_init(rng, outputs, inputs), strict=True):
        parameter.data.copy_(torch.from_numpy(drawn))
    return layer
