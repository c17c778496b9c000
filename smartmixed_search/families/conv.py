"""Convolutional networks, of sequences and of images: named such as `conv(stages=3, width=16)`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from smartmixed_search.errors import ConfigError
from smartmixed_search.families.modular import ModularFamily, Place

_LAYERS = {
    1: (nn.Conv1d, nn.BatchNorm1d, nn.MaxPool1d, nn.AvgPool1d),
    2: (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.AvgPool2d),
}


@dataclass(frozen=True, kw_only=True)
class Conv:
    """A convolutional network; every stage has twice the channels of the one before it, and half its length."""

    stages: int
    width: int
    """Channels of the first stage."""
    kernel: int = 3
    """Length of the convolutions; odd."""
    norm: str = "batch"
    """After each convolution: `batch`, `group` (of 8 channels or fewer), or `none`."""
    pool: str = "max"
    """What halves: `max`, `mean`, or the `stride` of the stage's first convolution."""
    residual: bool = False
    """Whether every stage goes on with a block of two convolutions that is added to its input (He et al. 2016)."""

    def __post_init__(self) -> None:
        if self.kernel % 2 == 0:
            raise ConfigError(f"conv: kernel must be odd, but got {self.kernel}")


class ConvNetworks(ModularFamily[Conv]):
    """Stages of convolution, norm, activation and pooling; then the mean over all places, and a linear layer.

    Examples of shape [channels, length] or [channels, height, width]; [length] is a sequence of one channel.
    """

    name: ClassVar[str] = "conv"
    kind: ClassVar[type] = Conv
    bounds: ClassVar[Mapping[str, tuple[int, int]]] = {"stages": (1, 8), "width": (1, 2**12), "kernel": (1, 15)}
    words: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "norm": ("batch", "group", "none"),
        "pool": ("max", "mean", "stride"),
    }

    def depth(self, architecture: Conv) -> int:
        """Return the number of convolutions."""
        return architecture.stages * (3 if architecture.residual else 1)

    def smaller(self, architecture: Conv) -> Conv | None:
        """Halve the width."""
        told = {one.name: getattr(architecture, one.name) for one in self._fields()}
        return self.make(told | {"width": architecture.width // 2}) if architecture.width > 1 else None

    def network(self, architecture: Conv, input_shape: Sequence[int], outputs: int, place: Place) -> nn.Module:
        """See `ModularFamily`."""
        shape = (1, *input_shape) if len(input_shape) == 1 else tuple(input_shape)
        if len(shape) - 1 not in _LAYERS:
            raise ConfigError(
                f"conv must have examples [channels, length] or [channels, height, width], but got {shape}"
            )
        return _Convolutional(architecture, shape, outputs, place)


class _Convolutional(nn.Module):
    def __init__(self, architecture: Conv, shape: tuple[int, ...], outputs: int, place: Place) -> None:
        super().__init__()
        self.shape, dims = shape, len(shape) - 1
        widths = [architecture.width * 2**stage for stage in range(architecture.stages)]
        size, inputs = min(shape[1:]), shape[0]
        self.stages = nn.Sequential()
        for width in widths:
            halves = size > 1  # what has become a point stays one
            self.stages.append(_stage(architecture, inputs, width, dims, place, halves=halves))
            size, inputs = (size + 1) // 2 if halves else size, width
        self.head = nn.Linear(widths[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.head(self.stages(x.view(-1, *self.shape)).flatten(2).mean(2))
        return answer


def _stage(architecture: Conv, inputs: int, width: int, dims: int, place: Place, *, halves: bool) -> nn.Sequential:
    strided = architecture.pool == "stride" and halves
    stage = nn.Sequential(*_convolved(architecture, inputs, width, dims, stride=2 if strided else 1))
    stage.append(place(width, -1 - dims))
    if halves and not strided:
        _, _, largest, mean = _LAYERS[dims]
        stage.append((largest if architecture.pool == "max" else mean)(2, ceil_mode=True))
    if architecture.residual:
        stage.append(_Residual(architecture, width, dims, place))
    return stage


def _convolved(architecture: Conv, inputs: int, width: int, dims: int, stride: int = 1) -> list[nn.Module]:
    """Return a convolution and its norm."""
    convolution, batch_norm, _, _ = _LAYERS[dims]
    kernel, bare = architecture.kernel, architecture.norm == "none"
    layers: list[nn.Module] = [convolution(inputs, width, kernel, stride, kernel // 2, bias=bare)]
    if architecture.norm == "batch":
        layers.append(batch_norm(width))
    elif architecture.norm == "group":
        groups = next(count for count in range(-(-width // 8), width + 1) if width % count == 0)
        layers.append(nn.GroupNorm(groups, width))
    return layers


class _Residual(nn.Module):
    """Two convolutions, added to their input."""

    def __init__(self, architecture: Conv, width: int, dims: int, place: Place) -> None:
        super().__init__()
        self.first = nn.Sequential(*_convolved(architecture, width, width, dims), place(width, -1 - dims))
        self.second = nn.Sequential(*_convolved(architecture, width, width, dims))
        self.activation = place(width, -1 - dims)

    def forward(self, x: Tensor) -> Tensor:
        activated: Tensor = self.activation(x + self.second(self.first(x)))
        return activated
