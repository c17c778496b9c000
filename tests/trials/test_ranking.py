from dataclasses import replace

import pandas as pd
import pytest
from scipy.stats import rankdata

from smartmixed_search.analysis.leaderboard import block_rankings, leaderboard, leaderboard_columns
from smartmixed_search.errors import ConfigError
from smartmixed_search.tasks.metric import RMSE
from smartmixed_search.trials.ranking import (
    RANKING_COLUMNS,
    best_fixed,
    best_fixed_strategy,
    best_of_each,
    objective,
    rank_networks,
    value_of,
)
from smartmixed_search.trials.records import NetworkResult
from tests.helpers.factories import diverged_network, make_network, make_result

# --- the ranking of a trial ---


def test_tied_strategies_share_a_rank_and_the_next_one_is_skipped() -> None:
    result = make_result(accuracies={"smartmixed": 0.9, "relu": 0.95, "elu": 0.9, "tanh": 0.8}, replicates=1)
    ranking = rank_networks(result.networks).set_index("strategy")
    assert ranking["rank"].to_dict() == {"relu": 1, "smartmixed": 2, "elu": 2, "tanh": 4}
    assert ranking["rank_mean"].to_dict() == {"relu": 1.0, "smartmixed": 2.5, "elu": 2.5, "tanh": 4.0}


def test_counts_summed_over_replicates_are_tied_where_mean_accuracies_differ_in_the_last_digit() -> None:
    accuracies = {"smartmixed": [0.1, 0.2, 0.3], "relu": [0.3, 0.1, 0.2], "elu": [0.2, 0.2, 0.2]}
    ranking = rank_networks(make_result(accuracies=accuracies, replicates=3).networks)
    assert list(ranking["test_correct"]) == [600, 600, 600]
    assert list(ranking["rank"]) == [1, 1, 1]


def test_ranks_agree_with_scipy_on_the_sums_over_replicates() -> None:
    accuracies = {
        "smartmixed": [0.91, 0.95],
        "relu": [0.95, 0.91],
        "sigmoid": [0.5, 0.6],
        "tanh": [0.7, 0.7],
        "elu": [0.6, 0.8],
        "selu": [0.99, 0.3],
    }
    table = rank_networks(make_result(accuracies=accuracies).networks)
    assert list(table["rank"]) == list(rankdata(-table["test_correct"], method="min"))
    assert list(table["rank_mean"]) == list(rankdata(-table["test_correct"], method="average"))


def test_a_learned_rival_is_ranked_but_no_margin_is_over_it() -> None:
    accuracies = {"smartmixed": 0.8, "relu": 0.7, "elu": 0.6, "acon_c": 0.9}
    networks = make_result(accuracies=accuracies, val_accuracies=accuracies, replicates=1).networks
    assert rank_networks(networks)["strategy"].tolist() == ["acon_c", "smartmixed", "relu", "elu"]
    assert best_fixed_strategy(networks) == "relu"
    assert objective(networks, "margin") == pytest.approx(0.1)


def test_validation_rank_is_of_validation_counts() -> None:
    result = make_result(
        accuracies={"smartmixed": 0.9, "relu": 0.8}, val_accuracies={"smartmixed": 0.7, "relu": 0.8}, replicates=1
    )
    assert rank_networks(result.networks).set_index("strategy")["val_rank"].to_dict() == {"smartmixed": 2, "relu": 1}


def test_controls_come_last_without_a_rank_and_take_nobody_s_place() -> None:
    result = make_result(accuracies={"smartmixed": 0.9, "selective": 0.99, "relu": 0.8}, replicates=1)
    ranking = rank_networks(result.networks)
    assert list(ranking["strategy"]) == ["smartmixed", "relu", "selective"]
    assert list(ranking["rank"].fillna(0)) == [1, 2, 0]
    assert ranking[["rank", "rank_mean", "val_rank"]].iloc[-1].isna().all()


def test_ranking_does_not_depend_on_the_order_of_the_networks() -> None:
    result = make_result(accuracies={"smartmixed": [0.9, 0.7], "relu": [0.8, 0.85], "elu": [0.1, 0.2]})
    pd.testing.assert_frame_equal(rank_networks(result.networks), rank_networks(result.networks[::-1]))


def test_ranking_has_its_columns_and_mean_accuracies() -> None:
    ranking = rank_networks(make_result(accuracies={"smartmixed": [0.9, 0.7], "relu": [0.6, 0.6]}).networks)
    of_accuracy = ["val_accuracy", "val_correct", "test_accuracy", "test_correct"]
    assert list(ranking.columns) == [*RANKING_COLUMNS, *of_accuracy]
    assert ranking["test_accuracy"].tolist() == pytest.approx([0.8, 0.6])
    assert ranking["replicates"].tolist() == [2, 2]


