"""Rankings of one trial's strategies, the margin of SmartMixed over the best fixed one, and the objective.

Accuracies are compared as counts of correct examples, so equal strategies are tied exactly; other metrics by their
values. Test values rank the strategies of a trial or block; only validation values ever choose.
"""

from collections.abc import Mapping, Sequence
from math import isnan, nan
from typing import Any

import pandas as pd

from smartmixed_search.errors import ConfigError
from smartmixed_search.method.activations import RIVAL_NAMES
from smartmixed_search.tasks.metric import ACCURACY, Metric
from smartmixed_search.trials.config import SMARTMIXED
from smartmixed_search.trials.records import RANKED, NetworkResult
from smartmixed_search.trials.settings import SETTINGS

RANKING_COLUMNS = ["strategy", "role", "rank", "rank_mean", "val_rank", "replicates"]
"""Of every ranking, beside the columns of its metric."""


def rank_networks(networks: Sequence[NetworkResult], metric: Metric = ACCURACY) -> pd.DataFrame:
    """Rank the strategies of one trial by a metric on the test examples, and beside it on the validation examples.

    Returns one row per strategy, best first, then one per control, with `RANKING_COLUMNS`: `rank` and `val_rank` are
    competition ranks (1, 2, 2, 4), `rank_mean` the fractional rank; controls have none. `metric.val` and `metric.test`
    are means over the replicates that have a value, and counts of correct examples their sums. A strategy of which a
    network has no value ranks after those of which fewer lack it.
    """
    rows = pd.DataFrame([_figures(network, metric) for network in networks])
    columns = [str(name) for name in rows if str(name).startswith(("val_", "test_"))]
    how: dict[str, Any] = {name: (name, "sum" if name.endswith(f"_{metric.count}") else "mean") for name in columns}
    groups = rows.groupby("strategy", sort=False, as_index=False)
    table = groups.agg(role=("role", "first"), replicates=("replicate", "count"), **how)
    keys = {split: _merits(groups, table, metric, split) for split in ("val", "test")}
    ranked = table["role"] == RANKED
    table["rank"] = _competition_rank(keys["test"][ranked])
    table["rank_mean"] = keys["test"][ranked].rank(ascending=False)
    table["val_rank"] = _competition_rank(keys["val"][ranked])
    shown: pd.DataFrame = table[[*RANKING_COLUMNS, *columns]]
    return shown.sort_values(["rank", "strategy"], na_position="last", ignore_index=True)


def _figures(network: NetworkResult, metric: Metric) -> dict[str, Any]:
    figures: dict[str, Any] = {name: getattr(network, name) for name in ("strategy", "role", "replicate")}
    for split, values in (("val", network.val), ("test", network.test)):
        figures |= {f"{split}_{name}": _number(values.get(name)) for name in {metric.name: 0, metric.quantity: 0}}
    return figures


def _merits(groups: Any, table: pd.DataFrame, metric: Metric, split: str) -> "pd.Series[float]":
    """Return numbers that are the larger the better a strategy is: first by how few values it lacks."""
    name = metric.exact(split)
    lacking = groups[name].agg(lambda values: values.isna().sum())[name]
    merit = pd.DataFrame({"present": -lacking, "value": metric.oriented(table[name])})
    return merit.groupby(["present", "value"], dropna=False).ngroup().astype("float64")


def _number(value: float | None) -> float:
    return nan if value is None else value


def _competition_rank(merits: "pd.Series[float]") -> "pd.Series[int]":
    return merits.rank(method="min", ascending=False).astype("Int64")


def is_fixed(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Return which rows are of fixed strategies, by their columns `strategy` and `role`."""
    return (rows["role"] == RANKED) & ~rows["strategy"].isin([SMARTMIXED, *RIVAL_NAMES])


def best_fixed(validation: Mapping[str, Any]) -> str | None:
    """Return the fixed strategy that SmartMixed's margin is over: the best by validation; None without any.

    `validation` has what it is compared by, such as its `merit` over all replicates, by fixed strategy. One is compared
    throughout: the best of each replicate apart would be an upward-biased rival (a maximum over noise), which no choice
    of an activation attains. The first listed wins a tie, for the test accuracy must not break it.
    """
    return max(validation, key=validation.__getitem__, default=None)


def best_of_each(oriented: pd.DataFrame) -> "pd.Series[str]":
    """Return what `best_fixed` does for every row of a table, block × fixed strategy, in which some may be missing."""
    known = oriented.dropna(how="all")
    return known.idxmax(axis=1).astype("str") if len(known) else pd.Series(dtype="str")


def value_of(values: pd.DataFrame, strategies: "pd.Series[str]") -> "pd.Series[float]":
    """Return from such a table, block by block, the value of the strategy that is named."""
    long = values.stack()
    cells = long.reindex(pd.MultiIndex.from_arrays([strategies.index, strategies]))
    return pd.Series(cells.to_numpy("float64"), strategies.index)


def best_fixed_strategy(networks: Sequence[NetworkResult], metric: Metric = ACCURACY) -> str | None:
    """Return the `best_fixed` of a trial."""
    fixed = [n for n in networks if n.role == RANKED and n.strategy not in (SMARTMIXED, *RIVAL_NAMES)]
    values: dict[str, list[float]] = {network.strategy: [] for network in fixed}
    for network in fixed:
        values[network.strategy].append(_number(network.val.get(metric.quantity)))
    return best_fixed({name: merit(of_one, metric) for name, of_one in values.items()})


def merit(quantities: Sequence[float], metric: Metric) -> tuple[int, float]:
    """Return by what the replicates of a strategy are compared: how few have none, then the sum of values, oriented."""
    known = [quantity for quantity in quantities if not isnan(quantity)]
    return len(known) - len(quantities), metric.oriented(float(sum(known)))


def objective(
    networks: Sequence[NetworkResult], kind: str, metric: Metric = ACCURACY, uninformed: float = 0.0
) -> float:
    """Return what tuning maximises: from validation values only, always finite.

    `metric` is SmartMixed's mean over the replicates, oriented, `margin` that of its `margin` over the `best_fixed`.

    Args:
        networks: of a trial.
        kind: `margin` or `metric`, or `accuracy`, which is the metric.
        metric: what ranks.
        uninformed: the value of who knows nothing, which counts where a network has none.

    Raises:
        ConfigError: the kind is unknown, or there is no fixed strategy to take the margin over.

    """
    SETTINGS["objective"].rule.choice("objective", kind)

    def values(strategy: str) -> dict[int, float]:
        found = {n.replicate: n.val.get(metric.name) for n in networks if n.strategy == strategy}
        return {replicate: uninformed if value is None else value for replicate, value in found.items()}

    smartmixed = values(SMARTMIXED)
    if kind != "margin":
        return metric.oriented(sum(smartmixed.values()) / len(smartmixed))
    rival = best_fixed_strategy(networks, metric)
    if rival is None:
        raise ConfigError("objective 'margin' needs a fixed strategy beside smartmixed, but none was trained")
    fixed = values(rival)
    return sum(metric.gain(value, fixed[replicate]) for replicate, value in smartmixed.items()) / len(smartmixed)
