from collections.abc import Callable
from itertools import product
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from smartmixed_search.analysis.signed_ranks import approximated_up_to, counted_up_to, signed_rank_p

SIZES = st.lists(st.integers(0, 5), min_size=1, max_size=8)
"""Sizes of differences with many ties and zeros."""
SOME = settings(max_examples=40, deadline=None)


def enumerated(differences: np.ndarray) -> float:
    """The p-value by its definition: every pattern of signs, whose statistic is as far from the middle or farther."""
    ranks = stats.rankdata(np.abs(differences))
    signs = np.array(list(product((-1, 1), repeat=len(ranks))))
    distances = np.abs((np.where(differences == 0, 0, signs) * ranks).sum(axis=1))
    return float((distances >= abs((np.sign(differences) * ranks).sum())).mean())


def test_without_ties_it_is_the_tabulated_distribution() -> None:
    rng = np.random.default_rng(0)
    for n in range(1, 51):
        differences = rng.normal(0.4, 1, n)
        assert signed_rank_p(differences) == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue)


@SOME
@given(SIZES, st.randoms(use_true_random=False))
def test_with_ties_and_zeros_it_is_the_share_of_the_sign_patterns(sizes: list[int], random: Random) -> None:
    differences = np.array([size * random.choice((-1, 1)) for size in sizes], dtype="float64")
    assert signed_rank_p(differences) == pytest.approx(enumerated(differences))


@SOME
@given(SIZES)
def test_it_errs_no_more_often_than_it_says(sizes: list[int]) -> None:
    patterns = np.array(list(product((-1, 1), repeat=len(sizes)))) * np.array(sizes)
    p_values = np.array([signed_rank_p(pattern.astype("float64")) for pattern in patterns])
    for p in np.unique(p_values):
        assert (p_values <= p + 1e-12).mean() <= p + 1e-12


@pytest.mark.parametrize("sizes", [np.ones, lambda n: np.arange(1.0, n + 1), lambda n: np.arange(n) // 2 + 1.0])
def test_wins_everywhere_are_one_of_two_patterns_however_many(sizes: Callable[[int], np.ndarray]) -> None:
    for n in (1, 13, 14, 50, 51, 200, 1000):
        assert signed_rank_p(sizes(n)) == pytest.approx(2.0 ** (1 - n), rel=1e-9, abs=0)


def test_one_more_win_never_raises_it() -> None:
    tied = np.array([1.0, 1, 2, 2, 2, 3, 3, 4, 4, 5, 5, 5, -1])
    p_values = [signed_rank_p(np.append(tied, [5.0] * more)) for more in range(50)]
    assert p_values == sorted(p_values, reverse=True)


@SOME
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=70), st.integers(0, 69))
def test_a_loss_that_becomes_a_win_never_raises_it_for_the_side_that_leads(values: list[int], place: int) -> None:
    before = np.array(values, dtype="float64")
    ranks = stats.rankdata(np.abs(before))
    if (np.sign(before) * ranks).sum() < 0:
        before = -before
    after = before.copy()
    after[place % len(after)] = abs(after[place % len(after)])
    assert signed_rank_p(after) <= signed_rank_p(before) * (1 + 1e-9)


@pytest.mark.parametrize("differences", [[], [0.0], [0.0] * 30, [1.0, -1.0]])
def test_where_nothing_speaks_for_either_side_it_is_one(differences: list[float]) -> None:
    assert signed_rank_p(np.array(differences)) == 1


def test_many_differences_agree_with_the_normal_approximation() -> None:
    differences = np.random.default_rng(1).normal(0.05, 1, 500).round(1)
    expected = stats.wilcoxon(differences, zero_method="zsplit", method="asymptotic").pvalue
    assert signed_rank_p(differences) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("share", [0, 0.05, 0.2, 0.4, 0.499])
@pytest.mark.parametrize("ranks", [np.arange(1, 401), np.sort(np.arange(400) // 8 * 2 + 1)])
def test_the_approximation_is_what_would_be_counted(ranks: np.ndarray, share: float) -> None:
    most = int((0.1 + 0.8 * share) * ranks.sum())
    assert approximated_up_to(most, ranks) == pytest.approx(counted_up_to(most, ranks), rel=1e-3, abs=0)


def test_thousands_of_differences_take_no_counting() -> None:
    differences = np.random.default_rng(1).normal(0.05, 1, 5000)
    expected = stats.wilcoxon(differences, method="asymptotic").pvalue
    assert signed_rank_p(differences) == pytest.approx(expected, rel=1e-2)
    assert signed_rank_p(np.append(differences, [0.5] * 10)) < signed_rank_p(differences)
    assert signed_rank_p(np.concatenate([differences, -differences])) == 1
