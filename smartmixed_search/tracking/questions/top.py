"""The best strategies, of all architectures or of each, and the best trials, picked from tables of runs."""

from collections.abc import Callable, Iterator, Mapping

import pandas as pd

from smartmixed_search.analysis.identity import DATASET, identified
from smartmixed_search.analysis.leaderboard import block_rankings, known_of, leaderboard
from smartmixed_search.analysis.scale import Scale
from smartmixed_search.tasks.metric import ACCURACY, Metric
from smartmixed_search.tracking.tables.measured import Data
from smartmixed_search.tracking.tables.tables import RANKED_BY, best_trials, ranked_by
from smartmixed_search.trials.config import SMARTMIXED
from smartmixed_search.trials.convergence import CONVERGED_CONFIDENCE, count_unconverged
from smartmixed_search.trials.ranking import best_of_each, is_fixed, value_of
from smartmixed_search.trials.records import RANKED

_SETTING = ["phase_fraction", "temperature"]
"""Neither steers anything but SmartMixed's selection."""
_SELECTION = ["choice_confidence", "selection_converged"]
LISTS = ("strategy", "architecture", "trial")
"""What `top` lists."""


def top_columns(by: str, metric: Metric = ACCURACY) -> list[str]:
    """Return the columns of `top`, by what it lists."""
    counted = ["place", "strategy", "mean_rank", "mrr", "wins", "top3_rate", "blocks", "trials", "draws"]
    outcome = ["smartmixed_rank", f"smartmixed_{metric.test}", "best_fixed", f"best_fixed_{metric.test}"]
    columns = {
        "strategy": [*counted, metric.test, "parameters", *_SETTING, *_SELECTION, "unconverged", "missing"],
        "architecture": [
            *["architecture", "rank", "strategy", metric.test, metric.val, "parameters"],
            *[*_SETTING, *_SELECTION, "sweep", "trial"],
        ],
        "trial": [
            *["architecture", "objective_kind", "objective", *outcome, *_SETTING, *_SELECTION],
            *["status", "sweep", "trial"],
        ],
    }
    return [*DATASET, *columns[by], *RANKED_BY]


def top_strategies(rows: pd.DataFrame, k: int, metric: Metric) -> pd.DataFrame:
    """Return the first k places of the leaderboard of `tables.strategy_table`'s rows with ties, and SmartMixed's."""
    chosen = block_rankings(rows, metric=metric)
    board = leaderboard(rows, blocks=chosen, metric=metric)
    smartmixed = chosen[chosen["strategy"] == SMARTMIXED].groupby([*DATASET, "strategy"])
    figures = smartmixed[_SETTING].median().join(smartmixed["choice_confidence"].mean())
    figures["unconverged"] = smartmixed["choice_confidence"].agg(count_unconverged)
    lacking = known_of(chosen, metric, "test").isna().groupby([chosen[name] for name in (*DATASET, "strategy")]).sum()
    board = board.join(figures, on=[*DATASET, "strategy"]).join(lacking.rename("missing"), on=[*DATASET, "strategy"])
    board = board.join(chosen.groupby([*DATASET, "strategy"])["parameters"].mean().round(), on=[*DATASET, "strategy"])
    board = board.astype({"unconverged": "Int64", "missing": "Int64", "parameters": "Int64"})
    return _shown(board[(board["place"] <= k) | (board["strategy"] == SMARTMIXED)], "strategy", metric)


def top_by_architecture(rows: pd.DataFrame, k: int, metric: Metric) -> pd.DataFrame:
    """Return every block's strategies of rank k or better, and SmartMixed's, of `tables.strategy_table`'s rows."""
    best = block_rankings(rows, metric=metric)
    best = best[(best["rank"] <= k) | (best["strategy"] == SMARTMIXED)].copy()
    best.loc[best["strategy"] != SMARTMIXED, _SETTING] = float("nan")
    return _shown(best, "architecture", metric)


def top_trials(rows: pd.DataFrame, k: int, metric: Metric) -> pd.DataFrame:
    """Return the k best of `tables.trial_table`'s rows, for every dataset and kind of objective."""
    return _shown(best_trials(rows, k), "trial", metric)


def measured_by(trials: pd.DataFrame, strategies: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Return trials with the objective and the outcome that they have by a metric, from their strategies' means.

    Args:
        trials: rows of `tables.trial_table`.
        strategies: of the same trials, rows of `tables.strategy_table`.
        metric: one that was recorded, whichever ranks.
    """
    known = strategies.assign(
        **{name: known_of(strategies, metric, split) for split, name in (("val", metric.val), ("test", metric.test))}
    )
    validations, tests = (_wide(known, column) for column in (metric.val, metric.test))
    exact = _wide(known, metric.exact("test"))
    fixed = strategies.loc[is_fixed(strategies), "strategy"].unique()
    rivals = best_of_each(metric.oriented(validations[fixed])).reindex(validations.index)
    ranked = strategies.loc[strategies["role"] == RANKED, "strategy"].unique()
    ranks = metric.oriented(exact[ranked]).rank(axis=1, method="min", ascending=False, na_option="bottom")

    own = metric.oriented(validations[SMARTMIXED])
    found = pd.DataFrame(
        {
            "own": own,
            "margin": metric.gain(validations[SMARTMIXED], value_of(validations, rivals)),
            "smartmixed_rank": ranks[SMARTMIXED].astype("Int64"),
            "best_fixed": rivals,
            f"smartmixed_{metric.test}": tests[SMARTMIXED],
            f"best_fixed_{metric.test}": value_of(tests, rivals),
        }
    )
    found = found.reindex(trials["run_id"]).set_axis(trials.index)
    objective = found["margin"].where(trials["objective_kind"] == "margin", found["own"])
    told = found.drop(columns=["own", "margin"]).assign(objective=objective, **ranked_by(metric))
    return trials.assign(**{str(name): values for name, values in told.items()})


def _wide(strategies: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return a column, trial's run × strategy."""
    names = strategies["strategy"].unique()
    return strategies.pivot(index="parent_id", columns="strategy", values=column)[names].astype("float64")


def each_by_its_metric(
    rows: pd.DataFrame, scales: Mapping[Data, Scale], by: str, pick: Callable[[pd.DataFrame, Metric], pd.DataFrame]
) -> pd.DataFrame:
    """Return what is picked from the rows of each dataset by its metric, those of one metric together."""
    found = [pick(of_one, metric) for metric, of_one in _apart(identified(rows), scales)]
    if not found:
        return pd.DataFrame(columns=top_columns(by, next((one.metric for one in scales.values()), ACCURACY)))
    return found[0] if len(found) == 1 else pd.concat(found, ignore_index=True)


def _apart(rows: pd.DataFrame, scales: Mapping[Data, Scale]) -> Iterator[tuple[Metric, pd.DataFrame]]:
    data = pd.Series(list(zip(rows["dataset"], rows["checksum"], strict=True)), rows.index, dtype=object)
    for metric in dict.fromkeys(scale.metric for scale in scales.values()):
        alike = [one for one, scale in scales.items() if scale.metric == metric]
        of_one = rows[data.isin(alike)]
        if len(of_one):
            yield metric, of_one


def _shown(best: pd.DataFrame, by: str, metric: Metric) -> pd.DataFrame:
    confidence = best["choice_confidence"]
    converged = (confidence >= CONVERGED_CONFIDENCE).astype("boolean").mask(confidence.isna())
    told = best.assign(selection_converged=converged, **ranked_by(metric))
    return told[top_columns(by, metric)].reset_index(drop=True)
