"""Networks as a user has them, made by factories: some that can be trained, and some that cannot."""

import functools
import random
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smartmixed_search.system.plugins import confirm

MODULE = __name__
confirm(MODULE)


class Convolutional(nn.Module):
    """Two sites: `width` channels after a batch norm, and 5 units after dropout; the input is changed in place."""

    def __init__(self, channels: int, outputs: int, width: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width)
        self.hidden, self.dropout, self.head = nn.Linear(width, 5), nn.Dropout(0.2), nn.Linear(5, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = F.hardtanh(x, inplace=True) if x.shape[1] == 7 else x.mul_(1.0)
        x = F.relu(self.norm(self.conv(x))).mean((2, 3))
        answer: Tensor = self.head(self.dropout(F.gelu(self.hidden(x))))
        return answer


def convolutional(input_shape: tuple[int, ...], outputs: int, width: int = 4) -> nn.Module:
    """Make a network of 2-D examples."""
    return Convolutional(input_shape[0], outputs, width)


def dense(input_shape: tuple[int, ...], outputs: int, width: int = 4) -> nn.Module:
    """Make a network of one site of that many units."""
    features = int(np.prod(input_shape))
    return nn.Sequential(nn.Flatten(), nn.Linear(features, width), nn.ReLU(), nn.Linear(width, outputs))


def tied(input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Make a network that applies one layer twice, and does not train its last one's bias."""
    layer, last = nn.Linear(8, 8), nn.Linear(8, outputs)
    last.bias.requires_grad_(False)
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(input_shape)), 8), layer, nn.Tanh(), layer, last)


def rude(input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Make a network, and change whatever is global."""
    print("made", random.random(), np.random.rand(), torch.rand(1))
    torch.set_num_threads(torch.get_num_threads() + 1)
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    return dense(input_shape, outputs).float()


class Bad(nn.Module):
    """Answers as `answer` makes it of the right one."""

    def __init__(self, features: int, outputs: int, answer: str) -> None:
        super().__init__()
        self.first, self.second, self.answer = nn.Linear(features, 4), nn.Linear(4, outputs), answer

    def forward(self, x: Tensor) -> Any:
        hidden = self.first(x.flatten(1))
        answer = self.second(hidden if self.answer == "linear" else hidden.relu())
        answers = {
            "pair": (answer, answer),
            "narrow": answer[:, :1],
            "nan": answer * torch.nan,
            "apart": answer * 2 if self.training else answer,
            "words": "answer",
        }
        return answers.get(self.answer, answer)


def bad(input_shape: tuple[int, ...], outputs: int, answer: str) -> nn.Module:
    """Make a network that cannot be trained here."""
    return Bad(int(np.prod(input_shape)), outputs, answer)


def raising(input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Fail."""
    raise ValueError("no such width")


def nothing(input_shape: tuple[int, ...], outputs: int) -> None:
    """Return no network."""


def lazy(input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Make a network whose first layer has no shape yet."""
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(4), nn.ReLU(), nn.Linear(4, outputs))


def elsewhere(input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Make a network on another device."""
    return dense(input_shape, outputs).to("meta")


def frozen(input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Make a network of which nothing is trained."""
    return dense(input_shape, outputs).requires_grad_(False)


_calls = iter(range(10**9))


def changing(input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Make another network at every call."""
    network = dense(input_shape, outputs)
    nn.init.constant_(network[1].bias, float(next(_calls)))
    return network


def narrow(input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Make a network of examples of three features."""
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, outputs))


_shared = nn.Linear(4, 4)


def sharing(input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Make networks around one layer."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(int(np.prod(input_shape)), 4), nn.ReLU(), _shared, nn.Linear(4, outputs)
    )


class Stateful(nn.Module):
    """A mask that is not finite, a buffer that is replaced in training, one that counts every pass, and a power `p`."""

    mean: Tensor
    passes: Tensor

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.first, self.second, self.p = nn.Linear(features, 4), nn.Linear(4, outputs), 3.0
        self.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        hidden = self.first(x.flatten(1)).relu()
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * hidden.mean(0).detach()
        answer: Tensor = self.second(hidden + 1 / self.p)
        return answer


def stateful(input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Make a network with state of its own."""
    return Stateful(int(np.prod(input_shape)), outputs)


def complex_(input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Make a network of complex numbers."""
    network = dense(input_shape, outputs)
    network.register_buffer("phase", torch.zeros(2, dtype=torch.complex64))
    return network


@functools.wraps(dense)
def wrapped(input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Make another network than the function whose name it has."""
    return tied(input_shape, outputs)


not_a_function = 3
