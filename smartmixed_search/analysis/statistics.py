"""Statistics of strategies compared over blocks: tests, and effects with intervals.

Every table here is block × strategy, one figure per cell, higher is better (an accuracy, or another metric that was
oriented so); a strategy missing from a block is NaN.

References: Demšar 2006 (JMLR 7, 1–30); Benavoli et al. 2017 (JMLR 18(77), 1–36).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from smartmixed_search.analysis.scale import ROPE
from smartmixed_search.analysis.signed_ranks import signed_rank_p
from smartmixed_search.trials.config import SMARTMIXED

Array = npt.NDArray[np.float64]

ALPHA = 0.05
MINIMUM_BLOCKS = 6
"""Below it no statistic is given: n pairs give no two-sided signed-rank p-value below 2 / 2^n, for five it is 0.06."""
SEED = 0
DRAWS = 10_000
"""Of the posterior: a probability is then known to within 0.005 (one standard error)."""
DECIMALS = 12
"""Differences are rounded to them: 0.9 − 0.8 and 0.8 − 0.7 are a tie, whatever their last bits."""

PAIR_COLUMNS = [
    "rival",
    "blocks",
    "wins",
    "ties",
    "losses",
    "mean_difference",
    "low",
    "high",
    "p",
    "p_holm",
    "p_better",
    "p_equal",
    "p_worse",
    "reason",
]


@dataclass(frozen=True)
class NotEnoughData:
    """Takes the place of a statistic that so little data would make misleading."""

    blocks: int
    """How many there are: architectures, or finished trials."""
    reason: str
    """Why they are not enough."""


@dataclass(frozen=True)
class Friedman:
    """Friedman's test over complete blocks, with Nemenyi's comparisons of all pairs (Demšar 2006, section 3.2.2)."""

    blocks: int
    """Those in which no strategy is missing; nothing else here knows the others."""
    mean_ranks: "pd.Series[float]"
    """By strategy, best first."""
    chi2: float
    chi2_p: float
    f: float
    """Iman and Davenport's correction, less conservative than χ²_F."""
    f_p: float
    critical_difference: float
    """Mean ranks at least this far apart differ significantly, at `ALPHA`."""
    groups: tuple[tuple[str, ...], ...]
    """Largest sets of strategies among which none differ significantly: the bars of a critical-difference diagram."""
    nemenyi: pd.DataFrame
    """p-values, strategy × strategy."""


@dataclass(frozen=True)
class Interval:
    """A mean over blocks with its 95 % bootstrap interval."""

    blocks: int
    mean: float
    low: float
    high: float


def friedman(scores: pd.DataFrame) -> Friedman | NotEnoughData:
    """Test whether the strategies differ at all, and which pairs do, over the blocks that have every strategy.

    Demšar's formulas have no correction for ties, with which the test is conservative.
    """
    complete = scores.dropna()
    blocks, k = complete.shape
    if k < 3:
        return NotEnoughData(blocks, f"Friedman's test needs at least 3 strategies, but got {k}")
    if reason := _too_few(blocks):
        return NotEnoughData(blocks, reason)
    ranks = complete.round(DECIMALS).rank(axis=1, ascending=False)
    mean_ranks = ranks.mean().sort_values(kind="stable")
    chi2 = 12 * blocks / (k * (k + 1)) * float((mean_ranks**2).sum() - k * (k + 1) ** 2 / 4)
    chi2 = float(np.clip(chi2, 0, blocks * (k - 1)))
    # Equal rankings in all blocks leave nothing to divide by. F_F holds its level from here on: simulated with k = 7,
    # 0.055 at 6 blocks, where that of χ²_F is 0.037.
    left = blocks * (k - 1) - chi2
    f = (blocks - 1) * chi2 / left if left > 0 else np.inf
    critical = _critical_difference(k, blocks)
    return Friedman(
        blocks=blocks,
        mean_ranks=mean_ranks,
        chi2=chi2,
        chi2_p=float(stats.chi2.sf(chi2, k - 1)),
        f=f,
        f_p=float(stats.f.sf(f, k - 1, (k - 1) * (blocks - 1))),
        critical_difference=critical,
        groups=_groups(mean_ranks, critical),
        nemenyi=_nemenyi(ranks),
    )


