"""Best-epoch bookkeeping: for each network, its state at the epoch of lowest validation loss."""

from collections.abc import Sequence

import torch
from torch import Tensor

from smartmixed_search.engine.evaluation import Evaluation
from smartmixed_search.engine.parameters import Parameters


class Checkpoint:
    """Each network's parameters, and the figures they had, at its best epoch among those it was eligible in.

    Args:
        states: parameters, and moments where a handoff will need them; copied at every improvement.
        logit_columns: the column of each of the J entries of `logits`.
        quantities: what is measured, by `Metric.quantity`.
    """

    def __init__(self, states: Sequence[Parameters], logit_columns: Sequence[int], quantities: Sequence[str]) -> None:
        networks, device = states[0].shared[0].shape[:2], states[0].shared[0].device
        self.states = [state.clone() for state in states]
        self.epoch = torch.full(networks, -1, device=device)
        self.loss = torch.full(networks, torch.inf, dtype=torch.float64, device=device)
        self.quantities = {name: torch.zeros(networks, dtype=torch.float64, device=device) for name in quantities}
        self._logit_columns = list(logit_columns)

    @property
    def parameters(self) -> Parameters:
        """The parameters of the best epochs."""
        return self.states[0]

    def figures(self) -> dict[str, Tensor]:
        """Return `epoch`, `loss` and what was measured by name, [R, S]; the epoch is -1 where there is none yet."""
        return {"epoch": self.epoch, "loss": self.loss, **self.quantities}

    def update(self, epoch: int, evaluation: Evaluation, states: Sequence[Parameters], eligible: Tensor) -> None:
        """Keep the networks that are eligible [R, S] and have never had so low a loss; NaN is never low."""
        better = eligible & (evaluation.loss < self.loss)
        self.epoch.masked_fill_(better, epoch)
        self.loss.copy_(evaluation.loss.where(better, self.loss))
        for name, best in self.quantities.items():
            best.copy_(evaluation.quantities[name].where(better, best))
        for kept, state in zip(self.states, states, strict=True):
            _keep(better, kept.shared, state.shared)
            _keep(better[:, self._logit_columns], kept.logits, state.logits)


def _keep(better: Tensor, kept: Sequence[Tensor], current: Sequence[Tensor]) -> None:
    for old, new in zip(kept, current, strict=True):
        old.copy_(new.where(better.view(*better.shape, *[1] * (new.ndim - 2)), old))
