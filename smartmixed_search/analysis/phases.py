"""Phase 2 against phase 1: what SmartMixed gains after the handoff, gross and net of what epochs give any network."""

import pandas as pd

from smartmixed_search.trials.config import SMARTMIXED
from smartmixed_search.trials.ranking import is_fixed

GAINS = {
    "gross_argmax": "over phase 1 without noise, each neuron with its likeliest function",
    "gross_sampled": "over phase 1 as it trains, each neuron with a sampled function",
    "net_argmax": "over phase 1 without noise, less what the extra epochs give the median fixed activation",
    "net_sampled": "over phase 1 with sampled functions, less what the extra epochs give the median fixed activation",
}
"""What phase 2's test accuracy gains, by how phase 1 is evaluated."""
PHASE_COLUMNS = ["test_accuracy_at_handoff", "phase1_test_accuracy_argmax", "phase1_test_accuracy_sampled"]
"""What `phase_gains` reads beside `leaderboard.STRATEGY_COLUMNS`; a column that is not there is unknown throughout."""


def phase_gains(rows: pd.DataFrame, blocks: pd.DataFrame) -> pd.DataFrame:
    """Return what phase 2 gained in test accuracy in each architecture's chosen trial of SmartMixed.

    `rows` are the strategies of all trials on one dataset, `blocks` what `leaderboard.block_rankings` chose from them.
    Columns: `architecture`; `extra_epochs`, what the epochs after the handoff gave the fixed strategies of that trial,
    the median over them, because one that trains slowly (sigmoid) gains by far the most and would decide a mean; and
    those of `GAINS`, NaN where something is unknown.
    """
    own = blocks[blocks["strategy"] == SMARTMIXED].reset_index(drop=True)
    own = own.reindex(columns=["architecture", "trial", "test_accuracy", *PHASE_COLUMNS])
    extra = _extra_epochs(rows).reindex(own["trial"]).to_numpy("float64")
    gains = pd.DataFrame({"architecture": own["architecture"], "extra_epochs": extra})
    for phase1 in ("argmax", "sampled"):
        gross = own["test_accuracy"] - own[f"phase1_test_accuracy_{phase1}"]
        gains[f"gross_{phase1}"] = gross
        gains[f"net_{phase1}"] = gross - gains["extra_epochs"]
    return gains[["architecture", "extra_epochs", *GAINS]].astype(dict.fromkeys(GAINS, "float64"))


def _extra_epochs(rows: pd.DataFrame) -> "pd.Series[float]":
    fixed = rows[is_fixed(rows)]
    fixed = fixed.reindex(columns=["trial", "test_accuracy", *PHASE_COLUMNS])
    return (fixed["test_accuracy"] - fixed["test_accuracy_at_handoff"]).groupby(fixed["trial"]).median()
