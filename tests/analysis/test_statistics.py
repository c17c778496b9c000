from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from smartmixed_search.analysis.signed_ranks import signed_rank_p
from smartmixed_search.analysis.statistics import (
    PAIR_COLUMNS,
    Friedman,
    Interval,
    NotEnoughData,
    bayesian_signed_rank,
    friedman,
    mean_interval,
    pairs,
    signed_rank_posterior,
)

DEMSAR_TABLE_6 = pd.DataFrame(
    [
        [0.763, 0.768, 0.771, 0.798],  # adult (sample)
        [0.599, 0.591, 0.590, 0.569],  # breast cancer
        [0.954, 0.971, 0.968, 0.967],  # breast cancer wisconsin
        [0.628, 0.661, 0.654, 0.657],  # cmc
        [0.882, 0.888, 0.886, 0.898],  # ionosphere
        [0.936, 0.931, 0.916, 0.931],  # iris
        [0.661, 0.668, 0.609, 0.685],  # liver disorders
        [0.583, 0.583, 0.563, 0.625],  # lung cancer
        [0.775, 0.838, 0.866, 0.875],  # lymphography
        [1.000, 1.000, 1.000, 1.000],  # mushroom
        [0.940, 0.962, 0.965, 0.962],  # primary tumor
        [0.619, 0.666, 0.614, 0.669],  # rheum
        [0.972, 0.981, 0.9752, 0.975],  # voting: printed as 0.975 twice, yet with the ranks 2 and 3
        [0.957, 0.978, 0.946, 0.970],  # wine
    ],
    columns=["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"],
)


def friedman_of(scores: pd.DataFrame) -> Friedman:
    found = friedman(scores)
    assert isinstance(found, Friedman), found
    return found


def interval(differences: list[float] | np.ndarray) -> Interval:
    found = mean_interval(pd.Series(differences))
    assert isinstance(found, Interval), found
    return found


def table(blocks: int, strategies: int = 5, seed: int = 0, effect: float = 0.0) -> pd.DataFrame:
    values = np.random.default_rng(seed).normal(0.9, 0.01, (blocks, strategies))
    names = ["smartmixed", *"abcdefgh"[: strategies - 1]]
    return pd.DataFrame(values, columns=names) + effect * (np.arange(strategies) == 0)


# --- Friedman and Nemenyi ---


def test_mean_ranks_of_demsar_s_example() -> None:
    ranks = friedman_of(DEMSAR_TABLE_6).mean_ranks
    assert list(ranks.index) == ["C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"]
    assert [f"{rank:.3f}" for rank in ranks] == ["1.964", "2.000", "2.893", "3.143"]


def test_friedman_and_iman_davenport_of_demsar_s_example() -> None:
    found = friedman_of(DEMSAR_TABLE_6)
    assert (f"{found.chi2:.2f}", f"{found.f:.2f}") == ("9.28", "3.69")


def test_iman_davenport_rejects_in_demsar_s_example_as_its_critical_value_does() -> None:
    found = friedman_of(DEMSAR_TABLE_6)
    assert f"{stats.f.isf(0.05, 3, 39):.2f}" == "2.85"
    assert found.f_p == pytest.approx(stats.f.sf(found.f, 3, 39))
    assert found.f_p < 0.05


def test_critical_difference_of_demsar_s_example() -> None:
    assert f"{friedman_of(DEMSAR_TABLE_6).critical_difference:.2f}" == "1.25"


def test_friedman_agrees_with_scipy_without_ties() -> None:
    scores = table(20)
    found, expected = friedman_of(scores), stats.friedmanchisquare(*scores.to_numpy().T)
    assert (found.chi2, found.chi2_p) == pytest.approx((expected.statistic, expected.pvalue))


def test_pairs_further_apart_than_the_critical_difference_are_those_of_a_small_nemenyi_p_value() -> None:
    scores = table(20).add([0.03, 0.02, 0.01, 0.0, 0.0])
    found = friedman_of(scores)
    ranks = found.mean_ranks.reindex(scores.columns).to_numpy()
    apart = np.abs(ranks[:, None] - ranks) >= found.critical_difference
    assert apart.any()
    assert not apart.all()
    np.testing.assert_array_equal(found.nemenyi.to_numpy() < 0.05, apart)


def test_groups_are_the_largest_runs_within_the_critical_difference() -> None:
    scores = table(40, 6, effect=0.1).add([0, 0, 0.008, 0.016, 0.024, 0.032])
    found = friedman_of(scores)
    names, ranks = list(found.mean_ranks.index), found.mean_ranks
    assert names[0] == "smartmixed"
    assert len(found.groups) > 1
    for group in found.groups:
        first, last = names.index(group[0]), names.index(group[-1])
        assert list(group) == names[first : last + 1]
        assert ranks[group[-1]] - ranks[group[0]] < found.critical_difference
        for wider in (names[max(first - 1, 0)], group[-1]), (group[0], names[min(last + 1, 5)]):
            assert wider == (group[0], group[-1]) or ranks[wider[1]] - ranks[wider[0]] >= found.critical_difference
    assert all(not set(one) <= set(other) for one, other in pairwise(found.groups))