def test_a_diverged_network_counts_as_accuracy_zero() -> None:
    networks = [make_network(strategy="smartmixed"), diverged_network(strategy="relu")]
    assert rank_networks(networks).set_index("strategy")["rank"].to_dict() == {"smartmixed": 1, "relu": 2}


# --- the objective ---


def test_margin_is_over_the_fixed_strategy_that_is_best_over_all_replicates() -> None:
    val = {"smartmixed": [0.90, 0.80], "relu": [0.85, 0.75], "elu": [0.70, 0.86]}
    result = make_result(accuracies=val)
    # relu: 0.80 on average, elu: 0.78; the best of each replicate apart would be 0.855.
    assert best_fixed_strategy(result.networks) == "relu"
    assert objective(result.networks, "margin") == pytest.approx(0.05)


def test_accuracy_is_smartmixed_s_mean_validation_accuracy() -> None:
    result = make_result(
        accuracies={"smartmixed": 0.1, "relu": 0.2}, val_accuracies={"smartmixed": [0.9, 0.8], "relu": 1.0}
    )
    assert objective(result.networks, "accuracy") == pytest.approx(0.85)


def test_margin_pairs_replicates_whatever_their_order() -> None:
    networks = make_result(accuracies={"smartmixed": [0.9, 0.5], "relu": [0.6, 0.7]}).networks
    assert objective(networks[::-1], "margin") == pytest.approx(0.05)


def test_controls_are_no_rivals() -> None:
    result = make_result(accuracies={"smartmixed": 0.9, "selective": 0.99, "random-mixed": 0.99, "relu": 0.8})
    assert objective(result.networks, "margin") == pytest.approx(0.1)


def _poisoned(network: NetworkResult) -> NetworkResult:
    nan = float("nan")
    poisoned_phase1 = {name: nan if name.startswith("test") else value for name, value in network.phase1.items()}
    return replace(
        network,
        test={"loss": nan, "accuracy": nan, "correct": -(10**9)},
        test_at_handoff=nan,
        phase1=poisoned_phase1,
    )


@pytest.mark.parametrize("kind", ["margin", "accuracy"])
def test_objective_never_looks_at_test_figures(kind: str) -> None:
    networks = make_result(accuracies={"smartmixed": [0.9, 0.8], "relu": [0.85, 0.7], "elu": [0.8, 0.8]}).networks
    assert objective([_poisoned(network) for network in networks], kind) == objective(networks, kind)


def test_objective_is_finite_if_every_network_diverged() -> None:
    networks = [diverged_network(strategy=name, replicate=r) for name in ("smartmixed", "relu") for r in range(2)]
    assert objective(networks, "margin") == 0.0
    assert objective(networks, "accuracy") == 0.0


def test_unknown_objective_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'margin'"):
        objective([make_network()], "margins")


def test_margin_without_a_fixed_strategy_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a fixed strategy"):
        objective([make_network()], "margin")


# --- leaderboards ---


def _rows(*rows: tuple[str, str, str, int, int], replicates: int = 1, published: bool = False) -> pd.DataFrame:
    """Rows of (architecture, trial, strategy, validation count, test count); trials start in the order of the rows."""
    return pd.DataFrame(
        {
            "dataset": "digits",
            "architecture": architecture,
            "strategy": strategy,
            "role": "control" if strategy == "selective" else "ranked",
            "trial": trial,
            "started": started,
            "published": published,
            "replicates": replicates,
            "val_accuracy": val / 1000,
            "test_accuracy": test / 1000,
            "val_loss": 1 - val / 1000,
            "val_correct": val,
            "test_correct": test,
        }
        for started, (architecture, trial, strategy, val, test) in enumerate(rows)
    )


def test_leaderboard_of_two_blocks_by_hand() -> None:
    board = leaderboard(
        _rows(
            ("64", "a", "smartmixed", 900, 900),
            ("64", "a", "relu", 900, 900),
            ("64", "a", "elu", 800, 800),
            ("32", "b", "smartmixed", 700, 700),
            ("32", "b", "relu", 600, 600),
            ("32", "b", "elu", 650, 650),
        )
    ).set_index("strategy")
    assert board["mean_rank"].to_dict() == {"smartmixed": 1.25, "relu": 2.25, "elu": 2.5}
    assert board["mrr"].to_dict() == pytest.approx(
        {"smartmixed": (1 / 1.5 + 1) / 2, "relu": (1 / 1.5 + 1 / 3) / 2, "elu": (1 / 3 + 1 / 2) / 2}
    )
    assert board["wins"].to_dict() == {"smartmixed": 1.5, "relu": 0.5, "elu": 0.0}
    assert board["place"].to_dict() == {"smartmixed": 1, "relu": 2, "elu": 3}
    assert board["test_accuracy"].to_dict() == pytest.approx({"smartmixed": 0.8, "relu": 0.75, "elu": 0.725})
    assert set(board["blocks"]) == {2}


