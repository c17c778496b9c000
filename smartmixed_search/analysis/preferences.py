"""Activation preferences: which functions the neurons of SmartMixed's networks chose, and where in the network.

The neurons of a network choose together, so intervals and tests here count networks or architectures, never neurons.
They hold where the selection has converged. Where it has not, choices are the initial tilts, which a replicate shares
over architectures: simulated with such choices (12 architectures, 3 replicates), the intervals of the first layer
cover the truth in 4 of 10 cases, and a trend is found in 2 of 10 where there is none.

Reference: Hesterberg 2015 (The American Statistician 69(4), 371–386).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from smartmixed_search.analysis.identity import DATASET, by_dataset, identified
from smartmixed_search.analysis.signed_ranks import signed_rank_p
from smartmixed_search.analysis.statistics import (
    ALPHA,
    DECIMALS,
    MINIMUM_BLOCKS,
    SEED,
    Array,
    NotEnoughData,
    mean_interval,
)

CHOICE_COLUMNS = {
    "dataset": "str",
    "architecture": "str",
    "trial": "str",
    "replicate": "int64",
    "layer": "int64",
    "function": "str",
    "count": "int64",
}
SHARE_COLUMNS = ["function", "share", "low", "high", "uniform", "networks", "neurons"]
TREND_COLUMNS = ["family", "claimed", "blocks", "networks", "slope", "low", "high", "p", "reason"]
AGREEMENT_COLUMNS = ["layer", "neurons", "replicates", "agreement", "by_chance", "kappa"]
MEAN_AGREEMENT_COLUMNS = ["layer", "architectures", "trials", "agreement", "by_chance", "kappa", "low", "high"]
HOLDS, NOT_SHOWN, CONTRADICTED, NOT_ENOUGH = "holds", "is not shown", "is contradicted", "cannot be judged"
"""What the figures of `trend` may say of the article's claim; see `verdict`."""

FAMILIES = {"ReLU / Leaky ReLU": ("relu", "leaky_relu"), "ELU / SELU": ("elu", "selu")}
CLAIMED = {"ReLU / Leaky ReLU": "falls", "ELU / SELU": "rises"}
"""What the article says of each family's share from the first layer to the last."""
DRAWS = 4000
"""Of the bootstrap: ten of them are beyond either end of the interval where it is hardest, at `MINIMUM_BLOCKS`."""

Artifact = Mapping[str, Mapping[str, Sequence[str]]]
"""What choices.json holds: {replicate: {layer: [function, …]}}."""

_BLOCK = [*DATASET, "architecture"]
_SEEDS = [*_BLOCK, "replicate"]
NETWORK = [*_SEEDS, "trial"]
"""What tells the networks of a frame apart."""


def choices_frame(dataset: str, architecture: str, trial: str, artifact: Artifact) -> pd.DataFrame:
    """Return how many neurons chose each function, one row per replicate, layer and function, `CHOICE_COLUMNS`.

    Functions that no neuron of a layer chose have no row. Frames of several trials may be concatenated; where they are
    on several datasets of one name, a further column `checksum` tells them apart.
    """
    rows = [
        (dataset, architecture, trial, int(replicate), int(layer), function, count)
        for replicate, layers in artifact.items()
        for layer, functions in layers.items()
        for function, count in pd.Series(functions, dtype="str").value_counts(sort=False).items()
    ]
    return pd.DataFrame(rows, columns=list(CHOICE_COLUMNS)).astype(CHOICE_COLUMNS)


def by_layer(choices: pd.DataFrame, *, pool: Sequence[str] | None = None, seed: int = SEED) -> pd.DataFrame:
    """Return the share of each function in each hidden layer, over all networks that have the layer.

    `choices` is the table that the function `choices` returns; `pool` holds the functions that could be chosen, by
    default those that were. Returns `layer`, counted from 0, and `SHARE_COLUMNS`, one row per layer and function of the
    pool:

    * `share`: of the neurons, so wide layers weigh more;
    * `low`, `high`: its 95 % bootstrap interval. What is drawn are not neurons but networks, and those that started
      from the same seeds (equal dataset, architecture and replicate, in several trials) are drawn together. NaN below
      `MINIMUM_BLOCKS` such draws;
    * `uniform`: what each function would have if neurons chose at random, as those of `random-mixed` do.
    """
    choices = identified(choices)
    return _shares(choices, choices["layer"].rename("layer"), pool, seed)


def by_depth(
    choices: pd.DataFrame, *, bins: int = 4, pool: Sequence[str] | None = None, seed: int = SEED
) -> pd.DataFrame:
    """Return the share of each function by relative depth: 0 is the first hidden layer, or the only one, 1 the last.

    Takes and returns what `by_layer` does, but with `depth`, the centre of each of `bins` equally wide bins, in place
    of `layer`. Bins without a layer are left out.
    """
    choices = identified(choices)
    return _shares(choices, depth_bins(choices, bins), pool, seed)


