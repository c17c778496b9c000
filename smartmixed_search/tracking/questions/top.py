"""The best strategies, of all architectures or of each, and the best trials, picked from tables of runs."""

import pandas as pd

from smartmixed_search.analysis.identity import DATASET
from smartmixed_search.analysis.leaderboard import block_rankings, leaderboard
from smartmixed_search.tracking.tables.tables import best_trials
from smartmixed_search.trials.config import SMARTMIXED
from smartmixed_search.trials.convergence import CONVERGED_CONFIDENCE, count_unconverged

TOP_COLUMNS = {
    "strategy": [
        *DATASET,
        "place",
        "strategy",
        "mean_rank",
        "mrr",
        "wins",
        "top3_rate",
        "blocks",
        "trials",
        "draws",
        "test_accuracy",
        "phase_fraction",
        "temperature",
        "choice_confidence",
        "selection_converged",
        "unconverged",
    ],
    "architecture": [
        *DATASET,
        "architecture",
        "rank",
        "strategy",
        "test_accuracy",
        "val_accuracy",
        "phase_fraction",
        "temperature",
        "choice_confidence",
        "selection_converged",
        "sweep",
        "trial",
    ],
    "trial": [
        *DATASET,
        "architecture",
        "objective_kind",
        "objective",
        "smartmixed_rank",
        "smartmixed_test_accuracy",
        "best_fixed",
        "best_fixed_test_accuracy",
        "phase_fraction",
        "temperature",
        "choice_confidence",
        "selection_converged",
        "status",
        "sweep",
        "trial",
    ],
}
"""Columns of `top`, by what it lists."""

_SETTING = ["phase_fraction", "temperature"]
"""Neither steers anything but SmartMixed's selection."""


def top_strategies(rows: pd.DataFrame, k: int) -> pd.DataFrame:
    """Return the first k places of the leaderboard of `tables.strategy_table`'s rows with ties, and SmartMixed's."""
    chosen = block_rankings(rows)
    board = leaderboard(rows, blocks=chosen)
    smartmixed = chosen[chosen["strategy"] == SMARTMIXED].groupby([*DATASET, "strategy"])
    figures = smartmixed[_SETTING].median().join(smartmixed["choice_confidence"].mean())
    figures["unconverged"] = smartmixed["choice_confidence"].agg(count_unconverged)
    board = board.join(figures, on=[*DATASET, "strategy"]).astype({"unconverged": "Int64"})
    return _shown(board[(board["place"] <= k) | (board["strategy"] == SMARTMIXED)], "strategy")


def top_by_architecture(rows: pd.DataFrame, k: int) -> pd.DataFrame:
    """Return every block's strategies of rank k or better, and SmartMixed's, of `tables.strategy_table`'s rows."""
    best = block_rankings(rows)
    best = best[(best["rank"] <= k) | (best["strategy"] == SMARTMIXED)].copy()
    best.loc[best["strategy"] != SMARTMIXED, _SETTING] = float("nan")
    return _shown(best, "architecture")


def top_trials(rows: pd.DataFrame, k: int) -> pd.DataFrame:
    """Return the k best of `tables.trial_table`'s rows, for every dataset and kind of objective."""
    return _shown(best_trials(rows, k), "trial")


def _shown(best: pd.DataFrame, by: str) -> pd.DataFrame:
    confidence = best["choice_confidence"]
    converged = (confidence >= CONVERGED_CONFIDENCE).astype("boolean").mask(confidence.isna())
    return best.assign(selection_converged=converged)[TOP_COLUMNS[by]].reset_index(drop=True)
