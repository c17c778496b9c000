"""Every matrix product of a training step, batched over the networks of a stack.

Activations are feature-major, [R, S, H, B]. All columns of a replicate see the same inputs [R, B, D], so the first
layer is one wide product per replicate; the others are one product per network.
"""

import torch
from torch import Tensor

from smartmixed_search.engine.precision import tf32_products


class Products:
    """Matrix products in a trial's precision; what goes in and what comes out is float32 whatever it is.

    Args:
        precision: `float32`; `tf32`: as tensor cores round it, float32 where there are none; `bf16`: of inputs rounded
            to bfloat16, summed up in float32, and on the CPU rounded once more.
    """

    def __init__(self, precision: str = "float32") -> None:
        self.precision = precision

    def first_linear(self, weight: Tensor, bias: Tensor, x: Tensor) -> Tensor:
        """Apply the first layer: weight [R, S, H, D], bias [R, S, H] and x [R or 1, B, D] to [R, S, H, B]."""
        replicates, columns, outputs, _ = weight.shape
        x = x.expand(replicates, -1, -1).transpose(1, 2)
        return self._affine(weight.flatten(1, 2), bias.flatten(1), x).view(replicates, columns, outputs, -1)

    def linear(self, weight: Tensor, bias: Tensor, a: Tensor) -> Tensor:
        """Apply a layer: weight [R, S, outputs, inputs], bias [R, S, outputs] and a [R, S, inputs, B]."""
        return self._affine(weight.flatten(0, 1), bias.flatten(0, 1), a.flatten(0, 1)).view(*weight.shape[:3], -1)

    def input_gradient(self, weight: Tensor, gradient: Tensor) -> Tensor:
        """Take a layer's gradient [R, S, outputs, B] back to its inputs, [R, S, inputs, B]."""
        by_input = self._product(weight.flatten(0, 1).transpose(1, 2), gradient.flatten(0, 1))
        return by_input.view(*weight.shape[:2], *by_input.shape[1:])

    def first_weight_gradient(self, gradient: Tensor, x: Tensor, out: Tensor) -> None:
        """Write the first layer's gradient by its weight to out [R, S, H, D], of gradient [R, S, H, B], x [R, B, D]."""
        self._product(gradient.flatten(1, 2), x, out.flatten(1, 2))

    def weight_gradient(self, gradient: Tensor, a: Tensor, out: Tensor) -> None:
        """Write a layer's gradient by its weight to out [R, S, outputs, inputs], of gradient and its inputs a."""
        self._product(gradient.flatten(0, 1), a.flatten(0, 1).transpose(1, 2), out.flatten(0, 1))

    def _affine(self, weight: Tensor, bias: Tensor, a: Tensor) -> Tensor:
        if self.precision == "bf16":
            return self._product(weight, a).add_(bias.unsqueeze(-1))
        if not weight.is_cuda:
            return torch.baddbmm(bias.unsqueeze(-1), weight, a)
        with tf32_products(self.precision == "tf32"):
            return torch.baddbmm(bias.unsqueeze(-1), weight, a)

    def _product(self, a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
        if self.precision == "bf16":
            return _bf16_product(a, b, out)
        if not a.is_cuda:
            return torch.bmm(a, b, out=out)
        with tf32_products(self.precision == "tf32"):
            return torch.bmm(a, b, out=out)


def _bf16_product(a: Tensor, b: Tensor, out: Tensor | None) -> Tensor:
    rounded = a.to(torch.bfloat16), b.to(torch.bfloat16)
    if a.is_cuda:
        return torch.bmm(*rounded, out_dtype=torch.float32, out=out)
    product = torch.bmm(*rounded).to(a.dtype)
    return product if out is None else out.copy_(product)