def _too_few(blocks: int) -> str | None:
    return None if blocks >= MINIMUM_BLOCKS else f"{blocks} of at least {MINIMUM_BLOCKS} blocks"


def _critical_difference(k: int, blocks: int) -> float:
    quantile = stats.studentized_range.ppf(1 - ALPHA, k, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(k * (k + 1) / (6 * blocks)))


def _groups(mean_ranks: "pd.Series[float]", critical: float) -> tuple[tuple[str, ...], ...]:
    names, ranks = list(mean_ranks.index), mean_ranks.to_numpy()
    found: list[tuple[str, ...]] = []
    reached = 0
    for first in range(len(names)):
        end = int(np.searchsorted(ranks, ranks[first] + critical))
        if end > max(reached, first + 1):
            found.append(tuple(names[first:end]))
        reached = max(reached, end)
    return tuple(found)


def _nemenyi(ranks: pd.DataFrame) -> pd.DataFrame:
    from scikit_posthocs import posthoc_nemenyi_friedman  # it imports matplotlib and seaborn, half a second

    table: pd.DataFrame = posthoc_nemenyi_friedman(ranks)
    return table


def mean_interval(differences: "pd.Series[float]", *, seed: int = SEED) -> Interval | NotEnoughData:
    """Return the mean difference over blocks, with a bias-corrected and accelerated bootstrap interval.

    Taking the differences first is what pairs the bootstrap: blocks are drawn, not figures. NaN are left out.
    """
    values = _differences(differences)
    if reason := _too_few(len(values)):
        return NotEnoughData(len(values), reason)
    mean = float(values.mean())
    if np.ptp(values) == 0:  # nothing varies, and BCa divides by how much
        return Interval(len(values), mean, mean, mean)
    rng = np.random.default_rng(seed)
    found = stats.bootstrap((values,), np.mean, batch=1000, rng=rng, method="BCa").confidence_interval
    return Interval(len(values), mean, float(found.low), float(found.high))


