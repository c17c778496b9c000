import time

import numpy as np
import pandas as pd
import pytest

from smartmixed_search.analysis.comparison import compare_all, compare_strategies
from smartmixed_search.analysis.conclusion import CAVEAT, FAVOURED
from smartmixed_search.analysis.leaderboard import block_rankings, leaderboard, leaderboard_columns
from smartmixed_search.analysis.margins import MARGINS
from smartmixed_search.analysis.statistics import Friedman, NotEnoughData, mean_interval
from smartmixed_search.errors import ConfigError
from tests.helpers.synthetic import STRATEGIES, make_blocks, make_row, make_rows


def interval_of(differences: list[float]) -> tuple[float, float]:
    found = mean_interval(pd.Series(differences))
    assert not isinstance(found, NotEnoughData)
    return found.low, found.high


# --- known answers ---


def test_a_truly_better_smartmixed_is_found() -> None:
    found = compare_strategies(make_rows(advantage=0.02))
    assert (found.pairs["p_holm"] < 0.05).all()
    assert (found.pairs["p_better"] > 0.99).all()
    assert found.leaderboard["strategy"].iloc[0] == "smartmixed"
    assert "significantly better than elu, leaky_relu, relu, selu, sigmoid, tanh (" in found.conclusion


def test_a_truly_worse_smartmixed_is_found() -> None:
    found = compare_strategies(make_rows(advantage=-0.02))
    assert "significantly worse than elu, leaky_relu, relu, selu, sigmoid, tanh (" in found.conclusion
    assert (found.pairs["p_worse"] > 0.99).all()


def test_no_difference_is_reported_as_none() -> None:
    found = compare_strategies(make_rows(seed=1))
    assert "not shown to differ from elu, leaky_relu, relu, selu, sigmoid, tanh (" in found.conclusion
    assert (found.pairs["p_equal"] > 0.99).all()


@pytest.mark.slow
def test_differences_are_seldom_found_where_there_are_none() -> None:
    strategies = STRATEGIES[:3]
    found = [compare_strategies(make_rows(18, strategies=strategies, seed=seed)) for seed in range(40)]
    pairs = sum(bool((one.pairs["p_holm"] < 0.05).any()) for one in found)
    omnibus = sum(one.friedman.f_p < 0.05 for one in found if isinstance(one.friedman, Friedman))
    assert pairs <= 5, omnibus
    assert omnibus <= 5, pairs


def test_mean_margin_is_the_true_advantage_over_the_single_best() -> None:
    found = compare_strategies(make_rows(60, advantage=0.01)).mean_margins.set_index("margin").loc["single"]
    assert found["low"] < 0.01 < found["high"]
    assert found["high"] - found["low"] < 0.003


def test_strategies_tied_everywhere_share_the_first_place_and_do_not_differ() -> None:
    found = compare_strategies(make_blocks({name: [0.9] * 8 for name in STRATEGIES}))
    assert found.leaderboard["place"].tolist() == [1] * 7
    assert found.pairs[["ties", "p_holm", "p_equal"]].to_numpy().tolist() == [[8, 1, 1]] * 6
    assert isinstance(found.friedman, Friedman)
    assert found.friedman.f_p == 1


# --- blocks ---


def test_blocks_of_a_pair_are_those_that_have_both_and_friedman_s_those_that_have_all() -> None:
    rows = make_rows(20, strategies=STRATEGIES[:3])
    gone = (rows["strategy"] == "relu") & rows["architecture"].isin(["8", "16", "24"])
    gone |= (rows["strategy"] == "smartmixed") & (rows["architecture"] == "32")
    found = compare_strategies(rows[~gone])
    assert found.pairs.set_index("rival")["blocks"].to_dict() == {"relu": 16, "sigmoid": 19}
    assert found.friedman.blocks == 16


def test_an_architecture_counts_once_however_many_trials_it_has() -> None:
    rows = make_rows(10, trials=3)
    found = compare_strategies(rows)
    assert found.pairs["blocks"].tolist() == [10] * 6
    assert len(found.margins) == 10
    pd.testing.assert_frame_equal(found.architectures.drop(columns="confirmed"), block_rankings(rows))


