"""Everything that compares follows the metric: its direction, its columns, its ties, and what it leaves undefined."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from smartmixed_search.analysis.comparison import Comparison, compare_strategies
from smartmixed_search.analysis.effects import paired_effects, trial_measures
from smartmixed_search.analysis.leaderboard import block_rankings, leaderboard
from smartmixed_search.analysis.scale import Scale
from smartmixed_search.tasks.metric import RMSE, TARGET, Metric
from tests.helpers.synthetic import make_row, make_rows

SCORE = Metric(name="score", label="score", direction="max", unit=TARGET)
MISS = replace(SCORE, name="miss", label="miss", direction="min")
"""The score with its sign turned: everything about the two must be the same but that sign."""
SPLITS = ("val_{}", "test_{}", "test_{}_at_handoff", "phase1_test_{}_argmax", "phase1_test_{}_sampled")


def mirrored(architectures: int, trials: int = 1, seed: int = 0) -> pd.DataFrame:
    """Rows with a score that has ties and gaps, and a miss that is its negative."""
    rows = make_rows(architectures, trials=trials, seed=seed).drop(columns=["val_correct", "test_correct"])
    rng = np.random.default_rng(seed)
    for column in SPLITS:
        values = rng.integers(-20, 20, len(rows)) / 8
        values[rng.random(len(rows)) < 0.05] = np.nan
        rows = rows.assign(**{column.format("score"): values, column.format("miss"): -values})
    return rows


def told(found: Comparison) -> dict[str, pd.DataFrame]:
    """The tables of a comparison whose figures have no metric in their columns' names."""
    names = ["mean_rank", "mrr", "wins", "top3_rate", "blocks", "draws"]
    return {
        "pairs": found.pairs,
        "margins": found.margins,
        "mean_margins": found.mean_margins,
        "phases": found.phases,
        "mean_phases": found.mean_phases,
        "ranks": found.leaderboard.set_index("strategy")[names],
        "chosen": found.architectures[["architecture", "strategy", "trial", "rank", "rank_mean", "win"]],
    }


@examples(deadline=None, max_examples=12)
@given(seed=st.integers(0, 10_000), architectures=st.integers(1, 8), trials=st.integers(1, 2))
def test_turning_the_sign_and_the_direction_changes_nothing_else(seed: int, architectures: int, trials: int) -> None:
    rows = mirrored(architectures, trials, seed)
    score, miss = (compare_strategies(rows, scale=Scale(metric=one, deviation=10.0)) for one in (SCORE, MISS))
    for name, table in told(score).items():
        pd.testing.assert_frame_equal(told(miss)[name], table, obj=name)
    values = score.leaderboard["test_score"].to_numpy()
    np.testing.assert_array_equal(-miss.leaderboard["test_miss"].to_numpy(), values)
    assert repr(miss.friedman) == repr(score.friedman)


def test_effects_turn_with_the_direction() -> None:
    rows = mirrored(6, 2).dropna().assign(choice_confidence=0.7)
    parts = {name: name.split("/") for name in rows["trial"].unique()}
    settings = pd.DataFrame.from_dict(parts, orient="index", columns=["architecture", "handoff"])
    score, miss = (
        paired_effects(settings, trial_measures(rows, one), one).drop(columns="measure") for one in (SCORE, MISS)
    )
    assert len(score)
    pd.testing.assert_frame_equal(miss, score)


def errors() -> pd.DataFrame:
    """Two architectures, worked by hand: errors of validation and test."""
    cells = [  # architecture, trial, strategy, validation, test
        ("8", 0, "smartmixed", 3.0, 2.5),
        ("8", 1, "smartmixed", 2.0, 4.0),  # the best by validation, whatever the test says
        ("8", 0, "relu", 2.5, 4.0),
        ("8", 0, "elu", 2.4, 5.0),
        ("8", 0, "tanh", np.nan, np.nan),  # diverged
        ("16", 0, "smartmixed", 1.0, 1.0),
        ("16", 0, "relu", 1.5, 1.5),
        ("16", 0, "elu", 1.1, 3.0),
        ("16", 0, "tanh", 9.0, 9.0),
    ]
    rows = [
        make_row(architecture, strategy, 0.5, trial=trial) | {"val_rmse": val, "test_rmse": test}
        for architecture, trial, strategy, val, test in cells
    ]
    return pd.DataFrame(rows).drop(columns=["val_correct", "test_correct", "val_accuracy", "test_accuracy"])


