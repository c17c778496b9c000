"""What tuning learned: how the objective responds to the settings, and which of them matter.

Architectures differ more than settings do, so the objective is taken relative to its mean in the architecture.
"""

from typing import TypeVar

import numpy as np
import pandas as pd
from scipy import stats

from smartmixed_search.analysis.identity import by_dataset
from smartmixed_search.analysis.statistics import DECIMALS, SEED, NotEnoughData, mean_interval
from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import counted, one_of
from smartmixed_search.trials.records import FINISHED

SETTINGS = ("phase_fraction", "temperature")
PARAMETERS = (*SETTINGS, "selection_epochs")
MINIMUM_TRIALS = 20
BINS = 4
RESPONSE_COLUMNS = ["from", "to", "trials", "mean", "low", "high"]
IMPORTANCE_COLUMNS = ["factor", "levels", "share", "p"]


Table = TypeVar("Table", "pd.Series[float]", pd.DataFrame)


def response(trials: pd.DataFrame, parameter: str, *, bins: int = BINS, seed: int = SEED) -> pd.DataFrame:
    """Return the objective, relative to its mean in the architecture, by quantiles of a setting.

    `trials` is what the function `trials` returns, on one dataset and of one kind of objective. Finished ones count,
    if their architecture has at least two, as a single one has nothing to be relative to. Returns `RESPONSE_COLUMNS`:

    * `from`, `to`: smallest and largest value in the bin. A parameter of at most `bins` values has one bin for each;
      where many trials share a value, there are fewer bins, so that none of them cuts through it;
    * `mean`: of the relative objective, in units of the objective; `low`, `high`: its 95 % bootstrap interval over the
      trials, NaN for too few.

    Raises:
        ConfigError: the parameter is not one of `PARAMETERS`.
        ValueError: the trials are of several datasets or kinds of objective.

    """
    if parameter not in PARAMETERS:
        raise ConfigError(one_of("the parameter", parameter, PARAMETERS))
    trials = _finished(trials)
    trials = trials[trials.groupby("architecture")["objective"].transform("size") > 1]
    values = trials[parameter].astype("float64")
    relative = _relative(trials["objective"], trials["architecture"])
    rows = []
    for _, inside in values.groupby(_bins(values, bins)):
        objectives = relative[inside.index]
        found = mean_interval(objectives, seed=seed)
        low, high = (np.nan, np.nan) if isinstance(found, NotEnoughData) else (found.low, found.high)
        rows.append((inside.min(), inside.max(), len(inside), objectives.mean(), low, high))
    return pd.DataFrame(rows, columns=RESPONSE_COLUMNS)


def _finished(trials: pd.DataFrame) -> pd.DataFrame:
    finished = trials[trials["status"] == FINISHED].reset_index(drop=True)
    datasets = [name for name, _ in by_dataset(finished)]
    for what, found in (("dataset", datasets), ("kind of objective", finished["objective_kind"].unique())):
        if len(found) > 1:
            raise ValueError(f"trials must be of one {what}, but got {', '.join(sorted(found))}")
    return finished


def _bins(values: "pd.Series[float]", bins: int) -> "pd.Series[int]":
    """Return the number of each value's bin: quantiles, so a logarithm of the values would change nothing."""
    if values.nunique() <= bins:
        return values.rank(method="dense").astype("int64")
    return pd.Series(pd.qcut(values, bins, labels=False, duplicates="drop"), index=values.index)


def importance(trials: pd.DataFrame) -> pd.DataFrame | NotEnoughData:
    """Return how much of the objective's variance over the finished trials each factor accounts for.

    `trials` is what the function `trials` returns, on one dataset and of one kind of objective. The settings are cut
    into `BINS` quantile bins and judged inside the architectures, each without regard to the other setting. Returns
    `IMPORTANCE_COLUMNS`, the most important factor first:

    * `levels`: architectures, or bins;
    * `share` of the variance, in [0, 1]: ε², which is η² less what random numbers would give that many levels (Kelley
      1935, Proceedings of the National Academy of Sciences 21, 554–559). At most 0 is 0; NaN: the factor was constant,
      or follows from the architecture;
    * `p`: of the F-test that the factor has no effect.

    Shares do not see interactions and need not add up to 1: what is left is noise, or the settings acting together.
    """
    trials = _finished(trials)
    n, blocks = len(trials), trials["architecture"].nunique()
    if n < MINIMUM_TRIALS:
        return NotEnoughData(n, f"{n} of at least {MINIMUM_TRIALS} finished trials")
    objective, architecture = trials["objective"], trials["architecture"]
    if objective.nunique() == 1:
        return NotEnoughData(n, "the objective is the same in all finished trials")
    if n - blocks < BINS:
        return NotEnoughData(
            n, f"{counted(n, 'finished trial')} of {counted(blocks, 'architecture')}: too few trials of each"
        )
    relative = _relative(objective, architecture)
    total, inside = _squares(objective - objective.mean()), _squares(relative)
    rows = [("architecture", blocks, *_share(total - inside, blocks - 1, inside, n - blocks, total))]
    for name in SETTINGS:
        levels = pd.get_dummies(_bins(trials[name], BINS), dtype="float64")
        left, rank = _unexplained(relative, _relative(levels, architecture))
        rows.append((name, levels.shape[1], *_share(inside - left, rank, left, n - blocks - rank, total)))
    table = pd.DataFrame(rows, columns=IMPORTANCE_COLUMNS)
    return table.sort_values("share", ascending=False, kind="stable", ignore_index=True)


def _relative(values: Table, architecture: "pd.Series[str]") -> Table:
    """Return the values less their mean in the architecture."""
    return (values - values.groupby(architecture).transform("mean")).round(DECIMALS)


def _squares(values: "pd.Series[float]") -> float:
    return float((values**2).sum())


def _share(effect: float, freedom: int, left: float, left_freedom: int, total: float) -> tuple[float, float]:
    """Return ε² and p of an effect, given as sum of squares and degrees of freedom, as is what it leaves."""
    if freedom == 0:
        return np.nan, np.nan
    noise = left / left_freedom
    p = float(stats.f.sf(effect / freedom / noise, freedom, left_freedom)) if noise > 0 else float(effect == 0)
    return max(0.0, (effect - freedom * noise) / total), p


def _unexplained(values: "pd.Series[float]", by: pd.DataFrame) -> tuple[float, int]:
    """Return the sum of squares that a linear fit leaves, and its rank."""
    coefficients, _, rank, _ = np.linalg.lstsq(by.to_numpy(), values.to_numpy())
    return _squares(values - by.to_numpy() @ coefficients), int(rank)