def test_the_default_view_takes_the_trial_at_the_published_setting() -> None:
    rows = make_rows(8, trials=3)
    found, expected = compare_strategies(rows, "default"), compare_strategies(rows[rows["published"]], "default")
    assert found.view == "default"
    pd.testing.assert_frame_equal(found.pairs, expected.pairs)


def test_one_architecture_has_rankings_and_margins_but_no_statistics() -> None:
    found = compare_strategies(make_rows(1, advantage=0.1))
    assert len(found.architectures) == 7
    assert found.margins["margin_oracle"].item() > 0
    assert found.mean_margins["low"].isna().all()
    assert isinstance(found.friedman, NotEnoughData)
    assert "not enough data for significance tests (1 of at least 6 blocks)" in found.conclusion


def test_a_thousand_architectures_take_seconds() -> None:
    rows = make_rows(1000)
    start = time.perf_counter()
    found = compare_strategies(rows)
    assert time.perf_counter() - start < 30  # about five on two idle cores
    assert found.friedman.blocks == 1000


def test_a_diverged_strategy_with_accuracy_zero_loses_its_block_without_leaving_it() -> None:
    found = compare_strategies(make_blocks({"smartmixed": [0.9] * 8, "relu": [0.0, *[0.9] * 7], "elu": [0.8] * 8}))
    relu = found.pairs.set_index("rival").loc["relu"]
    assert relu[["blocks", "wins", "ties"]].tolist() == [8, 1, 7]
    assert relu["mean_difference"] == pytest.approx(0.9 / 8)


def test_the_default_view_without_a_published_trial_has_nothing_to_compare() -> None:
    found = compare_strategies(make_rows(3).assign(published=False), "default")
    assert found.leaderboard.empty
    assert "nothing to compare" in found.conclusion


@pytest.mark.parametrize("strategies", [("smartmixed",), ("relu", "elu", "tanh")])
def test_without_smartmixed_or_a_rival_there_is_nothing_to_compare(strategies: tuple[str, ...]) -> None:
    found = compare_strategies(make_rows(8, strategies=strategies))
    assert found.mean_margins["blocks"].tolist() == [0, 0, 0]
    assert "nothing to compare" in found.conclusion
    assert len(found.leaderboard) == len(strategies)


def test_smartmixed_missing_altogether_is_not_among_friedman_s_strategies() -> None:
    found = compare_strategies(make_rows(8, strategies=("relu", "elu", "tanh")))
    assert isinstance(found.friedman, Friedman)
    assert set(found.friedman.mean_ranks.index) == {"relu", "elu", "tanh"}


# --- controls ---


def test_controls_are_listed_and_change_no_rank_and_no_statistic() -> None:
    rows = make_rows(8)
    control = [make_row(name, "selective", 0.999) for name in rows["architecture"].unique()]
    found, expected = compare_strategies(pd.concat([rows, pd.DataFrame(control)])), compare_strategies(rows)
    assert found.leaderboard["strategy"].iloc[-1] == "selective"
    assert found.leaderboard["place"].isna().tolist() == [False] * 7 + [True]
    pd.testing.assert_frame_equal(found.pairs, expected.pairs)
    pd.testing.assert_frame_equal(found.margins, expected.margins)
    assert found.conclusion == expected.conclusion


def test_smartmixed_is_compared_with_its_controls_apart_from_its_rivals() -> None:
    rows = make_blocks(
        {
            "smartmixed": [0.90, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96],
            "relu": [0.9] * 7,
            "random-mixed": [0.92, 0.92, 0.94, 0.94, 0.96, 0.96, 0.98],  # better by 2, 1, 2, 1, 2, 1, 2 points
            "selective": [0.90, 0.91, 0.92, 0.93, 0.94, 0.95, np.nan],
        }
    )
    found = compare_strategies(rows)
    assert found.pairs["rival"].to_list() == ["relu"]
    random, selective = found.controls.sort_values("rival").to_dict("records")
    assert (random["wins"], random["losses"], selective["ties"], selective["blocks"]) == (0, 7, 6, 6)
    assert random["mean_difference"] == pytest.approx(-11 / 700)
    assert random["p_holm"] == pytest.approx(2 / 2**7)  # all seven signs equal; too few blocks for the other control
    said = "differs by -1.57 points from that of networks with functions drawn at random (95 % interval -1."
    assert said in found.conclusion
    few = compare_strategies(rows[rows["architecture"].isin(["8", "16"])])
    assert "with functions drawn at random, too few architectures for an interval." in few.conclusion


