"""From stored examples to what networks take: on the device, batch by batch, and nothing of it asks the host."""

from collections.abc import Sequence

import torch
from torch import Tensor

WHITE = 255.0
"""The greatest value of a byte, which is 1 for a network."""


def as_inputs(examples: Tensor, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Return stored examples as inputs: numbers as they are, bytes of images divided by 255.

    Args:
        examples: **shape** [B, …], as `Dataset.x_train` stores them.
        shape: of one example as the networks take it.
        dtype: of the inputs.

    Returns:
        Inputs [B, *shape].

    Example:
        >>> as_inputs(torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8), (3,), torch.float32)
        tensor([[0.0000, 0.2000, 1.0000]])
    """
    inputs = examples.to(dtype).view(-1, *shape)
    if examples.dtype != torch.uint8:
        return inputs
    # By a tensor: a number would be inverted first on a GPU, and the last bit depend on the device.
    return inputs.div_(torch.full((), WHITE, dtype=dtype, device=inputs.device))
