"""The numbers that networks learn, with leading dimensions R (replicates) and S (columns: strategies and controls)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Parameters:
    """What every network learns, selection logits of the selecting ones; or as many gradients or moments."""

    shared: list[Tensor]
    """What networks of all columns have, such as weights and biases: [R, S, …]."""
    logits: list[Tensor]
    """Per site, [R, J, H, K], for the J columns that select."""

    def tensors(self) -> list[Tensor]:
        """Return all tensors in a fixed order."""
        return self.shared + self.logits

    def zeros_like(self) -> Self:
        """Return zeros of the same shapes."""
        return self.map(torch.zeros_like)

    def clone(self) -> Self:
        """Return a copy."""
        return self.map(torch.clone)

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Apply a function to every tensor."""
        return type(self)([function(tensor) for tensor in self.shared], [function(tensor) for tensor in self.logits])

    def columns(self, columns: Sequence[int], selecting: Sequence[int]) -> Self:
        """Return copies of some columns: of what is shared by their S index, of logits by their J index."""
        return type(self)(
            [tensor[:, list(columns)] for tensor in self.shared], [logit[:, list(selecting)] for logit in self.logits]
        )
