"""Whether a stored target names classes or is a number to predict: one stated rule, which `task:` overrides."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartmixed_search.errors import DatasetError
from smartmixed_search.tasks.classification import Classification
from smartmixed_search.tasks.regression import Regression

CLASSIFICATION, REGRESSION = Classification.name, Regression.name
MOST_CLASSES = 20
"""Different whole numbers up to which these name classes, although a number could be predicted too."""


def inferred_task(y: NDArray[Any]) -> str:
    """Return the task of stored targets: numbers to predict where they are floats that do not `look_like_classes`.

    Example:
        >>> inferred_task(np.array([0.5, 1.0])), inferred_task(np.array([0, 1]))
        ('regression', 'classification')
    """
    return REGRESSION if y.dtype.kind == "f" and not look_like_classes(y) else CLASSIFICATION


def look_like_classes(y: NDArray[Any]) -> bool:
    """Whether there are up to `MOST_CLASSES` different whole numbers, each seen twice on average; NaN is none."""
    different = np.unique(y[np.isfinite(y)])
    return is_whole(different) and len(different) <= MOST_CLASSES and 2 * len(different) <= y.size


def is_whole(y: NDArray[Any]) -> bool:
    """Whether all values are whole numbers."""
    return bool((y == np.floor(y)).all())


def as_classes(y: NDArray[Any], name: str) -> NDArray[np.int64]:
    """Return labels as integers.

    Raises:
        DatasetError: they are not whole numbers, or more than one for an example.
    """
    if (y.ndim == 2 and y.shape[1] != 1) or not is_whole(y):
        raise DatasetError(
            f"task must be regression where targets are not one whole number for each example, as in {name!r}, "
            "but got classification"
        )
    return y.astype(np.int64).ravel()


def as_numbers(y: NDArray[Any]) -> NDArray[np.float64]:
    """Return targets, [N] or [N, C], as numbers [N, C]."""
    return y.astype(np.float64).reshape(len(y), -1)
