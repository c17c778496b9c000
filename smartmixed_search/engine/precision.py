"""The precision of matrix products, as a setting of the moment."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def tf32_products(allowed: bool) -> Iterator[None]:
    """Allow or forbid TF32 products for a moment, whatever the process has set for its own.

    What a process inherits from `torch.backends.fp32_precision` is thereafter its own setting for products.
    """
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    if (before == "tf32") == allowed:
        yield
        return
    matmul.fp32_precision = "tf32" if allowed else "ieee"
    try:
        yield
    finally:
        matmul.fp32_precision = before