def test_ranks_of_errors_are_those_worked_by_hand() -> None:
    found = block_rankings(errors(), metric=RMSE).set_index(["architecture", "strategy"])
    ranks = {
        ("8", "smartmixed"): (1, 1.5, 0.5),
        ("8", "relu"): (1, 1.5, 0.5),
        ("8", "elu"): (3, 3, 0),
        ("8", "tanh"): (4, 4, 0),
        ("16", "smartmixed"): (1, 1, 1),
        ("16", "relu"): (2, 2, 0),
        ("16", "elu"): (3, 3, 0),
        ("16", "tanh"): (4, 4, 0),
    }
    assert {pair: tuple(row) for pair, row in found[["rank", "rank_mean", "win"]].T.items()} == ranks
    assert found.loc[("8", "smartmixed"), "trial"] == "8/1"


def test_a_leaderboard_of_errors_has_the_smallest_first_and_means_of_what_is_known() -> None:
    board = leaderboard(errors(), metric=RMSE).set_index("strategy")
    assert board["mean_rank"].to_dict() == {"smartmixed": 1.25, "relu": 1.75, "elu": 3, "tanh": 4}
    assert board["test_rmse"].to_dict() == {"smartmixed": 2.5, "relu": 2.75, "elu": 4, "tanh": 9}


def test_margins_of_errors_are_gains_over_the_rival_of_smallest_error() -> None:
    found = compare_strategies(errors(), metric=RMSE).margins.set_index("architecture")
    assert found[["best_fixed", "oracle", "single"]].loc["8"].to_list() == ["elu", "relu", "elu"]
    assert found["margin_best_fixed"].to_dict() == {"8": 1, "16": 2}
    assert found["margin_oracle"].to_dict() == {"8": 0, "16": 0.5}


def test_a_conclusion_on_errors_says_nothing_of_accuracy() -> None:
    said = compare_strategies(errors(), scale=Scale(metric=RMSE, deviation=77.0)).conclusion
    assert "Its gain in test RMSE over the best fixed activation of the architecture, chosen by validation, is " in said
    assert "+1.50 in the target's unit on average, too few architectures for an interval." in said
    assert "A positive gain is a lower RMSE, so better." in said
    assert "Test RMSE is missing for 1 of 8 pairs of architecture and strategy (a network diverged" in said
    assert not [word for word in ("accuracy", "points", "%") if word in said]


def test_where_a_metric_is_undefined_for_all_nobody_is_ranked() -> None:
    rows = errors()
    rows.loc[rows["architecture"] == "8", ["val_rmse", "test_rmse"]] = np.nan
    found = block_rankings(rows, metric=RMSE)
    assert found.loc[found["architecture"] == "8", "rank"].isna().all()
    board = leaderboard(rows, metric=RMSE).set_index("strategy")
    assert board["mean_rank"].to_dict() == {"smartmixed": 1, "relu": 2, "elu": 3, "tanh": 4}
    assert compare_strategies(rows, metric=RMSE).undefined == 4


def test_a_metric_that_is_undefined_everywhere_compares_nothing() -> None:
    rows = errors().assign(val_rmse=np.nan, test_rmse=np.nan)
    found = compare_strategies(rows, metric=RMSE)
    assert found.leaderboard["place"].isna().all()
    assert found.pairs["blocks"].tolist() == [0, 0, 0]


def test_differences_within_the_region_of_a_metric_are_equal_in_practice() -> None:
    rows = make_rows(8, strategies=("smartmixed", "relu")).drop(columns=["val_correct", "test_correct"])
    rows = rows.assign(test_rmse=np.where(rows["strategy"] == "relu", 10.0, 10.1), val_rmse=10.0)
    wide, narrow = (
        compare_strategies(rows, scale=Scale(metric=RMSE, deviation=deviation)).pairs for deviation in (100.0, 1.0)
    )
    assert (wide["p_equal"].item(), narrow["p_worse"].item()) == pytest.approx((1, 1), abs=0.01)


def test_a_strategy_of_which_a_replicate_diverged_ranks_after_those_of_which_none_did() -> None:
    rows = errors().assign(test_rmse_lacking=0.0, val_rmse_lacking=0.0)
    rows.loc[(rows["architecture"] == "16") & (rows["strategy"] == "relu"), "test_rmse_lacking"] = 1
    found = block_rankings(rows, metric=RMSE).set_index(["architecture", "strategy"])["rank"]
    assert found.loc["16"].to_dict() == {"smartmixed": 1, "elu": 2, "tanh": 3, "relu": 4}
    assert leaderboard(rows, metric=RMSE).set_index("strategy")["mean_rank"]["relu"] == 2.75
    compared = compare_strategies(rows, metric=RMSE)
    assert compared.pairs.set_index("rival")["blocks"].to_dict() == {"elu": 2, "relu": 1, "tanh": 1}
    assert compared.undefined == 2
