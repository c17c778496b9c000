"""Regression: C numbers, learned by the mean squared error."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from smartmixed_search.errors import ConfigError
from smartmixed_search.tasks.metric import RMSE, TARGET, Metric
from smartmixed_search.tasks.task import LOSS, Task

SQUARED, ABSOLUTE = "squared", "absolute"
"""The sums of squared and of absolute errors, over examples and targets."""


@dataclass(frozen=True)
class Regression(Task):
    """Numbers to predict; targets are [..., B, C], in the unit in which networks are to answer.

    Example:
        >>> import torch
        >>> task = Regression(1)
        >>> tally = task.tally(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0], [4.0]]))
        >>> task.figures(tally, examples=2)["mae"]
        tensor(1.5000, dtype=torch.float64)
    """

    targets: int = 1
    mean: tuple[float, ...] = ()
    """What was subtracted of each target, in its unit; empty: nothing."""
    deviation: tuple[float, ...] = ()
    """What each target was then divided by; empty: nothing."""

    name: ClassVar[str] = "regression"
    metrics: ClassVar[tuple[Metric, ...]] = (
        RMSE,
        Metric(name="mae", label="MAE", direction="min", unit=TARGET),
        Metric(name="loss", label="loss", direction="min", unit="target squared"),
    )
    sums: ClassVar[tuple[str, ...]] = (SQUARED, ABSOLUTE)

    @property
    def outputs(self) -> int:
        """See `Task`."""
        return self.targets

    def receiving(self, output: str) -> "Regression":
        """See `Task`; numbers have no softmax."""
        if output != "logits":
            raise ConfigError(f"output must be logits for a regression, but got {output!r}")
        return self

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the squared error of every example, mean over the targets; see `Task`."""
        return (output - target.mT).square().mean(-2)

    def loss_gradient(self, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """See `Task`."""
        error = output - target.mT
        return error.square().mean((-2, -1)), error * (2 / (error.shape[-2] * error.shape[-1]))

    def tally(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return `loss`, `squared` and `absolute`; see `Task`."""
        error = (output - target.mT).double()
        squared = error.square().sum((-2, -1))
        return {LOSS: squared / self.targets, SQUARED: squared, ABSOLUTE: error.abs().sum((-2, -1))}

    def figures(self, tally: Mapping[str, Tensor], examples: int) -> dict[str, Tensor]:
        """Return `rmse` and `mae`, over all targets together, and `loss`."""
        errors = examples * self.targets
        return {
            "rmse": torch.sqrt(tally[SQUARED] / errors),
            "mae": tally[ABSOLUTE] / errors,
            "loss": tally[LOSS] / examples,
        }