def mean_intervals(differences: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return one row per column of differences: its name, `blocks`, `mean`, `low`, `high`, and the `reason` for none.

    `name` is that of the first column; see `mean_interval`.
    """
    rows = [
        {name: kind, "mean": of_kind.mean(), **vars(mean_interval(of_kind))} for kind, of_kind in differences.items()
    ]
    table = pd.DataFrame(rows, columns=[name, "blocks", "mean", "low", "high", "reason"])
    return table.astype({"low": "float64", "high": "float64", "reason": "str"})


def _differences(differences: "pd.Series[float]") -> Array:
    return np.round(differences.dropna().to_numpy("float64"), DECIMALS)


def pairs(scores: pd.DataFrame, reference: str = SMARTMIXED, *, rope: float = ROPE, seed: int = SEED) -> pd.DataFrame:
    """Compare the reference with every other strategy, over the blocks that have both.

    Returns one row per rival with `PAIR_COLUMNS`, in the table's order; differences are reference minus rival:

    * `low`, `high`: 95 % bootstrap interval of `mean_difference`;
    * `p`, `p_holm`: Wilcoxon's signed-rank test, see `signed_ranks`, and its p-value corrected by Holm for the number
      of rivals;
    * `p_better`, `p_equal`, `p_worse`: posterior probability that the reference is better than the rival by more than
      `rope`, equal within it, or worse; see `signed_rank_posterior`;
    * `reason`: why figures are missing, if any are.
    """
    rivals = [name for name in scores.columns if name != reference]
    table = pd.DataFrame(
        [_pair(name, scores[reference] - scores[name], len(rivals), rope, seed) for name in rivals],
        columns=PAIR_COLUMNS,
    ).astype({"rival": "str", "reason": "str"} | dict.fromkeys(PAIR_COLUMNS[5:-1], "float64"))
    tested = table["p"].notna()
    if tested.any():
        table.loc[tested, "p_holm"] = holm(table.loc[tested, "p"].to_numpy())
    return table


def _pair(rival: str, differences: "pd.Series[float]", rivals: int, rope: float, seed: int) -> dict[str, object]:
    values = _differences(differences)
    counts = {"wins": (values > 0).sum(), "ties": (values == 0).sum(), "losses": (values < 0).sum()}
    row: dict[str, object] = {"rival": rival, "blocks": len(values), **counts}
    interval = mean_interval(differences, seed=seed)
    if isinstance(interval, NotEnoughData):
        return row | {"mean_difference": values.mean() if len(values) else np.nan, "reason": interval.reason}
    row |= {"mean_difference": interval.mean, "low": interval.low, "high": interval.high}
    posterior = bayesian_signed_rank(values, rope=rope, seed=seed)
    row |= dict(zip(("p_better", "p_equal", "p_worse"), posterior, strict=True))
    # Holm multiplies the smallest p-value by the number of rivals: not even a win in every block could pass.
    needed = int(np.ceil(np.log2(2 * rivals / ALPHA)))
    if len(values) < needed:
        return row | {"reason": f"{len(values)} of the {needed} blocks that a Holm-corrected p-value needs"}
    return row | {"p": signed_rank_p(values)}


def holm(p_values: Array) -> Array:
    """Return p-values corrected for their number by Holm's method."""
    from statsmodels.stats.multitest import multipletests  # a third of a second to import

    corrected: Array = multipletests(p_values, alpha=ALPHA, method="holm")[1]
    return corrected


def bayesian_signed_rank(
    differences: Array, *, rope: float = ROPE, seed: int = SEED, draws: int = DRAWS
) -> tuple[float, float, float]:
    """Return the probabilities that the difference is above the rope, within it and below it (Benavoli et al. 2017).

    Each is the share of the posterior's draws in which that region is the likeliest of the three; regions that are
    equally likely share a draw. So with a rope of 0, which leaves nothing within it, differences that are all zero give
    ½, 0 and ½: neither side is favoured. The prior is one pseudo-difference of zero with weight ½.
    """
    rng = np.random.default_rng(seed)
    strength = np.concatenate([[0.5], np.ones(len(differences))])
    won = np.zeros(3)
    batch = max(1, 1_000_000 // len(strength))
    for start in range(0, draws, batch):
        weights = rng.dirichlet(strength, min(batch, draws - start))
        shares = signed_rank_posterior(differences, weights, rope)
        likeliest = shares >= shares.max(axis=1, keepdims=True) - 10.0**-DECIMALS  # sums of equal terms differ by bits
        won += (likeliest / likeliest.sum(axis=1, keepdims=True)).sum(axis=0)
    above, within, below = (won / draws).tolist()
    return above, within, below


def signed_rank_posterior(differences: Array, weights: Array, rope: float) -> Array:
    """Return θ_above, θ_within and θ_below of every draw (Benavoli et al. 2017), draws × 3.

    θ_above is the weight w_i·w_j of all pairs whose mean difference exceeds the rope, pairs exactly on it counting
    half. `weights`, draws × (n + 1), are those of the prior's zero and the n differences. Sorted, the partners of each
    difference are the tail of the others, so that a draw costs n steps and not n².
    """
    values = np.concatenate([[0.0], differences])
    order = np.argsort(values)
    values, weights = np.round(values[order], DECIMALS), weights[:, order]
    cumulated = np.pad(weights.cumsum(axis=1), ((0, 0), (1, 0)))
    total = cumulated[:, -1:]

    def up_to(thresholds: Array) -> Array:
        below, through = (np.searchsorted(values, np.round(thresholds, DECIMALS), side) for side in ("left", "right"))
        half: Array = (cumulated[:, below] + cumulated[:, through]) / 2
        return half

    above = (weights * (total - up_to(2 * rope - values))).sum(axis=1)
    below = (weights * up_to(-2 * rope - values)).sum(axis=1)
    shares: Array = np.stack([above, 1 - above - below, below], axis=1)
    return shares