def test_strategies_equal_everywhere_are_one_group_without_a_difference() -> None:
    found = friedman_of(pd.DataFrame(0.5, index=range(8), columns=list("abc")))
    assert (found.chi2, found.f, found.f_p, found.groups) == (0, 0, 1, (("a", "b", "c"),))


def test_equal_rankings_in_all_blocks_are_the_strongest_evidence() -> None:
    found = friedman_of(pd.DataFrame([[0.9, 0.8, 0.7]] * 8, columns=list("abc")))
    assert (found.chi2, found.f, found.f_p) == (16, np.inf, 0)


def test_friedman_uses_complete_blocks_and_says_how_many() -> None:
    scores = table(20)
    scores.iloc[:3, 1] = np.nan
    assert friedman_of(scores).blocks == 17
    assert friedman_of(scores).chi2 == friedman_of(scores.iloc[3:]).chi2


def test_accuracies_that_differ_in_the_last_bit_are_tied() -> None:
    scores = pd.DataFrame({"a": [0.1 + 0.2] * 8, "b": [0.3] * 8, "c": [0.2] * 8})
    assert friedman_of(scores).mean_ranks.to_dict() == {"a": 1.5, "b": 1.5, "c": 3}


@pytest.mark.parametrize(
    ("blocks", "strategies", "reason"), [(5, 4, "5 of at least 6"), (9, 2, "at least 3 strategies")]
)
def test_friedman_wants_enough_blocks_and_strategies(blocks: int, strategies: int, reason: str) -> None:
    found = friedman(table(blocks, strategies))
    assert isinstance(found, NotEnoughData)
    assert found.blocks == blocks
    assert reason in found.reason


# --- intervals ---


def test_interval_is_scipy_s_bca_of_the_differences() -> None:
    differences = np.random.default_rng(1).exponential(0.02, 18)  # skewed, or BCa would do little
    expected = stats.bootstrap((differences,), np.mean, rng=np.random.default_rng(0)).confidence_interval
    found = interval(differences)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert (found.blocks, found.mean) == (18, pytest.approx(differences.mean()))


def test_interval_is_the_same_every_time() -> None:
    differences = table(18)["a"]
    assert mean_interval(differences) == mean_interval(differences)
    assert mean_interval(differences) != mean_interval(differences, seed=1)


def test_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    covered = [found.low <= 0.01 <= found.high for found in (interval(rng.normal(0.01, 0.02, 18)) for _ in range(100))]
    assert 88 <= sum(covered) <= 99


@pytest.mark.parametrize("constant", [0.0, 0.01])
def test_interval_of_a_constant_is_that_constant(constant: float) -> None:
    assert interval([constant] * 8) == Interval(8, constant, constant, constant)


def test_interval_wants_six_blocks_and_does_not_count_missing_ones() -> None:
    found = mean_interval(pd.Series([0.1, 0.2, 0.3, 0.4, 0.5, np.nan]))
    assert found == NotEnoughData(5, "5 of at least 6 blocks")


# --- Wilcoxon and Holm ---


def test_p_values_are_scipy_s_signed_rank_test_of_each_rival() -> None:
    scores = table(18, effect=0.005)
    expected = [stats.wilcoxon(scores["smartmixed"], scores[name]).pvalue for name in "abcd"]
    assert pairs(scores)["p"].tolist() == pytest.approx(expected)


def test_p_values_are_corrected_by_holm() -> None:
    found = pairs(table(18, effect=0.012).add([0, 0, 0.003, 0.004, 0.006])).sort_values("p")
    expected = np.minimum(1, np.maximum.accumulate(found["p"].to_numpy() * [4, 3, 2, 1]))
    assert found["p_holm"].tolist() == pytest.approx(expected.tolist())


def test_zero_differences_split_their_ranks() -> None:
    scores = table(20, 2, effect=0.005).round(2)
    assert (scores["smartmixed"] == scores["a"]).any()
    differences = (scores["smartmixed"] - scores["a"]).round(9)
    found = pairs(scores)["p"].item()
    assert found == signed_rank_p(differences.to_numpy())
    assert found != pytest.approx(signed_rank_p(differences[differences != 0].to_numpy()), rel=0.1)


def test_equal_strategies_are_tied_everywhere_with_no_evidence_of_a_difference() -> None:
    scores = table(18, 2).assign(a=lambda given: given["smartmixed"])
    found = pairs(scores).iloc[0]
    assert (found["ties"], found["p_holm"], found["p_equal"], found["low"], found["high"]) == (18, 1, 1, 0, 0)


def test_one_more_win_is_stronger_evidence() -> None:
    wins = np.linspace(0.01, 0.02, 52)
    found = [pairs(pd.DataFrame({"smartmixed": 0.9 + wins[:n], "a": 0.9}))["p"].item() for n in (13, 14, 50, 51, 52)]
    assert all(more < fewer for fewer, more in pairwise(found))


