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
from smartmixed_search.tasks.weighted import Weighted, packed

R, S, B = 2, 3, 17


@dataclass(frozen=True)
class Example:
    """A task, targets as a batch of R replicates has them, and what scikit-learn says of one network's answers."""

    task: Task
    targets: Tensor
    """[R, 1, B, …]."""
    expected: Callable[[np.ndarray, np.ndarray], dict[str, float]]
    """Loss and metrics by name, of outputs [C, B] and targets [B, …]."""


def classified(output: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """What scikit-learn says of logits."""
    shares, answers = torch.tensor(output).softmax(0).numpy().T, output.argmax(0)
    scores = shares[:, 1] if len(output) == 2 else shares
    log_loss = metrics.log_loss(target, shares, labels=range(len(output)))
    return {
        "loss": log_loss,
        "accuracy": metrics.accuracy_score(target, answers),
        "balanced_accuracy": metrics.balanced_accuracy_score(target, answers),
        "macro_f1": metrics.f1_score(target, answers, average="macro"),
        "auroc": metrics.roc_auc_score(target, scores, multi_class="ovr"),
        "log_loss": log_loss,
    }


def _classified_twice(output: np.ndarray, target: np.ndarray) -> dict[str, float]:
    twice = torch.tensor(output).softmax(0).numpy()
    return classified(output, target) | {"loss": classified(twice, target)["loss"]}


def predicted(output: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """What scikit-learn says of numbers."""
    return {
        "loss": metrics.mean_squared_error(target, output.T),
        "rmse": metrics.root_mean_squared_error(target, output.T),
        "mae": metrics.mean_absolute_error(target, output.T),
        "r2": metrics.r2_score(target, output.T),
    }


def _weighted_classes(output: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """Metrics count every example once, the loss as often as its factor says."""
    labels, weights = target[:, 0].astype(int), target[:, 1]
    shares = torch.tensor(output).softmax(0).numpy()
    loss = metrics.log_loss(labels, shares.T, labels=range(len(output)), sample_weight=weights, normalize=False)
    return classified(output, labels) | {"loss": loss / B}


def _weighted_numbers(output: np.ndarray, target: np.ndarray) -> dict[str, float]:
    weights = target[:, -1]
    loss = metrics.mean_squared_error(target[:, :-1], output.T, sample_weight=weights) * weights.mean()
    return predicted(output, target[:, :-1]) | {"loss": loss}


MEAN, DEVIATION = np.array([100.0, -3.0]), np.array([20.0, 0.5])


def _predicted_in_units(output: np.ndarray, target: np.ndarray) -> dict[str, float]:
    restored = predicted((output.T * DEVIATION + MEAN).T, target * DEVIATION + MEAN)
    return restored | {"loss": predicted(output, target)["loss"]}


_rng = torch.Generator().manual_seed(0)
_classes = (torch.arange(B) % 4)[torch.stack([torch.randperm(B, generator=_rng) for _ in range(R)])].unsqueeze(1)
_pairs = torch.randn(R, 1, B, 2, generator=_rng, dtype=torch.float64)
_factors = torch.rand(R, 1, B, generator=_rng) * 3
EXAMPLES = {
    "classification": Example(Classification(4), _classes, classified),
    "two classes": Example(Classification(2), _classes % 2, classified),
    "softmax twice": Example(Classification(4, softmax_output=True), _classes, _classified_twice),
    "regression": Example(Regression(1), _pairs[..., :1], predicted),
    "two targets": Example(Regression(2), _pairs, predicted),
    "units": Example(Regression(2, tuple(MEAN), tuple(DEVIATION)), _pairs, _predicted_in_units),
    "weighted classification": Example(
        Weighted(Classification(4), labels=True), packed(_classes, _factors), _weighted_classes
    ),
    "weighted regression": Example(Weighted(Regression(2), labels=False), packed(_pairs, _factors), _weighted_numbers),
}