def test_a_control_is_that_of_smartmixed_s_own_trial_confirmed_or_not() -> None:
    trials = [  # SmartMixed's best one by validation is trial 0, the control's is trial 1
        make_row(f"{8 * width}", strategy, accuracy, trial=trial)
        for width in range(1, 8)
        for trial, accuracies in enumerate(
            ({"smartmixed": 0.95, "selective": 0.90}, {"smartmixed": 0.9, "selective": 0.97})
        )
        for strategy, accuracy in accuracies.items()
    ]
    rows = pd.DataFrame(trials)
    (control,) = compare_strategies(rows).controls.to_dict("records")
    assert (control["wins"], control["mean_difference"]) == (7, pytest.approx(0.05))
    again = rows[rows["trial"].isin(["8/0", "16/0"])].assign(replicates=2, confirms=lambda kept: kept["trial"])
    again = again.assign(
        trial="again " + again["trial"], test_accuracy=again["test_accuracy"] - 0.01 * (again["role"] == "ranked")
    )
    (control,) = compare_strategies(rows, confirmed=again).controls.to_dict("records")
    assert (control["wins"], control["mean_difference"]) == (7, pytest.approx((5 * 0.05 + 2 * 0.04) / 7))


def test_controls_without_a_fixed_activation_contradict_nothing() -> None:
    rows = make_blocks({"smartmixed": [0.9], "random-mixed": [0.92]})
    said = compare_strategies(rows).conclusion
    assert "nothing to compare with fixed activations" in said
    assert "SmartMixed's test accuracy differs by -2.00 points from" in said


# --- margins ---


def margins_of_three_blocks() -> pd.DataFrame:
    """Validation prefers relu, elu, relu; the test set elu, elu, relu; over all blocks validation prefers relu."""
    accuracies = {  # (test, validation) by block
        "smartmixed": [(0.90, 0.9), (0.90, 0.9), (0.90, 0.9)],
        "relu": [(0.80, 0.9), (0.70, 0.7), (0.88, 0.9)],
        "elu": [(0.85, 0.8), (0.86, 0.8), (0.60, 0.6)],
    }
    rows = [
        make_row(str(block), strategy, test, val)
        for strategy, cells in accuracies.items()
        for block, (test, val) in enumerate(cells)
    ]
    return compare_strategies(pd.DataFrame(rows)).margins


@pytest.mark.parametrize(
    ("kind", "rivals", "margins"),
    [
        ("best_fixed", ["relu", "elu", "relu"], [0.10, 0.04, 0.02]),
        ("oracle", ["elu", "elu", "relu"], [0.05, 0.04, 0.02]),
        ("single", ["relu", "relu", "relu"], [0.10, 0.20, 0.02]),
    ],
)
def test_margins_are_test_accuracies_over_each_kind_of_rival(
    kind: str, rivals: list[str], margins: list[float]
) -> None:
    found = margins_of_three_blocks()
    assert found[kind].tolist() == rivals
    assert found[f"margin_{kind}"].tolist() == pytest.approx(margins)


def test_a_tie_in_validation_is_not_broken_by_the_test_accuracy() -> None:
    rows = [make_row("8", "smartmixed", 0.9), make_row("8", "elu", 0.7, 0.8), make_row("8", "relu", 0.8, 0.8)]
    found = compare_strategies(pd.DataFrame(rows)).margins.iloc[0]
    assert (found["best_fixed"], found["oracle"]) == ("elu", "relu")


