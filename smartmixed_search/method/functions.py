"""The built-in activation functions: torch's definitions, its in-place kernels, and derivatives in closed form.

An activation works elementwise, so it can be applied to any block of neurons at once. Where a derivative can be
computed from the *output*, as of all published functions, a fixed activation overwrites its input and saves nothing
else; the others need the pre-activation too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805
LEAKY_SLOPE = 0.01

Elementwise = Callable[[Tensor], Tensor]
Forward = Callable[[Tensor, Tensor], object]
Backward = Callable[[Tensor, Tensor, Tensor | None, Tensor], object]


@dataclass(frozen=True, kw_only=True)
class Activation:
    """One candidate activation function, elementwise on tensors of any shape."""

    name: str
    """Name of the function and of the fixed strategy it defines."""
    function: Elementwise
    """Differentiable, out of place: x -> f(x), same shape."""
    native: Forward | None = None
    """(x, out): writes f(x) to `out`, which may be x; torch's kernels."""
    native_backward: Backward | None = None
    """(gradient, output f(x), x, out): writes gradient · f'(x) to `out`, which may be the gradient; torch's kernels."""
    from_input: bool = False
    """Whether that reads x; else it is called without."""

    @property
    def needs_input(self) -> bool:
        """Whether the derivative needs the pre-activation, because it cannot be read off the output."""
        return self.from_input or self.native_backward is None

    def forward_(self, x: Tensor) -> Tensor:
        """Overwrite x with f(x)."""
        if self.native:
            self.native(x, x)
            return x
        return x.copy_(self.function(x))

    def backward_(self, gradient: Tensor, output: Tensor, x: Tensor | None = None) -> None:
        """Overwrite the gradient by f(x) with the gradient by x; all of one shape, x only if `needs_input`."""
        if self.native_backward:
            self.native_backward(gradient, output, x, gradient)
            return
        assert x is not None
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            (by_input,) = torch.autograd.grad(self.function(leaf), leaf, gradient)
        gradient.copy_(by_input)


_aten = torch.ops.aten


def _elu(alpha: float, scale: float) -> Forward:
    return lambda x, out: _aten.elu.out(x, alpha, scale, 1.0, out=out)


def _elu_backward(alpha: float, scale: float) -> Backward:
    return lambda g, y, x, out: _aten.elu_backward.grad_input(g, alpha, scale, 1.0, True, y, grad_input=out)


PUBLISHED = (
    Activation(
        name="relu",
        function=F.relu,
        native=lambda x, out: torch.clamp_min(x, 0.0, out=out),
        native_backward=lambda g, y, x, out: _aten.threshold_backward.grad_input(g, y, 0.0, grad_input=out),
    ),
    Activation(
        name="sigmoid",
        function=torch.sigmoid,
        native=lambda x, out: torch.sigmoid(x, out=out),
        native_backward=lambda g, y, x, out: _aten.sigmoid_backward.grad_input(g, y, grad_input=out),
    ),
    Activation(
        name="tanh",
        function=torch.tanh,
        native=lambda x, out: torch.tanh(x, out=out),
        native_backward=lambda g, y, x, out: _aten.tanh_backward.grad_input(g, y, grad_input=out),
    ),
    Activation(
        name="leaky_relu",
        function=lambda x: F.leaky_relu(x, LEAKY_SLOPE),
        native=lambda x, out: _aten.leaky_relu.out(x, LEAKY_SLOPE, out=out),
        native_backward=lambda g, y, x, out: _aten.leaky_relu_backward.grad_input(
            g, y, LEAKY_SLOPE, True, grad_input=out
        ),
    ),
    Activation(name="elu", function=F.elu, native=_elu(1.0, 1.0), native_backward=_elu_backward(1.0, 1.0)),
    Activation(
        name="selu",
        function=F.selu,
        native=_elu(SELU_ALPHA, SELU_SCALE),
        native_backward=_elu_backward(SELU_ALPHA, SELU_SCALE),
    ),
)
"""The six of the published method, in their published order."""

_TANH_SATURATED = 100.0
"""Beyond it GELU's tanh form has derivatives 0 and 1 in every precision; its square overflows long after."""


