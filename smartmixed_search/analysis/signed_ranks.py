"""Wilcoxon's signed-rank test without a jump in its p-value, however many differences there are, tied or zero.

Zeros are ranked with the others and their ranks split evenly (Demšar 2006, section 3.1.3; counted exactly, this is the
test of Pratt 1959, JASA 54, 655–667); equal sizes share their mean rank. Given the sizes, every difference but zero is
as likely to be positive as negative if nothing speaks for either side, so a p-value is a share of the sign patterns.
It is counted exactly. The work grows with the cube of the differences, so that beyond some 500 it is approximated: by
the saddlepoint, to a thousandth of itself wherever it is, as the normal approximation, whose p-value would jump, is
not.
"""

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import norm, rankdata

_MOST_STEPS = 2**26
"""What is counted exactly takes a few tenths of a second at most."""
_MIDDLE = 0.01
"""Standard deviations from the mean within which the saddlepoint's correction, then tiny, is left out: 0/0 there."""


def signed_rank_p(differences: npt.NDArray[np.float64]) -> float:
    """Return the two-sided p-value; 1 where all differences are zero, or none is there.

    Example:
        >>> signed_rank_p(np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))  # 2 of the 2 ** 6 patterns are as extreme
        0.03125

    """
    doubled = np.rint(2 * rankdata(np.abs(differences))).astype("int64")[differences != 0]  # whole: mean ranks end in ½
    positive = differences[differences != 0] > 0
    ranks = doubled // (int(np.gcd.reduce(doubled)) or 1)
    smaller = int(min(ranks[positive].sum(), ranks[~positive].sum()))
    probability = counted_up_to if smaller * len(ranks) <= _MOST_STEPS else approximated_up_to
    return min(1.0, 2 * probability(smaller, ranks))


def counted_up_to(most: int, ranks: npt.NDArray[np.int64]) -> float:
    """Return the probability that the ranks of a random half of the signs add up to at most that much.

    Rank by rank, the probability of every sum (Streitberg and Röhmel 1986, Statistical Software Newsletter 12, 10–17):
    a step per rank and sum. Nothing is subtracted, so a tiny result is as accurate as a large one; below the smallest
    float it is 0.
    """
    sums = np.zeros(most + 1)
    sums[0] = 1
    reached = 1
    for rank in np.sort(ranks):
        reached = min(reached + int(rank), len(sums))
        sums[rank:reached] += sums[: max(reached - rank, 0)]
        sums[:reached] /= 2
    return float(sums.sum())


def approximated_up_to(most: int, ranks: npt.NDArray[np.int64]) -> float:
    """Return nearly what `counted_up_to` does, of many ranks (Lugannani and Rice 1980, Adv. Appl. Prob. 12, 475–490).

    It is of the ranks added up with random signs, a multiple of 2 apart, corrected for that (Daniels 1987, Int. Stat.
    Review 55, 37–48, the second correction).
    """
    distance = float(ranks.sum() - 2 * most - 1)
    if distance <= 0:
        return 0.5
    tilt = float(brentq(lambda tilt: (ranks * np.tanh(tilt * ranks)).sum() - distance, 0, 20))  # tanh(20) is 1
    generated = (np.logaddexp(tilt * ranks, -tilt * ranks) - np.log(2)).sum()
    deviations = float(np.sqrt(max(0.0, 2 * (tilt * distance - generated))))
    variance = (ranks**2 * (1 - np.tanh(tilt * ranks) ** 2)).sum()
    beyond = float(norm.sf(deviations))
    if deviations < _MIDDLE:
        return beyond
    return beyond + float(norm.pdf(deviations)) * float(1 / (np.sinh(tilt) * np.sqrt(variance)) - 1 / deviations)
