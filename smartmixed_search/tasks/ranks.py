"""The area under the receiver operating characteristic, exact with ties: by whole numbers of pairs (Hanley 1982)."""

import torch
from torch import Tensor


def area_under_curve(scores: Tensor, positive: Tensor) -> Tensor:
    """Return the share of pairs, a positive and a negative one, of which the positive scores higher; ties count half.

    Args:
        scores: [..., N].
        positive: which of the examples are, broadcastable to the scores.

    Returns:
        Float64 [...]; NaN where one of the two kinds is missing.

    Example:
        >>> area_under_curve(torch.tensor([0.1, 0.4, 0.4, 0.8]), torch.tensor([False, True, False, True]))
        tensor(0.8750, dtype=torch.float64)
    """
    ordered = scores.sort(-1).values
    below = torch.searchsorted(ordered, scores.contiguous())
    up_to = torch.searchsorted(ordered, scores.contiguous(), right=True)
    positive = positive.expand(scores.shape)
    found = positive.sum(-1)
    twice_ranks = ((below + up_to + 1) * positive).sum(-1)  # midranks, twice: whole numbers
    pairs = found * (positive.shape[-1] - found)
    return (twice_ranks - found * (found + 1)).double() / (2 * pairs)
