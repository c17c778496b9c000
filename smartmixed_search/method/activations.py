"""The pool: candidate activation functions, their derivatives, and the registry by which users add their own.

An activation works elementwise, so it can be applied to any block of neurons at once. The built-in ones have torch's
definitions and torch's native in-place kernels; their derivatives are computed from the *output*, so a fixed
activation overwrites its input and saves nothing else. A user's function needs only `function`: its derivative is
then taken by autograd from the pre-activation.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import in_short, one_of

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805
LEAKY_SLOPE = 0.01

INITIAL_TILT = 0.001
"""Initial selection logit of one random function per neuron; the others start at 0 (published)."""

Elementwise = Callable[[Tensor], Tensor]
Backward = Callable[[Tensor, Tensor], object]


@dataclass(frozen=True, kw_only=True)
class Activation:
    """One candidate activation function, elementwise on tensors of any shape."""

    name: str
    """Name of the function and of the fixed strategy it defines."""
    function: Elementwise
    """Differentiable, out of place: x -> f(x), same shape."""
    native_: Elementwise | None = None
    """Torch's own in-place version of `function`."""
    native_backward_: Backward | None = None
    """(gradient, output): multiplies the gradient in place by f'(x), read off the output f(x)."""

    def __reduce__(self) -> tuple[Callable[[str], "Activation"], tuple[str]]:
        return get_activation, (self.name,)

    @property
    def needs_input(self) -> bool:
        """Whether the derivative needs the pre-activation, because it cannot be read off the output."""
        return self.native_backward_ is None

    def forward_(self, x: Tensor) -> Tensor:
        """Overwrite x with f(x)."""
        return self.native_(x) if self.native_ else x.copy_(self.function(x))

    def backward_(self, gradient: Tensor, output: Tensor, x: Tensor | None = None) -> None:
        """Overwrite the gradient by f(x) with the gradient by x; all of one shape, x only if `needs_input`."""
        if self.native_backward_:
            self.native_backward_(gradient, output)
            return
        assert x is not None
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            (by_input,) = torch.autograd.grad(self.function(leaf), leaf, gradient)
        gradient.copy_(by_input)


_aten = torch.ops.aten


def _elu_backward_(alpha: float, scale: float) -> Backward:
    return lambda g, y: _aten.elu_backward.grad_input(g, alpha, scale, 1.0, True, y, grad_input=g)


_BUILT_IN = (
    Activation(
        name="relu",
        function=F.relu,
        native_=torch.relu_,
        native_backward_=lambda g, y: _aten.threshold_backward.grad_input(g, y, 0.0, grad_input=g),
    ),
    Activation(
        name="sigmoid",
        function=torch.sigmoid,
        native_=torch.sigmoid_,
        native_backward_=lambda g, y: _aten.sigmoid_backward.grad_input(g, y, grad_input=g),
    ),
    Activation(
        name="tanh",
        function=torch.tanh,
        native_=torch.tanh_,
        native_backward_=lambda g, y: _aten.tanh_backward.grad_input(g, y, grad_input=g),
    ),
    Activation(
        name="leaky_relu",
        function=lambda x: F.leaky_relu(x, LEAKY_SLOPE),
        native_=lambda x: F.leaky_relu_(x, LEAKY_SLOPE),
        native_backward_=lambda g, y: _aten.leaky_relu_backward.grad_input(g, y, LEAKY_SLOPE, True, grad_input=g),
    ),
    Activation(name="elu", function=F.elu, native_=F.elu_, native_backward_=_elu_backward_(1.0, 1.0)),
    Activation(name="selu", function=F.selu, native_=F.selu_, native_backward_=_elu_backward_(SELU_ALPHA, SELU_SCALE)),
)

PUBLISHED_POOL = tuple(activation.name for activation in _BUILT_IN)
"""The six functions of the published method, in their published order."""

RESERVED = frozenset({"smartmixed", "selective", "random-mixed", "all"})
"""Names of strategies and controls, which no function may take."""

_registry: dict[str, Activation] = {activation.name: activation for activation in _BUILT_IN}


def register_activation(name: str, function: Elementwise) -> Activation:
    """Register a function as a candidate for selection, and as a fixed strategy of its own, under a name.

    `function` maps a tensor of any shape to one of the same shape, elementwise, and must be differentiable by
    autograd. Registering the same function under its name again is allowed, so that a module may be imported twice.

    Raises:
        ConfigError: the name is taken by another function, is reserved, or is not an identifier; or the function is
            not elementwise, or not differentiable.

    Example:
        >>> import torch
        >>> register_activation("softsign", torch.nn.functional.softsign).name
        'softsign'
        >>> unregister_activation("softsign")

    """
    if not name.isidentifier() or name in RESERVED:
        raise ConfigError(
            f"an activation's name must be an identifier other than {', '.join(sorted(RESERVED))}, but got {name!r}"
        )
    _check_elementwise(name, function)
    known = _registry.get(name)
    if known is not None and known.function is not function:
        raise ConfigError(f"an activation's name must be new, but got {name!r}, which is already in the pool")
    return _registry.setdefault(name, Activation(name=name, function=function))


def _check_elementwise(name: str, function: Elementwise) -> None:
    """Try a function on five numbers."""
    x = torch.linspace(-2.0, 2.0, 5, requires_grad=True)
    try:
        y, first = function(x), function(x[:1])
        elementwise = y.shape == x.shape and torch.allclose(y[:1], first, equal_nan=True)
    except Exception as error:  # a user's code: whatever it raises is theirs to mend
        raised = f"{name!r} raises {in_short(error)}"
        raise ConfigError(f"an activation must map a tensor to one of its shape, but {raised}") from error
    if not elementwise:
        raise ConfigError(f"an activation must work elementwise, but {name!r} does not")
    if not y.requires_grad:
        raise ConfigError(f"an activation must be differentiable by autograd, but {name!r} has no gradient")


def unregister_activation(name: str) -> None:
    """Remove a user's function from the pool; the six built-in ones stay.

    Raises:
        ConfigError: the name is not that of a user's function.

    """
    if name in PUBLISHED_POOL:
        raise ConfigError(f"only an activation that was registered can be removed, but {name!r} is built in")
    get_activation(name)
    del _registry[name]


def registered_activations() -> tuple[str, ...]:
    """Return the names of every function in the pool: the six built-in ones, then the users' by registration."""
    return tuple(_registry)


def get_activation(name: str) -> Activation:
    """Return the function of that name.

    Raises:
        ConfigError: no such function is registered; the message names the nearest one.

    """
    if name not in _registry:
        raise ConfigError(one_of("an activation function", name, _registry))
    return _registry[name]


def resolve_pool(names: Iterable[str]) -> tuple[Activation, ...]:
    """Return the functions of those names, in that order.

    Raises:
        ConfigError: there is none, or one is not registered.
    """
    pool = tuple(get_activation(name) for name in names)
    if not pool:
        raise ConfigError("a pool must hold at least one function, but got []")
    return pool
