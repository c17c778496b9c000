"""Which layer's weights made a tensor: followed call by call, while a module that nobody prepared runs.

Every call of torch's functions is seen (`torch.overrides.TorchFunctionMode`), whoever makes it: modules, functions,
methods, in-place ones. A tensor that a layer's weights made is marked with the layer; what is computed of it (norms,
additions, reshapes) inherits the mark, of several the latest.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

ACTIVATIONS = frozenset(
    {
        "celu",
        "elu",
        "gelu",
        "hardswish",
        "hardtanh",
        "leaky_relu",
        "log_sigmoid",
        "logsigmoid",
        "mish",
        "prelu",
        "relu",
        "relu6",
        "rrelu",
        "selu",
        "silu",
        "softplus",
        "softshrink",
        "hardshrink",
        "softsign",
        "tanh",
        "tanhshrink",
        "threshold",
        "hardsigmoid",
        "sigmoid",
    }
)
"""The functions that are activations, by the names that torch's functions, methods and operators share."""
GATES = frozenset({"sigmoid", "hardsigmoid"})
"""Those that are taken for gates, as in squeeze and excitation, unless somebody names them."""
WHOLE = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu", "multi_head_attention_forward", "softmax"})
"""Calls with nonlinearities inside that cannot be exchanged."""
_LAYERS = frozenset(
    {
        "linear",
        "conv1d",
        "conv2d",
        "conv3d",
        "conv_transpose1d",
        "conv_transpose2d",
        "conv_transpose3d",
        "bilinear",
        "embedding",
        "embedding_bag",
        "lstm",
        "gru",
        "rnn_tanh",
        "rnn_relu",
        "multi_head_attention_forward",
    }
)
"""Calls that always apply weights."""
_PRODUCTS = frozenset(
    {"matmul", "mm", "bmm", "mv", "addmm", "addbmm", "addmv", "baddbmm", "einsum", "tensordot", "inner"}
)
"""Calls that apply weights where one of the factors is."""
_MARK = "_smartmixed_mark"


class Mark(NamedTuple):
    """Where a tensor comes from."""

    serial: int
    """The later, the greater."""
    activations: int
    """How many were applied since the layer."""
    layer: str
    """The layer, by the path of its weights."""
    weights: bool = False
    """Whether it is made of weights alone."""


class Call(NamedTuple):
    """A call of one of torch's functions."""

    function: Callable[..., Any]
    name: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    @property
    def input(self) -> Tensor:
        """The tensor that an activation is applied to."""
        first = self.args[0] if self.args else self.kwargs["input"]
        assert isinstance(first, Tensor)
        return first

    @property
    def in_place(self) -> bool:
        """Whether it overwrites its input."""
        if not inspect.isfunction(self.function):
            return _spelled(self.function).endswith("_")
        bound = inspect.signature(self.function).bind(*self.args, **self.kwargs)
        return bool(bound.arguments.get("inplace", _spelled(self.function).endswith("_")))

    def tensors(self) -> Iterator[Tensor]:
        """Yield its tensors, those in lists too."""
        for value in (*self.args, *self.kwargs.values()):
            if isinstance(value, Tensor):
                yield value
            elif isinstance(value, list | tuple):
                yield from (one for one in value if isinstance(one, Tensor))

    def made(self) -> Any:
        """Make the call."""
        return self.function(*self.args, **self.kwargs)


def call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> Call:
    """Return a call as a function mode receives it."""
    return Call(function, _spelled(function).removesuffix("_"), args, kwargs or {})


def _spelled(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", "").partition(".")[0]  # an operator's overload is `relu.default`
    return name.strip("_") if name.startswith("__") else name


class Provenance:
    """Marks tensors as a module runs."""

    def __init__(self) -> None:
        self._layers: dict[int, str] = {}
        self._serial = 0

    def begin(self, network: nn.Module) -> None:
        """Learn which tensors are the module's weights now; they may be exchanged from call to call."""
        self._layers = {id(weight): name.removesuffix(".weight") for name, weight in network.named_parameters()}

    def of(self, tensor: Tensor) -> Mark | None:
        """Return a tensor's mark; None if nothing is known of it."""
        layer = self._layers.get(id(tensor))
        if layer is not None:
            return Mark(0, 0, layer, weights=True)
        found: Mark | None = getattr(tensor, _MARK, None)
        return found

    def follow(self, made: Call, result: Any, owner: str) -> bool:
        """Mark what a call returned; `owner` is the path of the module that runs. Say whether weights were applied."""
        outputs = [one for one in (result if isinstance(result, tuple | list) else [result]) if isinstance(one, Tensor)]
        if not outputs:
            return False
        marks = [self.of(tensor) for tensor in made.tensors()]
        weights = [mark for mark in marks if mark is not None and mark.weights]
        others = [mark for mark in marks if mark is not None and not mark.weights]
        applied = made.name in _LAYERS or (made.name in _PRODUCTS and 0 < len(weights) < len(marks))
        if applied:
            self._serial += 1
            matrices = [mark.layer for mark in weights if not mark.layer.endswith("bias")]
            mark = Mark(self._serial, 0, matrices[-1] if matrices else owner)
        elif others:
            mark = max(others)
        elif weights:
            mark = weights[-1]
        else:
            return False
        for one in outputs:
            setattr(one, _MARK, mark)
        return applied

    def activated(self, tensor: Tensor, before: Mark | None) -> None:
        """Mark what an activation made of a tensor that was marked so."""
        mark = before or Mark(0, 0, "")
        setattr(tensor, _MARK, mark._replace(activations=mark.activations + 1, weights=False))