def test_top3_rate_keeps_a_tied_third_place() -> None:
    accuracies = {"smartmixed": 900, "relu": 890, "elu": 880, "tanh": 880, "selu": 870}
    board = leaderboard(_rows(*[("64", "a", name, count, count) for name, count in accuracies.items()]))
    rate = board.set_index("strategy")["top3_rate"].to_dict()
    assert rate == {"smartmixed": 1, "relu": 1, "elu": 1, "tanh": 1, "selu": 0}


def test_tuned_view_takes_each_strategy_s_best_trial_by_validation_and_counts_the_block_once() -> None:
    rows = _rows(
        ("64", "a", "smartmixed", 900, 700),
        ("64", "a", "relu", 800, 800),
        ("64", "b", "smartmixed", 850, 990),
        ("64", "b", "relu", 810, 600),
    )
    chosen = block_rankings(rows).set_index("strategy")
    assert chosen["trial"].to_dict() == {"smartmixed": "a", "relu": "b"}
    assert chosen["rank"].to_dict() == {"smartmixed": 1, "relu": 2}
    assert set(leaderboard(rows)["blocks"]) == {1}


def test_equal_validation_accuracies_choose_the_trial_that_started_first() -> None:
    rows = _rows(("64", "b", "smartmixed", 900, 1), ("64", "a", "smartmixed", 900, 999))
    assert block_rankings(rows)["trial"].tolist() == ["b"]


def test_default_view_takes_the_published_setting_and_leaves_out_blocks_without_it() -> None:
    rows = pd.concat(
        [
            _rows(("64", "a", "smartmixed", 800, 800), ("64", "a", "relu", 850, 850), published=True),
            _rows(("64", "b", "smartmixed", 900, 900), ("32", "c", "smartmixed", 900, 900)),
        ]
    )
    chosen = block_rankings(rows, "default")
    assert chosen[["strategy", "trial", "rank"]].values.tolist() == [["relu", "a", 1], ["smartmixed", "a", 2]]
    assert leaderboard(rows, "default")["trials"].tolist() == [1, 1]


def test_a_strategy_missing_from_a_block_leaves_the_others_ranked_among_themselves() -> None:
    board = leaderboard(
        _rows(
            ("64", "a", "smartmixed", 900, 900),
            ("64", "a", "relu", 950, 950),
            ("32", "b", "smartmixed", 700, 700),
        )
    ).set_index("strategy")
    assert board["blocks"].to_dict() == {"smartmixed": 2, "relu": 1}
    assert board["mean_rank"].to_dict() == {"smartmixed": 1.5, "relu": 1.0}


def test_draws_count_distinct_results_and_trials_all() -> None:
    board = leaderboard(
        _rows(
            ("64", "a", "smartmixed", 900, 900),
            ("64", "a", "relu", 800, 800),
            ("64", "b", "smartmixed", 910, 890),
            ("64", "b", "relu", 800, 800),
        )
    ).set_index("strategy")
    assert board["trials"].to_dict() == {"smartmixed": 2, "relu": 2}
    assert board["draws"].to_dict() == {"smartmixed": 2, "relu": 1}


def test_counts_are_compared_per_replicate() -> None:
    rows = pd.concat(
        [
            _rows(("64", "a", "smartmixed", 900, 900), replicates=1),
            _rows(("64", "b", "relu", 2700, 2700), replicates=3),
        ]
    )
    assert block_rankings(rows)["rank"].tolist() == [1, 1]


def test_controls_are_below_the_line() -> None:
    board = leaderboard(_rows(("64", "a", "selective", 990, 990), ("64", "a", "relu", 900, 900)))
    assert board["strategy"].tolist() == ["relu", "selective"]
    assert board["mean_rank"].iloc[0] == 1
    assert board[["place", "mean_rank", "mrr", "wins", "top3_rate"]].iloc[1].isna().all()


def test_datasets_have_leaderboards_of_their_own() -> None:
    rows = _rows(("64", "a", "smartmixed", 900, 900), ("64", "a", "relu", 800, 800))
    board = leaderboard(pd.concat([rows, rows.assign(dataset="mnist", test_correct=[1, 2])]))
    assert board[["dataset", "strategy", "place"]].values.tolist() == [
        ["digits", "smartmixed", 1],
        ["digits", "relu", 2],
        ["mnist", "relu", 1],
        ["mnist", "smartmixed", 2],
    ]


