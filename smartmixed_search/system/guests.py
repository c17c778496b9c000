"""Anybody's code as a guest: it runs on random numbers of its own, and nothing of it reaches what runs after it."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

import numpy as np
import torch


@contextmanager
def guest(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Let code run that may draw, print, or change torch's settings.

    torch's generator of the device, numpy's and Python's begin at the seed. Afterwards they are where they were, as are
    number of threads, default type, and whether gradients are computed. What is printed goes to stderr.

    Args:
        seed: at least 0.
        device: whose generator the code draws from.
    """
    # torch.manual_seed formats a traceback at every call until CUDA is first used: 170 times as slow.
    generator = default_generator(torch.device(device))
    drawn, of_numpy, of_python = generator.get_state(), np.random.get_state(), random.getstate()
    threads, dtype, gradients = torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()
    generator.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        generator.set_state(drawn)
        np.random.set_state(of_numpy)
        random.setstate(of_python)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(gradients)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


def default_generator(device: torch.device) -> torch.Generator:
    """Return the generator that torch's functions draw from on a device."""
    if device.type != "cuda":
        return torch.default_generator
    index = torch.cuda.current_device() if device.index is None else device.index
    return torch.cuda.default_generators[index]
