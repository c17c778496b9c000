"""Rankings of one trial's strategies, the margin of SmartMixed over the best fixed one, and the objective.

Accuracies are compared as counts of correct examples, so equal strategies are tied exactly. Test counts rank the
strategies of a trial or block; only validation counts ever choose.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import pandas as pd

from smartmixed_search.errors import ConfigError
from smartmixed_search.trials.config import SMARTMIXED
from smartmixed_search.trials.records import RANKED, NetworkResult
from smartmixed_search.trials.settings import SETTINGS

Figures = TypeVar("Figures", float, "pd.Series[float]")

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


def is_fixed(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Return which rows are of fixed strategies, by their columns `strategy` and `role`."""
    return (rows["role"] == RANKED) & (rows["strategy"] != SMARTMIXED)


def best_fixed(validation: Mapping[str, float]) -> str | None:
    """Return the fixed strategy that SmartMixed's margin is over: the best by validation; None without any.

    `validation` has its accuracy or count of correct examples over all replicates, by fixed strategy. One is compared
    throughout: the best of each replicate apart would be an upward-biased rival (a maximum over noise), which no choice
    of an activation attains. The first listed wins a tie, for the test accuracy must not break it.
    """
    return max(validation, key=validation.__getitem__, default=None)


def best_of_each(accuracies: pd.DataFrame) -> "pd.Series[str]":
    """Return what `best_fixed` does for every row of a table, block × fixed strategy, in which some may be missing."""
    known = accuracies.dropna(how="all")
    return known.idxmax(axis=1).astype("str") if len(known) else pd.Series(dtype="str")


def accuracy_of(accuracies: pd.DataFrame, strategies: "pd.Series[str]") -> "pd.Series[float]":
    """Return from such a table, block by block, the accuracy of the strategy that is named."""
    long = accuracies.stack()
    cells = long.reindex(pd.MultiIndex.from_arrays([strategies.index, strategies]))
    return pd.Series(cells.to_numpy("float64"), strategies.index)


def margin(own: Figures, rival: Figures) -> Figures:
    """Return SmartMixed's margin: its accuracy minus its rival's, paired by replicate, trial or architecture."""
    return own - rival


def best_fixed_strategy(networks: Sequence[NetworkResult]) -> str | None:
    """Return the `best_fixed` of a trial."""
    fixed = [n for n in networks if n.role == RANKED and n.strategy != SMARTMIXED]
    correct = dict.fromkeys((network.strategy for network in fixed), 0)
    for network in fixed:
        correct[network.strategy] += network.val_correct
    return best_fixed(correct)


def objective(networks: Sequence[NetworkResult], kind: str) -> float:
    """Return what tuning maximises: from validation accuracies only, always finite.

    `accuracy` is SmartMixed's mean over the replicates, `margin` that of its `margin` over the `best_fixed`.

    Raises:
        ConfigError: the kind is unknown, or there is no fixed strategy to take the margin over.

    """
    SETTINGS["objective"].rule.choice("objective", kind)
    smartmixed = _by_replicate(networks, SMARTMIXED)
    if kind == "accuracy":
        return sum(smartmixed.values()) / len(smartmixed)
    rival = best_fixed_strategy(networks)
    if rival is None:
        raise ConfigError("objective 'margin' needs a fixed strategy beside smartmixed, but none was trained")
    fixed = _by_replicate(networks, rival)
    return sum(margin(accuracy, fixed[replicate]) for replicate, accuracy in smartmixed.items()) / len(smartmixed)


def _by_replicate(networks: Sequence[NetworkResult], strategy: str) -> dict[int, float]:
    return {network.replicate: network.val_accuracy for network in networks if network.strategy == strategy}
