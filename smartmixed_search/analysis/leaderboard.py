"""The leaderboard: rankings over many trials, aggregated over blocks.

Accuracies are compared as counts of correct examples, so equal strategies are tied exactly. Test counts rank the
strategies of a block; only validation counts ever choose.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from smartmixed_search.analysis.identity import DATASET, identified
from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import one_of
from smartmixed_search.trials.records import RANKED

BLOCK = [*DATASET, "architecture"]
"""What a leaderboard counts once."""


VIEWS = ("tuned", "default")
"""A strategy's trial in a block: its best by validation, or the one at the published setting."""


TOP = 3


LEADERBOARD_COLUMNS = [
    *DATASET,
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
    *DATASET,
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
"""What `block_rankings` and `leaderboard` read: one row per trial and strategy, counts summed over the replicates.

Without `checksum`, a dataset's name is taken for one dataset.
"""


def block_rankings(strategy_rows: pd.DataFrame, view: str = "tuned") -> pd.DataFrame:
    """Choose each strategy's trial in every block, and rank the chosen ones inside the block by test accuracy.

    `strategy_rows` is what `strategies` returns: `STRATEGY_COLUMNS` of finished trials; further columns are kept.
    `tuned` chooses the trial of highest validation accuracy, `default` the one at the published setting; ties go to the
    one started first. Returns the chosen rows, block by block and best first, with `rank`, `rank_mean` and `win` (1/n
    for a first place shared by n) of this ranking; a strategy missing from a block leaves the others ranked among
    themselves, controls come last and have no rank.

    Raises:
        ConfigError: the view is unknown.

    """
    rows = identified(rows_of_view(strategy_rows, view))
    # Correct examples per replicate: a quotient of integers, so equal accuracies stay exactly equal, also between
    # sweeps with different numbers of replicates.
    val, test = (
        rows[name].to_numpy() / rows["replicates"].to_numpy("int64") for name in ("val_correct", "test_correct")
    )
    block = _numbered(rows, BLOCK)
    strategy = _numbered(rows, ["strategy"])
    cell = block * (strategy.max(initial=0) + 1) + strategy
    best_first = np.lexsort((_numbered(rows, ["trial"]), rows["started"], -val))
    chosen = best_first[np.unique(cell[best_first], return_index=True)[1]]
    block, ranked = block[chosen], (rows["role"] == RANKED).to_numpy()[chosen]
    by_block = pd.Series(test[chosen]).where(ranked).groupby(block)
    rank = by_block.rank(method="min", ascending=False)
    rank_mean = by_block.rank(ascending=False)
    win = ((rank == 1) / (2 * rank_mean - 1)).where(ranked)  # the mean of the ranks 1 … n is (n + 1) / 2
    ranking = pd.DataFrame({"rank": rank.astype("Int64"), "rank_mean": rank_mean, "win": win})
    order = np.lexsort((rank, block))
    rows, ranking = (
        table.iloc[positions].reset_index(drop=True) for table, positions in ((rows, chosen[order]), (ranking, order))
    )
    return rows.assign(**ranking)


def _numbered(rows: pd.DataFrame, names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Number the distinct combinations of values of some columns, in their order; much faster to compare than words."""
    numbers = np.zeros(len(rows), dtype=np.int64)
    for name in names:
        of_name, values = pd.factorize(rows[name], sort=True)
        numbers = numbers * len(values) + of_name
    return numbers


def rows_of_view(strategy_rows: pd.DataFrame, view: str) -> pd.DataFrame:
    """Return the rows from which a view chooses.

    Raises:
        ConfigError: the view is unknown.

    """
    if view not in VIEWS:
        raise ConfigError(one_of("view", view, VIEWS))
    return strategy_rows if view == "tuned" else strategy_rows[strategy_rows["published"].astype(bool)]


def leaderboard(strategy_rows: pd.DataFrame, view: str = "tuned", blocks: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the leaderboard of each dataset: the strategies' rankings in all architectures, aggregated.

    Takes what `strategies` returns, and in `blocks` what `block_rankings` returned for it, if it is known. Returns
    `LEADERBOARD_COLUMNS`, best mean rank first, controls last:

    * `place`: competition rank of the mean rank within the dataset;
    * `mean_rank`, `mrr` (mean of 1/rank_mean), `wins`, `top3_rate`, `test_accuracy`: over the strategy's `blocks`;
    * `trials`: trials from which the view chose; `draws`: distinct results among them. A fixed strategy trained again
      under equal settings gives an equal result, so it has fewer draws to be lucky with than SmartMixed.

    Raises:
        ConfigError: the view is unknown.

    """
    rows = rows_of_view(identified(strategy_rows)[STRATEGY_COLUMNS], view)
    blocks = block_rankings(rows) if blocks is None else blocks
    rank = blocks["rank"].astype("float64")
    scores = blocks[["rank_mean", "win", "test_accuracy"]].assign(
        mrr=1 / blocks["rank_mean"], top3=(rank <= TOP).astype("float64").where(rank.notna())
    )
    pair = [*DATASET, "strategy"]
    by_strategy = scores.groupby([blocks[name] for name in pair])
    sums, count = by_strategy.sum(min_count=1), by_strategy.size()
    number = _numbered(rows, pair)
    results = [*BLOCK, "strategy", "val_correct", "val_loss", "test_correct"]
    board = pd.DataFrame(
        {
            "role": blocks.groupby(pair)["role"].first(),
            "mean_rank": sums["rank_mean"] / count,
            "mrr": sums["mrr"] / count,
            "wins": sums["win"],
            "top3_rate": sums["top3"] / count,
            "blocks": count,
            "trials": np.unique(number[~rows.duplicated([*pair, "trial"])], return_counts=True)[1],
            "draws": np.unique(number[~rows.duplicated(results)], return_counts=True)[1],
            "test_accuracy": sums["test_accuracy"] / count,
        }
    ).reset_index()
    return _placed(board)


def _placed(board: pd.DataFrame) -> pd.DataFrame:
    """Return a leaderboard in order, with places."""
    board["place"] = board.groupby(DATASET)["mean_rank"].rank(method="min").astype("Int64")
    order = [*DATASET, "mean_rank", "test_accuracy", "strategy"]
    board = board.sort_values(order, ascending=[True, True, True, False, True], na_position="last", ignore_index=True)
    return board[LEADERBOARD_COLUMNS]