def depth_bins(choices: pd.DataFrame, bins: int) -> "pd.Series[float]":
    """Return `depth`, the centre of the bin of relative depth that each row's layer lies in."""
    bin_ = (choices["layer"] * bins // _steps(choices)).clip(upper=bins - 1)
    return ((bin_ + 0.5) / bins).rename("depth")


def _steps(choices: pd.DataFrame) -> "pd.Series[int]":
    """Return how many layers after the first the last one is, at least 1: what relative depth divides by."""
    return choices.groupby(NETWORK)["layer"].transform("max").clip(lower=1)


def _shares(choices: pd.DataFrame, place: "pd.Series[float]", pool: Sequence[str] | None, seed: int) -> pd.DataFrame:
    datasets = sorted(name for name, _ in by_dataset(choices))
    if len(datasets) > 1:
        raise ValueError(f"choices must be of one dataset, but got {', '.join(datasets)}")
    pool = list(dict.fromkeys([*(pool or []), *sorted(choices["function"].unique())]))
    found = [_shares_at(rows, pool, seed).assign(**{str(place.name): where}) for where, rows in choices.groupby(place)]
    columns = [str(place.name), *SHARE_COLUMNS]
    return pd.concat(found, ignore_index=True)[columns] if found else pd.DataFrame(columns=columns)


def _shares_at(rows: pd.DataFrame, pool: list[str], seed: int) -> pd.DataFrame:
    counts = rows.pivot_table(values="count", index=_SEEDS, columns="function", aggfunc="sum", fill_value=0)
    table = counts.reindex(columns=pool, fill_value=0).to_numpy("float64")
    low, high = _share_intervals(table, seed)
    return pd.DataFrame(
        {
            "function": pool,
            "share": table.sum(axis=0) / table.sum(),
            "low": low,
            "high": high,
            "uniform": 1 / len(pool),
            "networks": rows.groupby(NETWORK).ngroups,
            "neurons": int(table.sum()),
        }
    )


def _share_intervals(counts: Array, seed: int) -> tuple[Array, Array]:
    """Return the ends of each function's interval; counts are units to draw × functions."""
    n, functions = counts.shape
    if n < MINIMUM_BLOCKS:
        return np.full(functions, np.nan), np.full(functions, np.nan)
    rng = np.random.default_rng(seed)
    batch = max(1, 1_000_000 // n)
    sums = np.concatenate([_draw(counts, min(batch, DRAWS - start), rng) for start in range(0, DRAWS, batch)])
    # Percentiles from few units are too narrow: Hesterberg 2015 expands them, by Student's t and n / (n − 1).
    tail = stats.norm.cdf(np.sqrt(n / (n - 1)) * stats.t.ppf(ALPHA / 2, n - 1))
    low, high = np.quantile(sums / sums.sum(axis=1, keepdims=True), [tail, 1 - tail], axis=0)
    return low, high


def _draw(counts: Array, draws: int, rng: np.random.Generator) -> Array:
    """Return the sums of as many units as there are, drawn with replacement; draws × functions."""
    n = len(counts)
    drawn = rng.integers(n, size=(draws, n)) + n * np.arange(draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=n * draws).reshape(draws, n) @ counts


def trend(choices: pd.DataFrame, *, seed: int = SEED) -> pd.DataFrame:
    """Return a test of the article's claim that ReLU / Leaky ReLU give way to ELU / SELU from early to deep layers.

    `choices` is the table that the function `choices` returns. What is tested is, for every network of at least two
    hidden layers, the slope of a family's share over relative depth, by least squares: how much the share changes from
    the first layer to the last. An architecture on a dataset is one block, its slope the mean over its networks.
    Returns `TREND_COLUMNS`, one row per family of `FAMILIES`:

    * `claimed`: "falls" or "rises";
    * `slope` over the blocks, its 95 % bootstrap interval `low` … `high`, and `p` of Wilcoxon's signed-rank test,
      two-sided. The claim is of both families, so it holds if both are significant and neither `p` needs correction;
    * `reason`: why figures are missing, if any are.
    """
    choices = identified(choices)
    deep = choices[choices.groupby(NETWORK)["layer"].transform("max") > 0]
    rows = [_trend_of(family, deep, seed) for family in FAMILIES]
    return pd.DataFrame(rows, columns=TREND_COLUMNS).astype(dict.fromkeys(TREND_COLUMNS[4:8], "float64"))


def verdict(trends: pd.DataFrame) -> str:
    """Return what the figures of `trend` say of the article's claim.

    It "holds", "is not shown", "is contradicted", or, with too little data, "cannot be judged".

    It holds if both families change significantly and as claimed. It is contradicted if either changes significantly
    the other way: each test errs in that direction with a probability of `ALPHA` / 2, so both together of `ALPHA`.
    """
    if trends["p"].isna().any():
        return NOT_ENOUGH
    significant = trends["p"] < ALPHA
    as_claimed = (trends["slope"] > 0) == (trends["claimed"] == "rises")
    if (significant & ~as_claimed).any():
        return CONTRADICTED
    return HOLDS if significant.all() else NOT_SHOWN


def _trend_of(family: str, deep: pd.DataFrame, seed: int) -> dict[str, object]:
    members = deep["function"].isin(FAMILIES[family])
    layers = deep.assign(depth=deep["layer"] / _steps(deep), chosen=deep["count"].where(members, 0))
    layers = layers.groupby([*NETWORK, "depth"])[["chosen", "count"]].sum().reset_index("depth")
    slopes = _slopes(layers["depth"], layers["chosen"] / layers["count"])
    by_block = slopes.groupby(_BLOCK).mean().round(DECIMALS)
    row: dict[str, object] = {"family": family, "claimed": CLAIMED[family]}
    row |= {"blocks": len(by_block), "networks": len(slopes), "slope": by_block.mean()}
    interval = mean_interval(by_block, seed=seed)
    if isinstance(interval, NotEnoughData):
        return row | {"reason": interval.reason}
    return row | {"low": interval.low, "high": interval.high, "p": signed_rank_p(np.asarray(by_block, "float64"))}


def _slopes(depth: "pd.Series[float]", share: "pd.Series[float]") -> "pd.Series[float]":
    centred = depth - depth.groupby(NETWORK).transform("mean")
    return (centred * share).groupby(NETWORK).sum() / (centred**2).groupby(NETWORK).sum()


def agreement(choices_by_neuron: Artifact) -> pd.DataFrame:
    """Return how often replicates of one trial chose the same function for the same neuron, by hidden layer.

    Takes the content of the trial's choices.json, {replicate: {layer: [function, …]}}, since counts do not say which
    neuron chose. Neurons of different replicates start from different weights, so nothing but their position can make
    them agree: a `kappa` above 0 would mean that position matters. Returns `AGREEMENT_COLUMNS`, one row per layer:

    * `agreement`: share of equal choices, over all neurons and pairs of replicates; `by_chance`: what the functions'
      shares in the layer give by themselves; no rows for fewer than two replicates;
    * `kappa`: Fleiss 1971 (Psychological Bulletin 76, 378–382); NaN if all chose one function.
    """
    replicates = len(choices_by_neuron)
    layers = next(iter(choices_by_neuron.values()), {}) if replicates > 1 else {}
    rows = [(int(layer), *_agreement_in([of[layer] for of in choices_by_neuron.values()])) for layer in layers]
    return pd.DataFrame(rows, columns=AGREEMENT_COLUMNS)


def _agreement_in(functions: Sequence[Sequence[str]]) -> tuple[int, int, float, float, float]:
    chosen = np.array(functions)
    n, neurons = chosen.shape
    votes = np.stack([(chosen == name).sum(axis=0) for name in np.unique(chosen)])
    observed = float((votes * (votes - 1)).sum() / (neurons * n * (n - 1)))
    by_chance = float(((votes.sum(axis=1) / chosen.size) ** 2).sum())
    kappa = (observed - by_chance) / (1 - by_chance) if len(votes) > 1 else np.nan
    return neurons, n, observed, by_chance, kappa


def mean_agreement(found: pd.DataFrame, *, seed: int = SEED) -> pd.DataFrame:
    """Return the agreement between replicates by layer, averaged over trials.

    `found` is what `choice_agreement` returns: the columns of `agreement`, of several trials, and their `dataset`,
    `architecture` and `trial`, and `checksum` where names of datasets are not enough. Returns `MEAN_AGREEMENT_COLUMNS`;
    `low`, `high` are the 95 % bootstrap interval of `kappa` over architectures, NaN for too few. Trials in which all
    neurons of a layer chose one function have no kappa, and are left out of its mean.
    """
    rows = [_mean_agreement_in(layer, rows, seed) for layer, rows in identified(found).groupby("layer")]
    return pd.DataFrame(rows, columns=MEAN_AGREEMENT_COLUMNS)


def _mean_agreement_in(layer: object, rows: pd.DataFrame, seed: int) -> tuple[object, ...]:
    kappas = rows.groupby(_BLOCK)["kappa"].mean()
    interval = mean_interval(kappas, seed=seed)
    low, high = (np.nan, np.nan) if isinstance(interval, NotEnoughData) else (interval.low, interval.high)
    means = (float(rows[name].mean()) for name in ("agreement", "by_chance"))
    return layer, len(kappas), rows.groupby([*_BLOCK, "trial"]).ngroups, *means, float(kappas.mean()), low, high
