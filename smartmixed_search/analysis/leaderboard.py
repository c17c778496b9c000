"""The leaderboard: rankings over many trials, aggregated over blocks.

Accuracies are compared as counts of correct examples, so equal strategies are tied exactly; other metrics by their
values, in their direction. Test figures rank the strategies of a block; only validation figures ever choose. A strategy
without a figure, because it diverged or because the metric is undefined there, is last; where none has one, none is
ranked.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from smartmixed_search.analysis.identity import DATASET, identified
from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import one_of
from smartmixed_search.tasks.metric import ACCURACY, Metric
from smartmixed_search.trials.records import RANKED

BLOCK = [*DATASET, "architecture"]
"""What a leaderboard counts once."""


VIEWS = ("tuned", "default")
"""A strategy's trial in a block: its best by validation, or the one at the published setting."""


TOP = 3


def leaderboard_columns(metric: Metric = ACCURACY) -> list[str]:
    """Return the columns of `leaderboard`."""
    counted = ["mean_rank", "mrr", "wins", "top3_rate", "blocks", "trials", "draws"]
    return [*DATASET, "place", "strategy", "role", *counted, metric.test]


def strategy_columns(metric: Metric = ACCURACY) -> list[str]:
    """Return what `block_rankings` and `leaderboard` read: one row per trial and strategy.

    Counts are summed over the replicates. Without `checksum`, a dataset's name is taken for one dataset.
    """
    own = ["architecture", "strategy", "role", "trial", "started", "published", "replicates"]
    figures = [metric.val, metric.test, "val_loss", metric.exact("val"), metric.exact("test")]
    return [*DATASET, *own, *dict.fromkeys(figures)]


def block_rankings(strategy_rows: pd.DataFrame, view: str = "tuned", metric: Metric = ACCURACY) -> pd.DataFrame:
    """Choose each strategy's trial in every block, and rank the chosen ones inside the block by the test metric.

    `strategy_rows` is what `strategies` returns: `strategy_columns` of finished trials; further columns are kept.
    `tuned` chooses the trial of best validation metric, `default` the one at the published setting; ties go to the
    one started first. Returns the chosen rows, block by block and best first, with `rank`, `rank_mean` and `win` (1/n
    for a first place shared by n) of this ranking; a strategy missing from a block leaves the others ranked among
    themselves, controls come last and have no rank.

    Raises:
        ConfigError: the view is unknown.

    """
    rows = identified(rows_of_view(strategy_rows, view))
    val, test = (_scores(rows, metric, split) for split in ("val", "test"))
    block = _numbered(rows, BLOCK)
    strategy = _numbered(rows, ["strategy"])
    cell = block * (strategy.max(initial=0) + 1) + strategy
    best_first = np.lexsort((_numbered(rows, ["trial"]), rows["started"], -val))
    chosen = best_first[np.unique(cell[best_first], return_index=True)[1]]
    block, ranked = block[chosen], (rows["role"] == RANKED).to_numpy()[chosen]
    scores = pd.Series(test[chosen]).where(ranked)
    known = (scores > -np.inf).groupby(block).transform("any")
    by_block = scores.where(known).groupby(block)
    rank = by_block.rank(method="min", ascending=False)
    rank_mean = by_block.rank(ascending=False)
    win = ((rank == 1) / (2 * rank_mean - 1)).where(ranked)  # the mean of the ranks 1 … n is (n + 1) / 2
    ranking = pd.DataFrame({"rank": rank.astype("Int64"), "rank_mean": rank_mean, "win": win})
    order = np.lexsort((rank, block))
    rows, ranking = (
        table.iloc[positions].reset_index(drop=True) for table, positions in ((rows, chosen[order]), (ranking, order))
    )
    return rows.assign(**ranking)


def lacking_of(metric: Metric, split: str) -> str:
    """Return the column of how many replicates have no value of a metric; where it is not there, none lacks one."""
    return f"{split}_{metric.name}_lacking"


def known_of(rows: pd.DataFrame, metric: Metric, split: str) -> "pd.Series[float]":
    """Return the metric where every replicate has a value: who diverged must not leave the mean to the others."""
    values, lacking = rows[f"{split}_{metric.name}"], rows.get(lacking_of(metric, split))
    return values if lacking is None else values.where(lacking.fillna(0) == 0)


