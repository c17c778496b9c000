"""What each example counts in the loss: by a column of the data, by its class, or both."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from smartmixed_search.datasets import Dataset
from smartmixed_search.datasets.dataset import SPLITS
from smartmixed_search.tasks.task import Task
from smartmixed_search.tasks.weighted import Weighted, classes_to_balance, packed


def weighted(task: Task, data: Dataset, *, balanced: bool) -> tuple[Task, Dataset]:
    """Return the task and the data in which examples count what they are to; these themselves if all count alike.

    Args:
        task: what is learned.
        data: with weights, if its source has any.
        balanced: whether classes are to count alike together, by their weight in the examples that are trained on.

    Raises:
        ConfigError: classes are to be balanced where there are none.
    """
    if data.w_train is None and not balanced:
        return task, data
    factors = {name: _weights(data, name) for name in SPLITS}
    if balanced:
        by_class = _balancing(task, data.y_train, factors["train"])
        factors = {name: factor * by_class[getattr(data, f"y_{name}")] for name, factor in factors.items()}
    targets: dict[str, Any] = {
        f"y_{name}": packed(getattr(data, f"y_{name}"), factor) for name, factor in factors.items()
    }
    return Weighted(task, labels=not data.y_train.is_floating_point()), replace(data, **targets)


def _weights(data: Dataset, part: str) -> Tensor:
    weights: Tensor | None = getattr(data, f"w_{part}")
    labels: Tensor = getattr(data, f"y_{part}")
    return torch.ones(len(labels), dtype=torch.float64, device=labels.device) if weights is None else weights.double()


def _balancing(task: Task, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the factor of every class, as scikit-learn's `balanced` has it; 1 where a class is not trained on."""
    classes = classes_to_balance(task)
    sums = torch.zeros(classes, dtype=torch.float64, device=labels.device).index_add_(0, labels, weights)
    return (weights.sum() / (classes * sums)).where(sums > 0, 1.0)
