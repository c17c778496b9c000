"""Phase 2 against phase 1: what SmartMixed gains after the handoff, gross and net of what epochs give any network."""

import pandas as pd

from smartmixed_search.tasks.metric import ACCURACY, Metric
from smartmixed_search.trials.config import SMARTMIXED
from smartmixed_search.trials.ranking import is_fixed

GAINS = {
    "gross_argmax": "over phase 1 without noise, each neuron with its likeliest function",
    "gross_sampled": "over phase 1 as it trains, each neuron with a sampled function",
    "net_argmax": "over phase 1 without noise, less what the extra epochs give the median fixed activation",
    "net_sampled": "over phase 1 with sampled functions, less what the extra epochs give the median fixed activation",
}
"""What phase 2 gains in the test metric, by how phase 1 is evaluated."""


def at_handoff(metric: Metric) -> str:
    """Return the column of a network's test metric at the handoff."""
    return f"{metric.test}_at_handoff"


def in_phase1(metric: Metric, evaluated: str) -> str:
    """Return the column of the test metric of SmartMixed's phase 1, evaluated with its `argmax` or `sampled`."""
    return f"phase1_{metric.test}_{evaluated}"


def phase_columns(metric: Metric = ACCURACY) -> list[str]:
    """Return what `phase_gains` reads beside `leaderboard.strategy_columns`; one that is not there is unknown."""
    return [at_handoff(metric), in_phase1(metric, "argmax"), in_phase1(metric, "sampled")]


def phase_gains(rows: pd.DataFrame, blocks: pd.DataFrame, metric: Metric = ACCURACY) -> pd.DataFrame:
    """Return what phase 2 gained in the test metric in each architecture's chosen trial of SmartMixed.

    `rows` are the strategies of all trials on one dataset, `blocks` what `leaderboard.block_rankings` chose from them.
    Columns: `architecture`; `extra_epochs`, what the epochs after the handoff gave the fixed strategies of that trial,
    the median over them, because one that trains slowly (sigmoid) gains by far the most and would decide a mean; and
    those of `GAINS`, NaN where something is unknown.
    """
    own = blocks[blocks["strategy"] == SMARTMIXED].reset_index(drop=True)
    own = own.reindex(columns=["architecture", "trial", metric.test, *phase_columns(metric)])
    extra = _extra_epochs(rows, metric).reindex(own["trial"]).to_numpy("float64")
    gains = pd.DataFrame({"architecture": own["architecture"], "extra_epochs": extra})
    for phase1 in ("argmax", "sampled"):
        gross = metric.gain(own[metric.test], own[in_phase1(metric, phase1)])
        gains[f"gross_{phase1}"] = gross
        gains[f"net_{phase1}"] = gross - gains["extra_epochs"]
    return gains[["architecture", "extra_epochs", *GAINS]].astype(dict.fromkeys(GAINS, "float64"))


def _extra_epochs(rows: pd.DataFrame, metric: Metric) -> "pd.Series[float]":
    fixed = rows[is_fixed(rows)].reindex(columns=["trial", metric.test, at_handoff(metric)])
    return metric.gain(fixed[metric.test], fixed[at_handoff(metric)]).groupby(fixed["trial"]).median()
