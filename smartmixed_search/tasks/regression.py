"""Regression: C numbers, learned by the mean squared error."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from smartmixed_search.errors import ConfigError
from smartmixed_search.tasks.metric import MAE, R2, RMSE, Metric
from smartmixed_search.tasks.task import LOSS, OUTPUTS, Task

SQUARED, ABSOLUTE = "squared", "absolute"
"""The sums of squared and of absolute errors, by target."""


@dataclass(frozen=True)
class Regression(Task):
    """Numbers to predict; targets are [..., B, C], in the unit in which networks are to answer.

    Example:
        >>> import torch
        >>> task = Regression(1)
        >>> targets = torch.tensor([[0.0], [4.0]])
        >>> tally = task.tally(torch.tensor([[1.0, 2.0]]), targets, [MAE])
        >>> task.quantities(tally, targets, [MAE])["mae"]
        tensor(1.5000, dtype=torch.float64)
    """

    targets: int = 1
    mean: tuple[float, ...] = ()
    """What was subtracted of each target, in its unit; empty: nothing."""
    deviation: tuple[float, ...] = ()
    """What each target was then divided by; empty: nothing."""

    name: ClassVar[str] = "regression"
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        RMSE.name: (SQUARED,),
        MAE.name: (ABSOLUTE,),
        R2.name: (SQUARED,),
    }

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

    def _tally(self, output: Tensor, target: Tensor, parts: Collection[str]) -> dict[str, Tensor]:
        """See `Task`."""
        error = output.double() - target.mT
        squared = error.square().sum(-1)
        made = {SQUARED: lambda: squared, ABSOLUTE: lambda: error.abs().sum(-1), OUTPUTS: lambda: output}
        return {LOSS: squared.mean(-1)} | {part: made[part]() for part in parts}

    def _measure(self, metric: Metric, tally: Mapping[str, Tensor], target: Tensor) -> Tensor:
        """See `Task`; in the unit of the targets, mean over these."""
        examples = target.shape[-2]
        if metric == MAE:
            return (tally[ABSOLUTE] / examples * self._deviation(target)).mean(-1)
        if metric == RMSE:
            return ((tally[SQUARED] / examples).sqrt() * self._deviation(target)).mean(-1)
        assert metric == R2
        constant = (target == target[..., :1, :]).all(-2)
        varied = (target.double() - target.double().mean(-2, keepdim=True)).square().sum(-2)
        return (1 - tally[SQUARED] / varied.masked_fill(constant, torch.nan)).nanmean(-1)

    def answers(self, output: Tensor) -> Tensor:
        """Return predictions in the unit of the targets; see `Task`."""
        return self.restored(output.mT).mT

    def restored(self, target: Tensor) -> Tensor:
        """See `Task`."""
        scaled = target.double() * self._deviation(target)
        return scaled + torch.tensor(self.mean, dtype=torch.float64, device=target.device) if self.mean else scaled

    def target_deviation(self, target: Tensor) -> float:
        """See `Task`."""
        return float(self.restored(target).std(0, correction=0).mean())

    def uninformed(self, target: Tensor) -> Tensor:
        """Return the mean of the targets; see `Task`."""
        return target.double().mean(0).unsqueeze(-1).expand(-1, len(target))

    def _deviation(self, like: Tensor) -> Tensor:
        """Return what a difference of one is in the unit of the targets, float64 [C]."""
        return torch.tensor(self.deviation or [1.0] * self.targets, dtype=torch.float64, device=like.device)
