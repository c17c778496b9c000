"""A frozen network for use elsewhere: a plain module whose mixed activations cost about what ReLU costs.

`modules.MixedActivation` serves anybody's network and has to gather its features at every call. Here the network is
known as a whole, so the neurons of one function are brought together once, in the weights.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, pairwise
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smartmixed_search.errors import NetworkError
from smartmixed_search.families import family_of, format_architecture
from smartmixed_search.method.activations import resolve_pool
from smartmixed_search.method.freezing import neuron_orders, reorder_neurons
from smartmixed_search.method.modules import MixedActivation

_BLOCK = 256
"""Examples of a block. A large batch is cut into blocks, equally many for every thread: a block's activations are still
in the cache when the functions are applied, and the products gain as well."""


class FrozenNetwork(nn.Module):
    """A multilayer perceptron in which every hidden neuron applies a function of its own.

    Its neurons are sorted by function, which changes nothing of what the network computes. Without autograd
    (`torch.inference_mode`, `torch.no_grad`) activations work in place, on contiguous memory. With autograd, and in
    exported programs, they do not: slower, but the network can be trained on.

    Args:
        weights: per linear layer, [outputs, inputs].
        biases: per linear layer, [outputs].
        choices: per hidden layer, name of the function of each neuron.

    Shape:
        Input [B, D]: examples prepared as the dataset's are. Output [B, C]: logits, whatever the cross-entropy
        received in training; `logits.softmax(1)` are the probabilities of the classes.

    Raises:
        NetworkError: shapes do not fit each other.
        ConfigError: a function is not registered.

    Example:
        >>> import torch
        >>> network = FrozenNetwork([torch.eye(2), torch.eye(2)], [torch.zeros(2), torch.ones(2)], [["tanh", "relu"]])
        >>> with torch.inference_mode():
        ...     network(torch.tensor([[0.0, -1.0], [0.0, 3.0]])).tolist()
        [[1.0, 1.0], [1.0, 4.0]]
    """

    def __init__(self, weights: Sequence[Tensor], biases: Sequence[Tensor], choices: Sequence[Sequence[str]]) -> None:
        super().__init__()
        weights, biases, choices = sort_neurons(weights, biases, choices)
        names = [list(dict.fromkeys(layer)) for layer in choices]
        self._functions = [resolve_pool(layer) for layer in names]
        self._sizes = [[layer.count(name) for name in chosen] for layer, chosen in zip(choices, names, strict=True)]
        self.layers = nn.ModuleList(map(_linear, weights, biases))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of x."""
        differentiable = torch.is_grad_enabled() or torch.compiler.is_exporting()
        return self._forward(x) if differentiable else self._forward_in_place(x)

    def _forward(self, x: Tensor) -> Tensor:
        *hidden, last = self._linears()
        for linear, functions, sizes in zip(hidden, self._functions, self._sizes, strict=True):
            groups = F.linear(x, linear.weight, linear.bias).split_with_sizes(sizes, 1)
            x = torch.cat([activation.function(group) for activation, group in zip(functions, groups, strict=True)], 1)
        return F.linear(x, last.weight, last.bias)

    def _forward_in_place(self, x: Tensor) -> Tensor:
        rest = len(x) % (_BLOCK * torch.get_num_threads())
        if 0 < rest < len(x):
            return torch.cat([self._forward_in_place(x[:-rest]), self._forward_in_place(x[-rest:])])
        *hidden, last = self._linears()
        h = x.T if rest == len(x) else x.view(-1, _BLOCK, x.shape[1]).mT
        for linear, functions, sizes in zip(hidden, self._functions, self._sizes, strict=True):
            h = _apply(linear, h)
            for activation, group in zip(functions, h.split_with_sizes(sizes, -2), strict=True):
                activation.forward_(group)
        return _apply(last, h).mT.reshape(len(x), last.out_features)

    def _linears(self) -> Iterable[nn.Linear]:
        return cast("Iterable[nn.Linear]", self.layers)

    def extra_repr(self) -> str:
        """Describe the module for print."""
        layers = enumerate(zip(self._functions, self._sizes, strict=True))
        groups = (
            (number, ", ".join(f"{f.name}: {n}" for f, n in zip(*layer, strict=True))) for number, layer in layers
        )
        return "\n".join(f"({number}): {listed}" for number, listed in groups)


def load_frozen(
    architecture: object,
    input_shape: Sequence[int],
    outputs: int,
    choices: Sequence[Sequence[str]],
    tensors: Mapping[str, Tensor],
) -> nn.Module:
    """Return a trained network of any family, in evaluation mode.

    Args:
        architecture: which.
        input_shape: of one prepared example.
        outputs: of one example.
        choices: per site, name of the function of each unit.
        tensors: its parameters and buffers, by the names of the family's modules.

    Raises:
        NetworkError: the tensors are not those of such a network.
        ConfigError: a function is not registered, or a factory's module not imported.
    """
    chosen = iter(choices)
    network = family_of(architecture).build(
        architecture,
        input_shape,
        outputs,
        lambda site: MixedActivation(next(chosen), dim=site.dim),
        np.random.default_rng(0),
    )
    own = dict([*network.named_parameters(), *network.named_buffers()])
    shapes = {name: tensor.shape for name, tensor in own.items() if name in tensors}
    if shapes != {name: tensor.shape for name, tensor in tensors.items()}:
        raise NetworkError(
            f"weights must be of the network that {format_architecture(architecture)} makes, but they are of another; "
            "has its module changed since?"
        )
    with torch.no_grad():
        for name, tensor in tensors.items():
            own[name].copy_(tensor)
    return network.eval()


def sort_neurons(
    weights: Sequence[Tensor], biases: Sequence[Tensor], choices: Sequence[Sequence[str]]
) -> tuple[list[Tensor], list[Tensor], list[list[str]]]:
    """Return copies in which the neurons of each hidden layer are sorted by function; the network computes the same.

    Raises:
        NetworkError: shapes do not fit each other.
    """
    _check_shapes(weights, biases, choices)
    ranks = {name: rank for rank, name in enumerate(sorted({*chain(*choices)}))}
    orders = neuron_orders([torch.tensor([[ranks[name] for name in names]]) for names in choices])
    weights, biases = ([tensor.detach().clone() for tensor in tensors] for tensors in (weights, biases))
    reorder_neurons([weight[None] for weight in weights], [bias[None] for bias in biases], orders)
    return weights, biases, [sorted(names) for names in choices]


def _check_shapes(weights: Sequence[Tensor], biases: Sequence[Tensor], choices: Sequence[Sequence[str]]) -> None:
    widths = [len(names) for names in choices]
    found = [tuple(weight.shape) for weight in weights], [tuple(bias.shape) for bias in biases]
    if all(weight.ndim == 2 for weight in weights) and len(weights) > 1:
        sizes = [weights[0].shape[1], *widths, weights[-1].shape[0]]
        if found == ([(o, i) for i, o in pairwise(sizes)], [(o,) for o in sizes[1:]]):
            return
    raise NetworkError(f"weights and biases must fit hidden layers of {widths} neurons, but got shapes {found}")


def _apply(linear: nn.Linear, h: Tensor) -> Tensor:
    """Apply a layer to h [inputs, B], or to blocks of examples [blocks, inputs, B]."""
    bias = linear.bias.unsqueeze(1)
    if h.ndim == 2:
        return torch.addmm(bias, linear.weight, h)
    return torch.baddbmm(bias, linear.weight.expand(len(h), -1, -1), h)


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    linear.weight, linear.bias = nn.Parameter(weight), nn.Parameter(bias)
    return linear
