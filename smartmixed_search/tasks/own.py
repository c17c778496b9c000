"""A user's own metric: a function of targets and answers, called with numpy arrays."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import in_short, show
from smartmixed_search.tasks.metric import Metric

Score = Callable[[NDArray[Any], NDArray[np.float64]], float]
"""Called with targets [N] and probabilities [N, C]; or with targets and predictions in their unit, [N] or [N, C]."""


@dataclass(frozen=True, kw_only=True)
class OwnMetric(Metric):
    """A metric that a function computes.

    Args:
        function: see `Score`; its attribute `direction`, "max" or "min", says whether the largest value is best.
        spec: where it was found, for messages.

    Example:
        >>> def bias(targets, predictions):
        ...     return float(abs((predictions - targets).mean()))
        >>> metric = OwnMetric(name="bias", label="bias", direction="min", unit="none", function=bias, spec="mine:bias")
        >>> metric.of(np.array([1.0, 2.0]), np.array([2.0, 2.0]))
        0.5
    """

    function: Score = field(compare=False)
    spec: str

    def of(self, targets: NDArray[Any], answers: NDArray[np.float64]) -> float:
        """Return what the function says of one network's answers; NaN where these, or that, are not finite.

        Raises:
            ConfigError: it raises, or returns no number.
        """
        if not np.isfinite(answers).all():
            return float("nan")
        try:
            value = self.function(targets, answers)
        except Exception as error:  # it is the user's code: whatever it raises is theirs to mend
            raise ConfigError(f"metric {self.spec} must take any answers, but raised {in_short(error)}") from error
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            raise ConfigError(f"metric {self.spec} must return a number, but got {show(value)}")
        return float(value) if np.isfinite(value) else float("nan")

    def of_all(self, targets: Tensor, answers: Tensor) -> Tensor:
        """Return the values of networks [...] that answer [..., C, N]; targets are [N], or [N, C]."""
        on_host, wanted = answers.cpu().numpy(), targets.cpu().numpy()
        numbers = wanted.ndim == 2
        if numbers and wanted.shape[1] == 1:
            wanted = wanted[:, 0]
        values = np.empty(on_host.shape[:-2])
        for at in np.ndindex(values.shape):
            of_one = on_host[at].T
            values[at] = self.of(wanted, of_one[:, 0] if numbers and wanted.ndim == 1 else of_one)
        return torch.from_numpy(values).to(answers.device)
