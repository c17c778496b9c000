"""Deterministic algorithms: on a GPU some kernels add up in an order that varies, unless they are told not to."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_WORKSPACE, _FIXED = "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
"""cuBLAS is deterministic only with workspaces of a fixed size; it reads this when a process first uses it."""


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Let torch use only deterministic algorithms, or refuse; without effect if that is not wanted.

    On a CPU everything here is deterministic anyway. Enter it before the process first uses a GPU.
    """
    if not wanted:
        yield
        return
    os.environ.setdefault(_WORKSPACE, _FIXED)
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
