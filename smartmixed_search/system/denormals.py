"""Denormal numbers: below 1.2e-38 a CPU computes a hundred times slower, to no effect that training could notice.

The moments of Adam get there: in a deep network a gradient of 1e-20 is common, and its square is denormal. A network
of twelve layers trained six to ten times slower from the epoch on in which that happened.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

DENORMAL = 1e-39


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Let this thread, and the threads that torch starts from it, take denormal numbers for zero.

    A thread that torch has started before stays as it is: enter it early. Without effect on a GPU, and on a CPU that
    cannot.
    """
    before = flushing()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def flushing() -> bool:
    """Whether this thread takes denormal numbers for zero."""
    return float(torch.tensor(2 * DENORMAL) * 0.5) == 0.0
