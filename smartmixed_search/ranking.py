"""Rankings: of one trial's strategies, and over many trials; and the objective that tuning maximises.

Accuracies are compared as counts of correct examples, so equal strategies are tied exactly. Test counts rank the
strategies of a trial or block; only validation counts ever choose.
"""

from collections.abc import Sequence

import pandas as pd

from smartmixed_search.config import CHOICES, SMARTMIXED
from smartmixed_search.errors import ConfigError, one_of
from smartmixed_search.result import RANKED, NetworkResult

BLOCK = ["dataset", "architecture"]
"""What a leaderboard counts once."""
VIEWS = ("tuned", "default")
"""A strategy's trial in a block: its best by validation, or the one at the published setting."""
TOP = 3

RANKING_COLUMNS = [
    "strategy",
    "role",
    "rank",
    "rank_mean",
    "val_rank",
    "val_accuracy",
    "test_accuracy",
    "val_correct",
    "test_correct",
    "replicates",
]
LEADERBOARD_COLUMNS = [
    "dataset",
    "place",
    "strategy",
    "role",
    "mean_rank",
    "mrr",
    "wins",
    "top3_rate",
    "blocks",
    "trials",
    "draws",
    "test_accuracy",
]
STRATEGY_COLUMNS = [
    "dataset",
    "architecture",
    "strategy",
    "role",
    "trial",
    "started",
    "published",
    "replicates",
    "val_accuracy",
    "test_accuracy",
    "val_loss",
    "val_correct",
    "test_correct",
]
"""What `block_rankings` and `leaderboard` read: one row per trial and strategy, counts summed over the replicates."""


def rank_networks(networks: Sequence[NetworkResult]) -> pd.DataFrame:
    """Rank the strategies of one trial by test accuracy, and beside it by validation accuracy.

    Returns one row per strategy, best first, then one per control, with `RANKING_COLUMNS`: `rank` and `val_rank` are
    competition ranks (1, 2, 2, 4), `rank_mean` the fractional rank; controls have none. Accuracies are means over
    the replicates, counts of correct examples their sums.
    """
    rows = pd.DataFrame([vars(network) for network in networks])
    table = rows.groupby("strategy", sort=False, as_index=False).agg(
        role=("role", "first"),
        val_accuracy=("val_accuracy", "mean"),
        test_accuracy=("test_accuracy", "mean"),
        val_correct=("val_correct", "sum"),
        test_correct=("test_correct", "sum"),
        replicates=("replicate", "count"),
    )
    ranked = table[table["role"] == RANKED]
    table["rank"] = _competition_rank(ranked["test_correct"])
    table["rank_mean"] = ranked["test_correct"].rank(ascending=False)
    table["val_rank"] = _competition_rank(ranked["val_correct"])
    return table.sort_values(["rank", "strategy"], na_position="last", ignore_index=True)[RANKING_COLUMNS]


def _competition_rank(counts: "pd.Series[int]") -> "pd.Series[int]":
    return counts.rank(method="min", ascending=False).astype("Int64")


def best_fixed_strategy(networks: Sequence[NetworkResult]) -> str | None:
    """Return the ranked fixed strategy of highest validation accuracy, the first listed on ties; None without any."""
    fixed = [n for n in networks if n.role == RANKED and n.strategy != SMARTMIXED]
    correct = dict.fromkeys((network.strategy for network in fixed), 0)
    for network in fixed:
        correct[network.strategy] += network.val_correct
    return max(correct, key=correct.__getitem__, default=None)


def objective(networks: Sequence[NetworkResult], kind: str) -> float:
    """Return what tuning maximises: from validation accuracies only, always finite.

    `accuracy` is SmartMixed's mean over the replicates. `margin` is the mean over the replicates of its difference to
    the fixed strategy that is best over all of them. One fixed strategy is compared throughout: the best of each
    replicate apart would be an upward-biased rival (a maximum over noise), which no choice of an activation attains.

    Raises:
        ConfigError: the kind is unknown, or there is no fixed strategy to take the margin over.

    """
    if kind not in CHOICES["objective"]:
        raise ConfigError(one_of("objective", kind, CHOICES["objective"]))
    smartmixed = _by_replicate(networks, SMARTMIXED)
    if kind == "accuracy":
        return sum(smartmixed.values()) / len(smartmixed)
    rival = best_fixed_strategy(networks)
    if rival is None:
        raise ConfigError("objective 'margin' must have a fixed strategy beside smartmixed, however: none was trained")
    fixed = _by_replicate(networks, rival)
    return sum(smartmixed[replicate] - fixed[replicate] for replicate in smartmixed) / len(smartmixed)


