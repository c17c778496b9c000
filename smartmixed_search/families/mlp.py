"""Multilayer perceptrons: named by their hidden widths, such as `512-256-128`."""

from collections.abc import Sequence
from itertools import pairwise

from smartmixed_search.errors import ConfigError


def parse_architecture(text: str) -> tuple[int, ...]:
    """Read hidden widths such as `512-256-128`.

    Raises:
        ConfigError: a width is not a whole number of at least 1, or there is none.

    Example:
        >>> parse_architecture("512-256-128")
        (512, 256, 128)

    """
    parts = str(text).split("-")
    if not all(part.isascii() and part.isdigit() and len(part) <= 9 and int(part) >= 1 for part in parts):
        raise ConfigError(
            f"an architecture must be hidden widths of at least 1 joined by '-', such as 512-256-128, but got {text!r}"
        )
    return tuple(int(part) for part in parts)


def format_architecture(widths: tuple[int, ...]) -> str:
    """Write hidden widths as `512-256-128`."""
    return "-".join(str(width) for width in widths)


def by_size(architecture: str) -> tuple[int, tuple[int, ...]]:
    """Return by what architectures are sorted: depth, then widths."""
    widths = parse_architecture(architecture)
    return len(widths), widths


def count_parameters(sizes: Sequence[int]) -> int:
    """Count the weights and biases of one network of these layer sizes, inputs and classes included.

    Example:
        >>> count_parameters([784, 128, 10])
        101770
    """
    return sum(outputs * (inputs + 1) for inputs, outputs in pairwise(sizes))