def _scores(rows: pd.DataFrame, metric: Metric, split: str) -> npt.NDArray[np.float64]:
    """Return by what rows are compared, the larger the better; minus infinity where it is missing."""
    values = rows[metric.exact(split)].to_numpy("float64")
    if metric.count is not None:
        # Correct examples per replicate: a quotient of integers, so equal accuracies stay exactly equal, also between
        # sweeps with different numbers of replicates.
        values = values / rows["replicates"].to_numpy("int64")
    scores = values if metric.direction == "max" else -values
    scores = np.where(np.isnan(scores), -np.inf, scores)
    lacking = rows.get(lacking_of(metric, split))
    if lacking is None or not (lacking > 0).any():
        return scores
    # First by how many replicates lack a value, see `known_of`.
    ordered = pd.DataFrame({"present": -lacking.fillna(0).to_numpy("float64"), "score": scores})
    places = ordered.groupby(["present", "score"]).ngroup().to_numpy("float64")
    return np.where(np.isinf(scores), -np.inf, places)


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


def leaderboard(
    strategy_rows: pd.DataFrame,
    view: str = "tuned",
    blocks: pd.DataFrame | None = None,
    metric: Metric = ACCURACY,
) -> pd.DataFrame:
    """Return the leaderboard of each dataset: the strategies' rankings in all architectures, aggregated.

    Takes what `strategies` returns, and in `blocks` what `block_rankings` returned for it, if it is known. Returns
    `leaderboard_columns`, best mean rank first, controls last:

    * `place`: competition rank of the mean rank within the dataset;
    * `mean_rank`, `mrr` (mean of 1/rank_mean), `wins`, `top3_rate`, the test metric: over the strategy's `blocks`,
      those in which it is known;
    * `trials`: trials from which the view chose; `draws`: distinct results among them. A fixed strategy trained again
      under equal settings gives an equal result, so it has fewer draws to be lucky with than SmartMixed.

    Raises:
        ConfigError: the view is unknown.

    """
    lacking = [name for name in (lacking_of(metric, split) for split in ("val", "test")) if name in strategy_rows]
    rows = rows_of_view(identified(strategy_rows)[[*strategy_columns(metric), *lacking]], view)
    blocks = block_rankings(rows, metric=metric) if blocks is None else blocks
    rank = blocks["rank"].astype("float64")
    scores = blocks[["rank_mean", "win"]].assign(
        mrr=1 / blocks["rank_mean"],
        **{metric.test: known_of(blocks, metric, "test")},
        top3=(rank <= TOP).astype("float64").where(rank.notna()),
    )
    pair = [*DATASET, "strategy"]
    by_strategy = scores.groupby([blocks[name] for name in pair])
    sums, count, known = by_strategy.sum(min_count=1), by_strategy.size(), by_strategy.count()
    number = _numbered(rows, pair)
    results = [*BLOCK, "strategy", metric.exact("val"), "val_loss", metric.exact("test")]
    board = pd.DataFrame(
        {
            "role": blocks.groupby(pair)["role"].first(),
            "mean_rank": sums["rank_mean"] / known["rank_mean"],
            "mrr": sums["mrr"] / known["mrr"],
            "wins": sums["win"],
            "top3_rate": sums["top3"] / known["top3"],
            "blocks": count,
            "trials": np.unique(number[~rows.duplicated([*pair, "trial"])], return_counts=True)[1],
            "draws": np.unique(number[~rows.duplicated(results)], return_counts=True)[1],
            metric.test: sums[metric.test] / known[metric.test],
        }
    ).reset_index()
    return _placed(board, metric)


def _placed(board: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Return a leaderboard in order, with places."""
    board["place"] = board.groupby(DATASET)["mean_rank"].rank(method="min").astype("Int64")
    order = [*DATASET, "mean_rank", metric.test, "strategy"]
    ascending = [True, True, True, metric.direction == "min", True]
    board = board.sort_values(order, ascending=ascending, na_position="last", ignore_index=True)
    return board[leaderboard_columns(metric)]
