"""Confirmations: the best trials of a sweep, trained again on seeds that the sweep never used.

A sweep shows the best of many trials, all measured on the same few seeds: the luck of those seeds is chosen together
with the settings, so the best look better than they are (the winner's curse). Fresh seeds had no part in the choice.
"""

from dataclasses import dataclass, replace
from typing import Self

import pandas as pd

from smartmixed_search.config import TrialConfig
from smartmixed_search.ranking import BLOCK, block_rankings, rows_of_view

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


def with_confirmed(rows: pd.DataFrame, confirmed: pd.DataFrame | None, view: str = "tuned") -> pd.DataFrame:
    """Return the rows of a view, those of confirmed blocks replaced by what the confirmation measured.

    In a block with confirmed trials each strategy is represented by that one of them which had the highest validation
    accuracy *in the sweep*: the confirmation measures, it does not choose. Of several confirmations of a trial the one
    with the most replicates counts.

    Args:
        rows: what `ranking.block_rankings` takes.
        confirmed: the same of confirmations, with the column `confirms`, the key of the confirmed trial; None: none.
        view: `tuned` or `default`.

    Returns:
        Rows with the column `confirmed`, from which `block_rankings` finds one for each strategy and block.

    Raises:
        ConfigError: the view is unknown.

    """
    rows = rows_of_view(rows, view)
    if confirmed is None or confirmed.empty:
        return rows.assign(confirmed=False)
    usable = confirmed[confirmed["confirms"].isin(rows["trial"])].sort_values("replicates", kind="stable")
    usable = usable.drop_duplicates([*BLOCK, "strategy", "confirms"], keep="last")
    covered = rows.set_index(BLOCK).index.isin(usable.set_index(BLOCK).index)
    chosen = block_rankings(rows[covered & rows["trial"].isin(usable["confirms"])])
    chosen = chosen[[*BLOCK, "strategy", "trial"]].rename(columns={"trial": "confirms"})
    measured = usable.merge(chosen, on=[*BLOCK, "strategy", "confirms"]).drop(columns="confirms")
    parts = [part for part in (rows[~covered].assign(confirmed=False), measured.assign(confirmed=True)) if len(part)]
    return pd.concat(parts, ignore_index=True)