def test_a_strategy_missing_from_the_hard_blocks_is_not_the_single_best() -> None:
    rows = make_blocks({"smartmixed": [0.9, 0.6], "relu": [0.8, 0.5], "elu": [0.85, np.nan]})
    assert compare_strategies(rows).margins["single"].tolist() == ["relu", "relu"]


def test_a_block_without_smartmixed_has_no_margin_and_no_part_in_the_mean() -> None:
    rows = make_blocks({"smartmixed": [np.nan, *[0.9] * 7], "relu": [0.8] * 8})
    found = compare_strategies(rows)
    assert found.margins["margin_best_fixed"].isna().sum() == 1
    assert found.mean_margins[["blocks", "mean"]].to_numpy().tolist() == [[7, pytest.approx(0.1)]] * 3


def test_mean_margins_have_bootstrap_intervals_over_blocks() -> None:
    found = compare_strategies(make_rows())
    for kind, low, high in found.mean_margins[["margin", "low", "high"]].itertuples(index=False):
        assert (low, high) == interval_of(found.margins[f"margin_{kind}"].tolist())
    assert found.mean_margins["margin"].tolist() == list(MARGINS)


# --- frames and words ---


def test_leaderboard_is_the_ranking_s_without_standard_deviations_in_the_rows() -> None:
    rows = make_rows(8)
    found = compare_strategies(rows).leaderboard
    pd.testing.assert_frame_equal(found[leaderboard_columns()], leaderboard(rows))
    assert found["test_accuracy_std"].isna().all()


def test_leaderboard_pools_standard_deviations_over_blocks() -> None:
    rows = make_rows(2, strategies=("smartmixed", "relu"))
    rows["test_accuracy_std"] = rows["architecture"].map({"8": 0.03, "16": 0.04})
    found = compare_strategies(rows).leaderboard
    assert found["test_accuracy_std"].tolist() == pytest.approx([(0.0009 / 2 + 0.0016 / 2) ** 0.5] * 2)


def test_conclusion_gives_the_effect_with_its_interval_and_ends_with_the_caveat() -> None:
    found = compare_strategies(make_rows(advantage=0.02))
    margin = found.mean_margins.iloc[0]
    words = f"{100 * margin['mean']:+.2f} points on average"
    assert words in found.conclusion
    assert f"(95 % interval {100 * margin['low']:+.2f} to {100 * margin['high']:+.2f})" in found.conclusion
    assert found.conclusion.endswith(CAVEAT)


def test_a_notebook_shows_conclusions_and_leaderboards_and_a_console_no_raw_tables() -> None:
    found = compare_all(pd.concat([make_rows(3), make_rows(3).assign(dataset="<digits>")]))
    shown = found._repr_html_()
    assert shown.count("<table") == 2
    assert shown.index("On &lt;digits&gt; SmartMixed has mean rank") < shown.index("On mnist SmartMixed has mean rank")
    assert repr(found[1]) == f"<Comparison on mnist, tuned view: {found[1].conclusion}>"
    assert "nothing to compare" in compare_all(make_rows(1)[:0])._repr_html_()


