#!/usr/bin/env python
"""What a network of mixed activations costs once it is frozen, beside the same network with ReLU everywhere.

frozen           this project's FrozenNetwork, every neuron's function drawn from the pool
all ReLU         the faster of nn.Linear with nn.ReLU(inplace=True) and FrozenNetwork with ReLU everywhere
drop-in modules  nn.Linear with this project's MixedActivation, which gathers by index
scatter          nn.Linear, then for each function the columns of its neurons, read and written by index
column slices    neurons sorted in the weights, each function on a slice of columns, results concatenated

Latency of one call on two CPU threads, 512-256-128 on 784 inputs, in torch.inference_mode.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise

import torch
from benchmarking import Row, interleaved, parser, per_call, progress, report
from torch import Tensor, nn

from smartmixed_search.export.frozen import FrozenNetwork, sort_neurons
from smartmixed_search.method.activations import PUBLISHED_POOL, get_activation
from smartmixed_search.method.modules import MixedActivation

SIZES = (784, 512, 256, 128, 10)
THREADS = 2
CALLS = {1: 200, 128: 20, 4096: 1}
"""Calls that are timed together, by batch size."""
TARGETS = {128: 1.3, 4096: 1.15}
REPEATS = 101
QUICK_REPEATS = 31

MIXED = ("frozen", "drop-in modules", "scatter", "column slices")
RELU = ("ReLU modules", "ReLU frozen")

Run = Callable[[Tensor], Tensor]


class Scatter(nn.Module):
    """Mixed activations by index."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        groups = {name: torch.tensor([i for i, n in enumerate(names) if n == name]) for name in dict.fromkeys(names)}
        self.groups = [(get_activation(name).function, columns) for name, columns in groups.items()]

    def forward(self, x: Tensor) -> Tensor:
        output = torch.empty_like(x)
        for function, columns in self.groups:
            output[:, columns] = function(x[:, columns])
        return output


class Slices(nn.Module):
    """Mixed activations of neurons that are sorted by function."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.functions = [get_activation(name).function for name in dict.fromkeys(names)]
        self.sizes = [names.count(name) for name in dict.fromkeys(names)]

    def forward(self, x: Tensor) -> Tensor:
        groups = zip(self.functions, torch.split(x, self.sizes, 1), strict=True)
        return torch.cat([function(group) for function, group in groups], 1)


def sequential(weights: Sequence[Tensor], biases: Sequence[Tensor], activations: Sequence[nn.Module]) -> nn.Sequential:
    """Return linear layers with an activation after each but the last."""
    modules: list[nn.Module] = []
    for weight, bias, activation in zip(weights, biases, [*activations, nn.Identity()], strict=True):
        linear = nn.Linear(weight.shape[1], weight.shape[0])
        linear.load_state_dict({"weight": weight, "bias": bias})
        modules += [linear, activation]
    return nn.Sequential(*modules[:-1])


def contenders() -> dict[str, Run]:
    """Return one network in every form, and the same weights with ReLU."""
    torch.manual_seed(0)
    weights = [torch.randn(outputs, inputs) / inputs**0.5 for inputs, outputs in pairwise(SIZES)]
    biases = [torch.randn(outputs) for outputs in SIZES[1:]]
    picks = [torch.randint(len(PUBLISHED_POOL), (width,)).tolist() for width in SIZES[1:-1]]
    choices = [[PUBLISHED_POOL[pick] for pick in layer] for layer in picks]
    sorted_weights, sorted_biases, groups = sort_neurons(weights, biases, choices)
    return {
        "frozen": FrozenNetwork(weights, biases, choices),
        "drop-in modules": sequential(weights, biases, [MixedActivation(names) for names in choices]),
        "scatter": sequential(weights, biases, [Scatter(names) for names in choices]),
        "column slices": sequential(sorted_weights, sorted_biases, [Slices(names) for names in groups]),
        "ReLU modules": sequential(weights, biases, [nn.ReLU(inplace=True) for _ in choices]),
        "ReLU frozen": FrozenNetwork(weights, biases, [["relu"] * len(names) for names in choices]),
    }


def measure(networks: Mapping[str, Run], batch: int, repeats: int) -> list[Row]:
    """Time every form on one batch, and compare."""
    progress(f"batch {batch}")
    x = torch.rand(batch, SIZES[0])
    expected = networks["drop-in modules"](x)
    for name in MIXED:
        torch.testing.assert_close(networks[name](x), expected, atol=1e-4, rtol=1e-4)
    timed = {name: per_call(partial(network, x), CALLS[batch]) for name, network in networks.items()}
    seconds = interleaved(timed, repeats)
    rows = [Row(f"batch {batch}: {name}", 1000 * value, unit="ms") for name, value in seconds.items()]
    relu = min(seconds[name] for name in RELU)
    for name in MIXED:
        target = TARGETS.get(batch) if name == "frozen" else None
        rows.append(Row(f"batch {batch}: {name} over all ReLU", seconds[name] / relu, target, at_most=True))
    return rows


@torch.inference_mode()
def main() -> None:
    """Measure and print."""
    arguments = parser(__doc__.splitlines()[0]).parse_args()
    torch.set_num_threads(THREADS)
    networks = contenders()
    repeats = QUICK_REPEATS if arguments.quick else REPEATS
    report([row for batch in CALLS for row in measure(networks, batch, repeats)], as_json=arguments.json)


if __name__ == "__main__":
    main()
