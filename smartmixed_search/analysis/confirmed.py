"""Confirmations: the best trials of a sweep, trained again on seeds that the sweep never used.

A sweep shows the best of many trials, all measured on the same few seeds: the luck of those seeds is chosen together
with the settings, so the best look better than they are (the winner's curse). Fresh seeds had no part in the choice.
"""

from dataclasses import dataclass, replace
from typing import Self

import pandas as pd

from smartmixed_search.analysis.identity import DATASET, identified
from smartmixed_search.analysis.leaderboard import BLOCK, block_rankings, rows_of_view
from smartmixed_search.tasks.metric import ACCURACY, Metric
from smartmixed_search.trials.config import SMARTMIXED, TrialConfig
from smartmixed_search.trials.ranking import is_fixed

_SEED_SHIFT = 1_000_000_007
_SEEDS = 2**63


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """The sweep that is confirmed: all of its trials have these in common."""

    sweep: str
    """Its name."""
    seed: int
    replicates: int

    @classmethod
    def of(cls, sweep: str, config: TrialConfig) -> Self:
        """Return what a sweep is, by the configuration of one of its trials."""
        return cls(sweep=sweep, seed=config.seed, replicates=config.replicates)

    @property
    def fresh_seed(self) -> int:
        """A seed other than the sweep's, and far enough from it that nobody counts up to it."""
        return (self.seed + _SEED_SHIFT) % _SEEDS

    def original_key(self, confirmation: TrialConfig) -> str:
        """Return the key of the trial that a configuration confirms."""
        return replace(confirmation, seed=self.seed, replicates=self.replicates).key


def with_confirmed(
    rows: pd.DataFrame, confirmed: pd.DataFrame | None, view: str = "tuned", metric: Metric = ACCURACY
) -> pd.DataFrame:
    """Return the rows of a view, those of confirmed blocks replaced by what the confirmation measured.

    A block is confirmed if the trial that represents SmartMixed in it was, and if the fixed strategies that represent
    theirs have the results that they have in that trial, as baselines of equal settings do. So a confirmation
    measures what the sweep has chosen, and chooses nothing; and all strategies of a block are of the same seeds. Of
    several confirmations of a trial the one with the most replicates counts.

    Args:
        rows: what `leaderboard.block_rankings` takes.
        confirmed: the same of confirmations, with the column `confirms`, the key of the confirmed trial; None: none.
        view: `tuned` or `default`.
        metric: by which trials are chosen.

    Returns:
        Rows with the column `confirmed`, from which `block_rankings` finds one for each strategy and block.

    Raises:
        ConfigError: the view is unknown.

    """
    rows = identified(rows_of_view(rows, view)).assign(confirmed=False)
    if confirmed is None or confirmed.empty or rows.empty:
        return rows
    confirmed = identified(confirmed)
    chosen = block_rankings(rows, metric=metric)
    most = confirmed.sort_values("replicates", kind="stable").drop_duplicates([*DATASET, "confirms"], keep="last")
    again = most[[*DATASET, "confirms", "trial"]].rename(columns={"trial": "trial_again"})
    own = (
        chosen[chosen["strategy"] == SMARTMIXED]
        .assign(confirms=lambda found: found["trial"])
        .merge(again, on=[*DATASET, "confirms"])
    )
    own = own[~own.set_index(BLOCK).index.isin(_blocks_of_other_baselines(rows, chosen, own["trial"], metric))]
    if own.empty:
        return rows
    covered = rows.set_index(BLOCK).index.isin(own.set_index(BLOCK).index)
    # Sweeps that differ only in their replicates have trials of their own, and confirmations of equal keys.
    counted = own[[*DATASET, "confirms", "trial_again"]].rename(columns={"trial_again": "trial"})
    measured = confirmed.merge(counted).drop(columns="confirms").assign(confirmed=True)
    return pd.concat([part for part in (rows[~covered], measured) if len(part)], ignore_index=True)


def _blocks_of_other_baselines(
    rows: pd.DataFrame, chosen: pd.DataFrame, trials: "pd.Series[str]", metric: Metric
) -> pd.MultiIndex:
    """Return the blocks in which a chosen fixed strategy has another result than in these trials."""
    result = [*BLOCK, "strategy", "replicates", metric.exact("val"), metric.exact("test")]
    there = rows.loc[rows["trial"].isin(trials), result].drop_duplicates()
    fixed = chosen[is_fixed(chosen)]
    found = fixed[result].merge(there, on=result, how="left", indicator=True)
    return pd.MultiIndex.from_frame(found.loc[found["_merge"] == "left_only", BLOCK])
