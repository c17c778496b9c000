"""Networks of equal blocks over patches: `mixer(patch=4, width=64, depth=4)` and `transformer(…, heads=4)`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smartmixed_search.errors import ConfigError
from smartmixed_search.families.modular import ModularFamily, Place

_MOST = 2**12


@dataclass(frozen=True, kw_only=True)
class Mixer:
    """Blocks that mix patches and features in turn (Tolstikhin et al. 2021)."""

    patch: int
    """Side of a patch; of a sequence or a row of numbers its length."""
    width: int
    """Features of a patch."""
    depth: int
    expansion: int = 2
    """How many times as wide the hidden layer of the features' part is, and that of the patches'."""


@dataclass(frozen=True, kw_only=True)
class Transformer:
    """Blocks of attention and a feed-forward part, norms first (Vaswani et al. 2017; Dosovitskiy et al. 2021)."""

    patch: int
    """Side of a patch; of a sequence or a row of numbers its length."""
    width: int
    """Features of a patch."""
    depth: int
    heads: int = 4
    expansion: int = 4
    """How many times as wide the hidden layer of the feed-forward part is."""

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ConfigError(f"transformer: width must be a multiple of heads, but got {self.width} and {self.heads}")


class MixerNetworks(ModularFamily[Mixer]):
    """Sites: the hidden layer over the patches, and that over the features, of every block."""

    name: ClassVar[str] = "mixer"
    kind: ClassVar[type] = Mixer
    bounds: ClassVar[Mapping[str, tuple[int, int]]] = {
        "patch": (1, _MOST),
        "width": (1, _MOST),
        "depth": (1, 64),
        "expansion": (1, 16),
    }
    words: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def depth(self, architecture: Mixer) -> int:
        """Return the number of blocks."""
        return architecture.depth

    def network(self, architecture: Mixer, input_shape: Sequence[int], outputs: int, place: Place) -> nn.Module:
        """See `ModularFamily`."""
        patches = _Patches(architecture.patch, architecture.width, input_shape)
        blocks = [_Mixed(patches.count, architecture, place) for _ in range(architecture.depth)]
        return nn.Sequential(patches, *blocks, _Head(architecture.width, outputs))


class TransformerNetworks(ModularFamily[Transformer]):
    """Sites: the hidden layer of every block's feed-forward part."""

    name: ClassVar[str] = "transformer"
    kind: ClassVar[type] = Transformer
    bounds: ClassVar[Mapping[str, tuple[int, int]]] = {**MixerNetworks.bounds, "heads": (1, 256)}
    words: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def depth(self, architecture: Transformer) -> int:
        """Return the number of blocks."""
        return architecture.depth

    def network(self, architecture: Transformer, input_shape: Sequence[int], outputs: int, place: Place) -> nn.Module:
        """See `ModularFamily`."""
        patches = _Patches(architecture.patch, architecture.width, input_shape)
        blocks = [_Attending(architecture, place) for _ in range(architecture.depth)]
        positions = _Positions(patches.count, architecture.width)
        return nn.Sequential(patches, positions, *blocks, _Head(architecture.width, outputs))


class _Patches(nn.Module):
    """Cuts examples into patches, and gives each its features: [B, *input_shape] to [B, P, F]. The last are padded."""

    def __init__(self, side: int, width: int, input_shape: Sequence[int]) -> None:
        super().__init__()
        shape = (1, *input_shape) if len(input_shape) == 1 else tuple(input_shape)
        if len(shape) not in (2, 3):
            raise ConfigError(f"patches must be of [channels, length] or [channels, height, width], but got {shape}")
        self.shape = shape if len(shape) == 3 else (shape[0], 1, shape[1])
        self.sides = min(side, self.shape[1]), min(side, self.shape[2])
        self.counts = [-(-size // part) for size, part in zip(self.shape[1:], self.sides, strict=True)]
        self.count = math.prod(self.counts)
        self.embedding = nn.Linear(self.shape[0] * math.prod(self.sides), width)

    def forward(self, x: Tensor) -> Tensor:
        x = x.view(-1, *self.shape)
        (rows, columns), (height, width) = self.counts, self.sides
        x = F.pad(x, (0, columns * width - self.shape[2], 0, rows * height - self.shape[1]))
        x = x.view(-1, self.shape[0], rows, height, columns, width).permute(0, 2, 4, 1, 3, 5)
        embedded: Tensor = self.embedding(x.reshape(-1, self.count, self.shape[0] * height * width))
        return embedded


class _Positions(nn.Module):
    """Adds what is learned of every place."""

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.02 * torch.randn(count, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight


class _Mixed(nn.Module):
    def __init__(self, patches: int, architecture: Mixer, place: Place) -> None:
        super().__init__()
        width, times = architecture.width, architecture.expansion
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.across = _feed_forward(patches, times * patches, place)
        self.within = _feed_forward(width, times * width, place)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.across(self.norms[0](x).mT).mT
        mixed: Tensor = x + self.within(self.norms[1](x))
        return mixed


class _Attending(nn.Module):
    def __init__(self, architecture: Transformer, place: Place) -> None:
        super().__init__()
        width = architecture.width
        self.heads = architecture.heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.attention, self.projection = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.hidden = _feed_forward(width, architecture.expansion * width, place)

    def forward(self, x: Tensor) -> Tensor:
        of_heads = self.attention(self.norms[0](x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(*of_heads.unbind())
        x = x + self.projection(attended.transpose(1, 2).flatten(2))
        answered: Tensor = x + self.hidden(self.norms[1](x))
        return answered


class _Head(nn.Module):
    """The mean over all patches, and a linear layer."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(width), nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.linear(self.norm(x).mean(1))
        return answer


def _feed_forward(width: int, hidden: int, place: Place) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), place(hidden, -1), nn.Linear(hidden, width))
