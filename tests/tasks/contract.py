"""What every task must do; a new one is added to `EXAMPLES`, and all tests of `test_tasks.py` hold it to this."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from sklearn import metrics
from torch import Tensor

from smartmixed_search.tasks.classification import Classification
from smartmixed_search.tasks.regression import Regression
from smartmixed_search.tasks.task import Task

R, S, B = 2, 3, 17


@dataclass(frozen=True)
class Example:
    """A task, targets as a batch of R replicates has them, and what scikit-learn says of one network's answers."""

    task: Task
    targets: Tensor
    """[R, 1, B, …]."""
    expected: Callable[[np.ndarray, np.ndarray], dict[str, float]]
    """Metrics by name, of outputs [C, B] and targets [B, …]."""


def _classified(output: np.ndarray, target: np.ndarray) -> dict[str, float]:
    shares = torch.tensor(output).softmax(0).numpy()
    return {
        "accuracy": metrics.accuracy_score(target, output.argmax(0)),
        "loss": metrics.log_loss(target, shares.T, labels=range(len(output))),
    }


def _classified_twice(output: np.ndarray, target: np.ndarray) -> dict[str, float]:
    return _classified(torch.tensor(output).softmax(0).numpy(), target)


def _predicted(output: np.ndarray, target: np.ndarray) -> dict[str, float]:
    return {
        "rmse": metrics.mean_squared_error(target.ravel(), output.T.ravel()) ** 0.5,
        "mae": metrics.mean_absolute_error(target, output.T),
        "loss": metrics.mean_squared_error(target, output.T),
    }


_rng = torch.Generator().manual_seed(0)
_classes = torch.randint(4, (R, 1, B), generator=_rng)
EXAMPLES = {
    "classification": Example(Classification(4), _classes, _classified),
    "softmax twice": Example(Classification(4, softmax_output=True), _classes, _classified_twice),
    "regression": Example(Regression(1), torch.randn(R, 1, B, 1, generator=_rng, dtype=torch.float64), _predicted),
    "two targets": Example(Regression(2), torch.randn(R, 1, B, 2, generator=_rng, dtype=torch.float64), _predicted),
}