def test_wins_ties_and_losses_are_of_the_reference() -> None:
    scores = pd.DataFrame({"smartmixed": [0.3, 0.3, 0.3, 0.3], "a": [0.1, 0.1 + 0.2, 0.4, 0.2]})
    assert pairs(scores)[["blocks", "wins", "ties", "losses"]].iloc[0].tolist() == [4, 2, 1, 1]


def test_a_rival_is_compared_over_the_blocks_that_have_both() -> None:
    scores = table(18)
    scores.iloc[:4, 1] = np.nan
    found = pairs(scores).set_index("rival")
    assert found["blocks"].to_dict() == {"a": 14, "b": 18, "c": 18, "d": 18}
    assert found.loc["a", "p"] == pytest.approx(stats.wilcoxon(*scores.iloc[4:, :2].to_numpy().T).pvalue)


def test_below_six_blocks_there_is_a_reason_and_no_statistic_but_the_mean() -> None:
    found = pairs(table(5, effect=0.1)).iloc[0]
    assert found["reason"] == "5 of at least 6 blocks"
    assert found["mean_difference"] > 0.05
    assert found[PAIR_COLUMNS[6:-1]].isna().all()


@pytest.mark.parametrize(("blocks", "possible"), [(7, False), (8, True)])
def test_no_p_value_where_even_a_win_in_every_block_could_not_be_significant(blocks: int, possible: bool) -> None:
    found = pairs(table(blocks, 7, effect=0.5))
    assert found["p_better"].min() > 0.99
    assert found["p"].notna().all() == possible == (found["p_holm"] < 0.05).all()
    assert found["reason"].isna().all() == possible


def test_without_a_rival_there_is_an_empty_table() -> None:
    found = pairs(table(8, 1))
    assert list(found.columns) == PAIR_COLUMNS
    assert found.empty


@pytest.mark.slow
def test_false_positives_among_equal_strategies_are_as_rare_as_the_level_says() -> None:
    rejected = [bool((pairs(table(18, 3, seed=seed))["p_holm"] < 0.05).any()) for seed in range(40)]
    assert sum(rejected) <= 5


# --- the Bayesian signed-rank test ---


THOUSANDTHS = np.array([12, 4, -3, 10, 6, 1, -8, 15, 5, 9, -1, 3])
"""Differences whose pairs lie above, within, below and on the edge of a rope of 5; whole numbers add exactly."""


@pytest.mark.parametrize("rope", [0, 5])
def test_posterior_is_the_published_sum_over_all_pairs(rope: int) -> None:
    weights = np.random.default_rng(7).dirichlet([0.5] + [1] * 12, 50)
    sums = np.add.outer([0, *THOUSANDTHS], [0, *THOUSANDTHS])
    above, below = (np.heaviside(side * sums - 2 * rope, 0.5) for side in (1, -1))
    expected = np.stack([np.einsum("di,ij,dj->d", weights, region, weights) for region in (above, below)], axis=1)
    found = signed_rank_posterior(THOUSANDTHS / 1000, weights, rope / 1000)
    np.testing.assert_allclose(found[:, [0, 2]], expected, atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_probabilities_are_baycomp_s() -> None:
    """Pinned from `SignedRankTest.probs(0, THOUSANDTHS, 5, nsamples=200000, random_state=1)` of baycomp 1.0.3."""
    assert bayesian_signed_rank(THOUSANDTHS / 1000, rope=0.005) == pytest.approx((0.355, 0.645, 0.000), abs=0.015)


@pytest.mark.parametrize(("shift", "region"), [(0.02, 0), (0.0, 1), (-0.02, 2)])
def test_probability_goes_to_the_region_of_the_differences(shift: float, region: int) -> None:
    differences = shift + np.random.default_rng(4).normal(0, 0.001, 18)
    assert bayesian_signed_rank(differences)[region] > 0.99


def test_probabilities_sum_to_one_and_do_not_change() -> None:
    differences = table(18)["a"].to_numpy() - 0.9
    assert sum(bayesian_signed_rank(differences)) == pytest.approx(1)
    assert bayesian_signed_rank(differences) == bayesian_signed_rank(differences)


@pytest.mark.parametrize("blocks", [6, 18, 101])
def test_without_a_rope_equality_everywhere_favours_neither_side(blocks: int) -> None:
    assert bayesian_signed_rank(np.zeros(blocks), rope=0) == (0.5, 0, 0.5)


def test_without_a_rope_opposite_differences_have_opposite_probabilities() -> None:
    differences = np.array([0.02, 0.01, 0.0, 0.0, 0.0, -0.01, 0.03])
    above, within, below = bayesian_signed_rank(differences, rope=0)
    assert within == 0
    assert bayesian_signed_rank(-differences, rope=0) == pytest.approx((below, 0, above), abs=0.02)