def _by_replicate(networks: Sequence[NetworkResult], strategy: str) -> dict[int, float]:
    return {network.replicate: network.val_accuracy for network in networks if network.strategy == strategy}


def block_rankings(strategy_rows: pd.DataFrame, view: str = "tuned") -> pd.DataFrame:
    """Choose each strategy's trial in every block, and rank the chosen ones inside the block by test accuracy.

    `strategy_rows` holds `STRATEGY_COLUMNS` of finished trials, further columns are kept. `tuned` chooses the trial of
    highest validation accuracy, `default` the one at the published setting; ties go to the one started first. Returns
    the chosen rows, block by block and best first, with `rank`, `rank_mean` and `win` (1/n for a first place shared
    by n) of this ranking; a strategy missing from a block leaves the others ranked among themselves, controls come
    last and have no rank.

    Raises:
        ConfigError: the view is unknown.

    """
    rows = _rows_of_view(strategy_rows, view)
    # Correct examples per replicate: a quotient of integers, so equal accuracies stay exactly equal, also between
    # sweeps with different numbers of replicates.
    rows = rows.assign(
        _val=rows["val_correct"] / rows["replicates"],
        _test=rows["test_correct"] / rows["replicates"],
    )
    rows = rows.sort_values(["_val", "started", "trial"], ascending=[False, True, True], ignore_index=True)
    chosen = rows.drop_duplicates([*BLOCK, "strategy"])
    by_block = chosen[chosen["role"] == RANKED].groupby(BLOCK, sort=False)["_test"]
    rank = by_block.rank(method="min", ascending=False)
    first = rank == 1
    shared_by = first.groupby([chosen.loc[rank.index, name] for name in BLOCK]).transform("sum")
    chosen = chosen.assign(
        rank=rank.astype("Int64"),
        rank_mean=by_block.rank(ascending=False),
        win=first / shared_by,
    )
    chosen = chosen.sort_values([*BLOCK, "rank", "strategy"], na_position="last", ignore_index=True)
    return chosen.drop(columns=["_val", "_test"])


def _rows_of_view(strategy_rows: pd.DataFrame, view: str) -> pd.DataFrame:
    if view not in VIEWS:
        raise ConfigError(one_of("view", view, VIEWS))
    return strategy_rows if view == "tuned" else strategy_rows[strategy_rows["published"].astype(bool)]


def leaderboard(strategy_rows: pd.DataFrame, view: str = "tuned") -> pd.DataFrame:
    """Aggregate the rankings of all blocks, one leaderboard per dataset.

    Takes what `block_rankings` takes. Returns `LEADERBOARD_COLUMNS`, best mean rank first, controls last:

    * `place`: competition rank of the mean rank within the dataset;
    * `mean_rank`, `mrr` (mean of 1/rank_mean), `wins`, `top3_rate`, `test_accuracy`: over the strategy's `blocks`;
    * `trials`: trials from which the view chose; `draws`: distinct results among them. A fixed strategy trained again
      under equal settings gives an equal result, so it has fewer draws to be lucky with than SmartMixed.

    Raises:
        ConfigError: the view is unknown.

    """
    blocks = block_rankings(strategy_rows, view)
    blocks = blocks.assign(mrr=1 / blocks["rank_mean"], top3=(blocks["rank"] <= TOP).astype("Float64"))
    keys = ["dataset", "strategy"]
    board = blocks.groupby(keys, as_index=False).agg(
        role=("role", "first"),
        mean_rank=("rank_mean", "mean"),
        mrr=("mrr", "mean"),
        wins=("win", lambda wins: wins.sum(min_count=1)),
        top3_rate=("top3", "mean"),
        blocks=("architecture", "count"),
        test_accuracy=("test_accuracy", "mean"),
    )
    rows = _rows_of_view(strategy_rows, view)
    results = rows.drop_duplicates([*BLOCK, "strategy", "val_correct", "val_loss", "test_correct"])
    board = board.merge(rows.groupby(keys, as_index=False).agg(trials=("trial", "nunique")), on=keys)
    board = board.merge(results.groupby(keys, as_index=False).agg(draws=("trial", "count")), on=keys)
    board["place"] = board.groupby("dataset")["mean_rank"].rank(method="min").astype("Int64")
    order = ["dataset", "mean_rank", "test_accuracy", "strategy"]
    board = board.sort_values(order, ascending=[True, True, False, True], na_position="last", ignore_index=True)
    return board[LEADERBOARD_COLUMNS]