def _gelu_backward(g: Tensor, y: Tensor, x: Tensor | None, out: Tensor, approximate: str = "none") -> None:
    """Give oneDNN, which torch calls for it, tensors of one shape; it refuses others."""
    assert x is not None
    g = g if g.shape == x.shape else g.expand_as(x).contiguous()
    _aten.gelu_backward.grad_input(g, x, approximate=approximate, grad_input=out)


def _gelu_tanh_backward(g: Tensor, y: Tensor, x: Tensor | None, out: Tensor) -> None:
    """Torch's own derivative is NaN where x² overflows, from 1.9e19 in float32."""
    assert x is not None
    _gelu_backward(g, y, x.clamp(-_TANH_SATURATED, _TANH_SATURATED), out, "tanh")


def _squared_relu_backward(g: Tensor, y: Tensor, x: Tensor | None, out: Tensor) -> None:
    assert x is not None
    torch.mul(g, x.clamp(min=0.0).mul_(2.0), out=out)


FURTHER = (
    Activation(
        name="gelu",
        function=F.gelu,
        native=lambda x, out: _aten.gelu.out(x, out=out),
        native_backward=_gelu_backward,
        from_input=True,
    ),
    Activation(
        name="gelu_tanh",
        function=partial(F.gelu, approximate="tanh"),
        native=lambda x, out: _aten.gelu.out(x, approximate="tanh", out=out),
        native_backward=_gelu_tanh_backward,
        from_input=True,
    ),
    Activation(
        name="silu",
        function=F.silu,
        native=lambda x, out: _aten.silu.out(x, out=out),
        native_backward=lambda g, y, x, out: _aten.silu_backward.grad_input(g, x, grad_input=out),
        from_input=True,
    ),
    Activation(
        name="mish",
        function=F.mish,
        native=lambda x, out: _aten.mish.out(x, out=out),
        native_backward=lambda g, y, x, out: out.copy_(_aten.mish_backward(g, x)),
        from_input=True,
    ),
    Activation(
        name="softplus",
        function=F.softplus,
        native=lambda x, out: _aten.softplus.out(x, out=out),
        native_backward=lambda g, y, x, out: _aten.softplus_backward.grad_input(g, x, 1.0, 20.0, grad_input=out),
        from_input=True,
    ),
    Activation(
        name="hardswish",
        function=F.hardswish,
        native=lambda x, out: _aten.hardswish.out(x, out=out),
        native_backward=lambda g, y, x, out: _aten.hardswish_backward.out(g, x, out=out),
        from_input=True,
    ),
    Activation(
        name="relu6",
        function=F.relu6,
        native=lambda x, out: torch.clamp(x, 0.0, 6.0, out=out),
        native_backward=lambda g, y, x, out: _aten.hardtanh_backward.grad_input(g, y, 0.0, 6.0, grad_input=out),
    ),
    Activation(
        name="squared_relu",
        function=lambda x: F.relu(x).square(),
        native=lambda x, out: torch.clamp_min(x, 0.0, out=out).square_(),
        native_backward=_squared_relu_backward,
        from_input=True,
    ),
    Activation(
        name="identity",
        function=lambda x: x,
        native=lambda x, out: out.copy_(x),
        native_backward=lambda g, y, x, out: out.copy_(g),
    ),
)
"""Those that are there for whoever names them: GELU (Hendrycks & Gimpel 2016), SiLU (Elfwing et al. 2018), Mish (Misra
2020), Softplus (Dugas et al. 2001), Hardswish (Howard et al. 2019), ReLU6 and squared ReLU (So et al. 2021), as torch
computes them."""

POOLS = {
    "published": tuple(one.name for one in PUBLISHED),
    "modern": ("relu", "leaky_relu", "elu", "gelu", "silu", "mish", "hardswish", "squared_relu"),
    "smooth": ("sigmoid", "tanh", "elu", "softplus", "gelu", "silu", "mish"),
}
"""Pools with a name, which stands for their list in every key and hash: none of them may change.

`modern` has what today's networks use, `smooth` functions whose derivative is continuous.
"""
