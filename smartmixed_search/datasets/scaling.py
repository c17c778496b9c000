"""Scaling of stored arrays: a division of all values, or a standardisation by the training part."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartmixed_search.errors import DatasetError

Scaled = list[NDArray[np.float32]]


def divide(parts: Sequence[NDArray[Any]], divisor: float) -> Scaled:
    """Divide all values of parts [N, D]."""
    return [np.divide(x, np.float32(divisor), dtype=np.float32) for x in parts]


def standardise(
    parts: Sequence[NDArray[Any]], name: str, what: str = "features"
) -> tuple[Scaled, NDArray[np.float64], NDArray[np.float64]]:
    """Subtract the first part's mean and divide by its standard deviation, by feature and in float64.

    Args:
        parts: [N, D] each.
        name: of the dataset, for messages.
        what: the D are.

    Returns:
        The parts [N, D], and the mean and deviation [D].

    Raises:
        DatasetError: a feature of the dataset of that name leaves the range of float32.
    """
    train = parts[0]
    mean = train.mean(axis=0, dtype=np.float64)
    deviation = train.std(axis=0, dtype=np.float64)
    # A constant feature's deviation is the rounding error of its mean: dividing by it would magnify noise.
    deviation[deviation <= len(train) * np.finfo(np.float64).eps * np.abs(mean)] = 1.0
    scaled = []
    for x in parts:
        centred = np.subtract(x, mean, dtype=np.float64)
        with np.errstate(over="ignore"):
            scaled.append(np.divide(centred, deviation, out=centred).astype(np.float32))
        if not np.isfinite(scaled[-1]).all():
            raise DatasetError(
                f"{what} of {name!r} must stay finite when standardised by the training examples, "
                f"but one lies {np.abs(centred).max():.1e} standard deviations away"
            )
    return scaled, mean, deviation