def test_data_of_one_name_and_two_checksums_have_leaderboards_of_their_own() -> None:
    rows = _rows(("64", "a", "smartmixed", 900, 900), ("64", "a", "relu", 800, 800))
    both = pd.concat([rows.assign(checksum="c1"), rows.assign(checksum="c2", val_correct=999, test_correct=[1, 2])])
    board = leaderboard(both)
    assert board[["checksum", "strategy", "place", "blocks", "trials"]].values.tolist() == [
        ["c1", "smartmixed", 1, 1, 1],
        ["c1", "relu", 2, 1, 1],
        ["c2", "relu", 1, 1, 1],
        ["c2", "smartmixed", 2, 1, 1],
    ]
    assert block_rankings(both)["rank"].tolist() == [1, 2, 1, 2]


@pytest.mark.parametrize("unknown", [None, "", float("nan")])
def test_an_unknown_checksum_is_a_group_of_its_own_and_leaves_nothing_out(unknown: object) -> None:
    rows = _rows(("64", "a", "smartmixed", 900, 900), ("64", "a", "relu", 800, 800))
    both: pd.DataFrame = pd.concat([rows.assign(checksum=unknown), rows.assign(checksum="c2")])
    assert leaderboard(both)["checksum"].tolist() == ["", "", "c2", "c2"]
    pd.testing.assert_frame_equal(leaderboard(rows.assign(checksum=unknown)), leaderboard(rows))


def test_leaderboard_of_nothing_is_empty_and_has_its_columns() -> None:
    board = leaderboard(_rows(("64", "a", "relu", 1, 1)).iloc[:0])
    assert board.empty
    assert list(board.columns) == leaderboard_columns()


def test_unknown_view_is_refused() -> None:
    with pytest.raises(ConfigError, match="view must be one of tuned, default"):
        leaderboard(_rows(("64", "a", "relu", 1, 1)), "best")


def test_of_equally_good_fixed_strategies_the_first_listed_is_the_rival() -> None:
    assert best_fixed({"tanh": 90, "relu": 97, "elu": 97}) == "relu"


def test_without_a_fixed_strategy_there_is_no_rival() -> None:
    assert best_fixed({}) is None


def test_best_of_each_block_leaves_out_blocks_without_any() -> None:
    table = pd.DataFrame({"elu": [0.9, 0.8, None], "relu": [0.9, 0.85, None]}, index=["8", "8-8", "4"])
    assert best_of_each(table).to_dict() == {"8": "elu", "8-8": "relu"}


def test_the_value_of_a_strategy_that_a_block_lacks_is_missing() -> None:
    table = pd.DataFrame({"elu": [0.9, None], "relu": [0.7, 0.85]}, index=["8", "8-8"])
    found = value_of(table, pd.Series(["relu", "elu"], index=["8", "8-8"]))
    assert found["8"] == 0.7
    assert pd.isna(found["8-8"])


def of_rmse(strategy: str, *values: float | None) -> list[NetworkResult]:
    """Networks of a regression: one for each validation and test value, that are equal."""
    return [
        make_network(strategy=strategy, replicate=replicate, val={"loss": value, "rmse": value}, test={"rmse": value})
        for replicate, value in enumerate(values)
    ]


def test_the_smallest_rmse_is_first_and_strategies_that_lack_values_are_last() -> None:
    networks = [
        *of_rmse("smartmixed", 0.5, 0.7),
        *of_rmse("relu", 0.1, None),
        *of_rmse("tanh", None, None),
        *of_rmse("elu", 0.7, 0.5),
        *of_rmse("selu", 0.3, 0.5),
    ]
    ranking = rank_networks(networks, RMSE)
    assert dict(zip(ranking["strategy"], ranking["rank"], strict=True)) == {
        "selu": 1,
        "elu": 2,
        "smartmixed": 2,
        "relu": 4,
        "tanh": 5,
    }
    assert list(ranking.columns) == [*RANKING_COLUMNS, "val_rmse", "test_rmse"]
    assert best_fixed_strategy(networks, RMSE) == "selu"
    assert objective(networks, "margin", RMSE) == pytest.approx(-0.2)
    assert objective(networks, "metric", RMSE) == pytest.approx(-0.6)


def test_values_that_no_network_has_tie() -> None:
    ranking = rank_networks([*of_rmse("smartmixed", None), *of_rmse("relu", None)], RMSE)
    assert ranking["rank"].tolist() == [1, 1]


def test_a_missing_value_counts_as_that_of_who_knows_nothing_in_the_objective() -> None:
    networks = [*of_rmse("smartmixed", 0.5, None), *of_rmse("relu", 0.5, 0.5)]
    assert objective(networks, "margin", RMSE, uninformed=1.0) == pytest.approx(-0.25)