def test_order_of_the_rows_changes_nothing() -> None:
    rows = make_rows(8, trials=2)
    found, shuffled = compare_strategies(rows), compare_strategies(rows.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(found.pairs, shuffled.pairs)
    assert found.conclusion == shuffled.conclusion


def test_each_dataset_is_compared_apart() -> None:
    other = make_rows(8, seed=1).assign(dataset="digits")
    found = compare_all(pd.concat([make_rows(8), other]))
    assert [one.dataset for one in found] == ["digits", "mnist"]
    pd.testing.assert_frame_equal(found[0].pairs, compare_strategies(other).pairs)


def test_data_of_one_name_are_compared_apart_and_told_apart_by_their_checksums() -> None:
    hard, easy = make_rows(8).assign(checksum="3f2a9188"), make_rows(8, advantage=0.1).assign(checksum="77c0ffee")
    found = compare_all(pd.concat([easy, hard]), joint=[("mnist", "77c0ffee")])
    assert [one.dataset for one in found] == ["mnist (3f2a91)", "mnist (77c0ff)"]
    assert [one.conclusion.split(" SmartMixed has")[0] for one in found] == ["On mnist (3f2a91)", "On mnist (77c0ff)"]
    assert [FAVOURED in one.conclusion for one in found] == [False, True]
    pd.testing.assert_frame_equal(found[1].pairs, compare_strategies(easy).pairs)
    with pytest.raises(ValueError, match=r"one dataset, but got mnist \(3f2a91\), mnist \(77c0ff\)"):
        compare_strategies(pd.concat([easy, hard]))


def test_what_confirms_trials_of_equal_keys_on_other_data_of_that_name_does_not_count() -> None:
    rows = make_rows(8).assign(checksum="c1", test_accuracy_at_handoff=0.5)
    again = rows.assign(checksum="c2", confirms=rows["trial"], replicates=9, test_accuracy_at_handoff=0.1)
    found, expected = compare_strategies(rows, confirmed=again), compare_strategies(rows)
    assert not found.architectures["confirmed"].any()
    assert found.conclusion == expected.conclusion
    pd.testing.assert_frame_equal(found.phases, expected.phases)
    assert compare_strategies(rows, confirmed=again.assign(checksum="c1")).architectures["confirmed"].all()


def test_a_conclusion_on_selections_that_did_not_take_place_begins_with_that() -> None:
    rows = make_rows(8)
    said = compare_strategies(rows.assign(choice_confidence=0.17)).conclusion
    assert said.startswith(
        "On mnist SmartMixed's selection has not converged: mean choice confidence is 0.17, below 0.5"
    )
    assert compare_strategies(rows.assign(choice_confidence=0.6)).conclusion.startswith("On mnist SmartMixed has mean")


@pytest.mark.parametrize(
    ("low", "unconverged", "said"),
    [
        ([], 0, None),
        (
            ["8"],
            1,
            "In 1 of 6 architectures SmartMixed's selection has not converged (choice confidence below 0.5), so",
        ),
        (["8", "16"], 2, "In 2 of 6 architectures"),
    ],
)
def test_architectures_without_a_converged_selection_are_counted(
    low: list[str], unconverged: int, said: str | None
) -> None:
    rows = make_rows(6)
    rows["choice_confidence"] = np.where(rows["architecture"].isin(low), 0.4, 0.9)
    found = compare_strategies(rows)
    assert found.selection_converged
    assert found.unconverged == unconverged
    assert found.conclusion.startswith("On mnist SmartMixed has mean rank")
    assert (f" {said} " in found.conclusion) if said else ("converged" not in found.conclusion)


def test_unknown_confidences_are_not_counted_as_unconverged() -> None:
    found = compare_strategies(make_rows(6).assign(choice_confidence=float("nan")))
    assert (found.selection_converged, found.unconverged, found.partly_unconverged) == (None, 0, None)


def test_a_difference_that_rounds_to_zero_has_no_minus_sign() -> None:
    rows = make_blocks({"smartmixed": [0.9], "relu": [0.9]})
    rows.loc[rows["strategy"] == "smartmixed", "test_accuracy"] -= 1e-6
    assert "differs by +0.00 points" in compare_strategies(rows).conclusion


def test_datasets_are_never_mixed() -> None:
    rows = pd.concat([make_rows(2), make_rows(2).assign(dataset="digits")])
    with pytest.raises(ValueError, match="one dataset, but got digits, mnist"):
        compare_strategies(rows)


def test_an_unknown_view_is_refused() -> None:
    with pytest.raises(ConfigError, match="tuned, default"):
        compare_strategies(make_rows(2), "tunned")


def test_architectures_of_a_joint_search_are_said_to_be_no_fair_sample() -> None:
    rows = make_rows(3)
    (plain,), (joint,) = compare_all(rows), compare_all(rows, joint=[("mnist", "")])
    assert FAVOURED not in plain.conclusion
    assert FAVOURED in joint.conclusion
