"""Wilcoxon's signed-rank test, counted exactly however many differences there are, tied or zero.

Zeros are ranked with the others and their ranks split evenly (Demšar 2006, section 3.1.3; counted exactly, this is the
test of Pratt 1959, JASA 54, 655–667); equal sizes share their mean rank. Given the sizes, every difference but zero is
as likely to be positive as negative if nothing speaks for either side, so a p-value is a share of the sign patterns.
Approximations are good where there is much data, but begin at some number of differences, and the p-value jumps there.
"""

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata


def signed_rank_p(differences: npt.NDArray[np.float64]) -> float:
    """Return the two-sided p-value; 1 where all differences are zero, or none is there.

    Example:
        >>> signed_rank_p(np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))  # 2 of the 2 ** 6 patterns are as extreme
        0.03125

    """
    doubled = np.rint(2 * rankdata(np.abs(differences))).astype("int64")[differences != 0]  # whole: mean ranks end in ½
    positive = differences[differences != 0] > 0
    smaller = min(doubled[positive].sum(), doubled[~positive].sum())
    return min(1.0, 2 * _probability_up_to(smaller, doubled))


def _probability_up_to(most: int, ranks: npt.NDArray[np.int64]) -> float:
    """Return the probability that the ranks of a random half of the signs add up to at most so much.

    Rank by rank, the probability of every sum (Streitberg and Röhmel 1986, Statistical Software Newsletter 12, 10–17):
    a step per rank and sum. Nothing is subtracted, so a tiny result is as accurate as a large one; below the smallest
    float it is 0.
    """
    step = int(np.gcd.reduce(ranks)) or 1
    sums = np.zeros(int(most) // step + 1)
    sums[0] = 1
    reached = 1
    for rank in np.sort(ranks // step):
        reached = min(reached + int(rank), len(sums))
        sums[rank:reached] += sums[: max(reached - rank, 0)]
        sums[:reached] /= 2
    return float(sums.sum())
