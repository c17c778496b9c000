"""Comparisons: what the finished trials on one dataset say about SmartMixed and its rivals."""

import html
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from types import MappingProxyType

import numpy as np
import pandas as pd

from smartmixed_search.analysis.conclusion import conclusion
from smartmixed_search.analysis.confirmed import with_confirmed
from smartmixed_search.analysis.identity import DATASET, by_dataset, identified
from smartmixed_search.analysis.leaderboard import block_rankings, known_of, leaderboard, leaderboard_columns
from smartmixed_search.analysis.margins import margins, mean_margins
from smartmixed_search.analysis.phases import GAINS, phase_gains
from smartmixed_search.analysis.scale import Scale
from smartmixed_search.analysis.statistics import (
    DECIMALS,
    Friedman,
    NotEnoughData,
    friedman,
    mean_intervals,
    pairs,
)
from smartmixed_search.method.activations import RIVAL_NAMES
from smartmixed_search.tasks.metric import ACCURACY, Metric
from smartmixed_search.trials.config import RANDOM_MIXED, SELECTIVE, SMARTMIXED
from smartmixed_search.trials.convergence import CONVERGED_CONFIDENCE, count_unconverged, unconverged_in
from smartmixed_search.trials.records import CONTROL, RANKED

CONTROL_WORDS = {
    RANDOM_MIXED: "neurons with functions drawn at random: what selecting is worth",
    SELECTIVE: "selecting to the end, clamp and sampling included: what fixing the choices is worth",
}
"""What SmartMixed is compared with by each control."""
BUDGET = ["epochs", "optimizer_steps", "parameters"]


def deviation_of(metric: Metric) -> str:
    """Return the column of the test metric's standard deviation over replicates."""
    return f"{metric.test}_std"


def comparison_columns(metric: Metric = ACCURACY) -> list[str]:
    """Return the columns of a comparison's leaderboard."""
    return [*leaderboard_columns(metric), deviation_of(metric), *BUDGET]


@dataclass(frozen=True, repr=False)
class Comparison:
    """How the strategies of one dataset compare in one view: leaderboard, margins, tests, and a conclusion in words.

    What `compare` returns for each dataset. Values and differences are in the metric's own unit; accuracies and other
    shares are fractions. Differences are gains: positive where SmartMixed is better, in whichever direction that is.
    """

    dataset: str
    """Its name, or, beside a comparison on other data of that name, its name with digits of its checksum."""
    view: str
    """`tuned` or `default`: which trial represents a strategy in an architecture."""
    scale: Scale
    """The metric by which they are compared, and how its values and differences are told."""
    leaderboard: pd.DataFrame
    """`leaderboard.leaderboard`'s columns; `deviation_of` the metric (over replicates, pooled over blocks); what a
    strategy trained for, means over blocks: `BUDGET`. The latter are NaN where the rows do not know them."""
    architectures: pd.DataFrame
    """The ranking inside each architecture, controls below it; what `leaderboard.block_rankings` returns, and whether
    the figures are `confirmed`."""
    margins: pd.DataFrame
    """Per architecture and kind of `MARGINS`: the rival, and as `margin_…` SmartMixed's gain in the test metric."""
    mean_margins: pd.DataFrame
    """Per kind: `blocks`, `mean`, its 95 % bootstrap interval over blocks `low` … `high`, or the `reason` for none."""
    pairs: pd.DataFrame
    """SmartMixed against every rival, see `statistics.pairs`."""
    controls: pd.DataFrame
    """SmartMixed against every control in the same way, corrected by Holm for only their number: the one in its own
    trial, of equal settings, weights and batches. The leaderboard has the one that is best by validation."""
    phases: pd.DataFrame
    """Per architecture, what phase 2 gained over phase 1; see `phases.phase_gains`."""
    mean_phases: pd.DataFrame
    """Per kind of `phases.GAINS` what `mean_margins` has per margin."""
    choice_confidence: float
    """Of SmartMixed's chosen trials, mean over blocks; NaN if unknown."""
    unconverged: int
    """In how many of these trials it is below 0.5: there the selection has not converged."""
    friedman: Friedman | NotEnoughData
    test_examples: int | None
    """How many there are, where what is compared are counts of them; None if no strategy got one right."""
    undefined: int
    """Of how many pairs of architecture and strategy the test metric is missing, see `leaderboard`."""
    joint: bool
    """Whether Optuna chose the architectures too, to SmartMixed's advantage."""

    @cached_property
    def conclusion(self) -> str:
        """Plain sentences, the last is `conclusion.CAVEAT`."""
        return conclusion(self)

    @property
    def selection_converged(self) -> bool | None:
        """Whether the mean choice confidence reaches 0.5; None if unknown."""
        return None if np.isnan(self.choice_confidence) else self.choice_confidence >= CONVERGED_CONFIDENCE

    @property
    def partly_unconverged(self) -> str | None:
        """In how many architectures the selection has not converged, in words; None if in none, or on the whole."""
        if not self.unconverged or not self.selection_converged:
            return None
        own = self.architectures["strategy"] == SMARTMIXED
        return unconverged_in(self.unconverged, int(own.sum()))

    def __repr__(self) -> str:
        return f"<Comparison on {self.dataset}, {self.view} view: {self.conclusion}>"

    def _repr_html_(self) -> str:
        board = self.leaderboard.to_html(index=False, na_rep="–", float_format="{:z.4f}".format)
        return f"<p>{html.escape(self.conclusion)}</p>{board}"


class Comparisons(list[Comparison]):
    """A list that a notebook shows as conclusions and leaderboards."""

    def _repr_html_(self) -> str:
        return "".join(one._repr_html_() for one in self) or "<p>No trial has finished: nothing to compare.</p>"


def compare_all(
    rows: pd.DataFrame,
    view: str = "tuned",
    confirmed: pd.DataFrame | None = None,
    joint: Collection[tuple[str, str]] = (),
    scales: Mapping[tuple[str, str], Scale] = MappingProxyType({}),
) -> Comparisons:
    """Compare the strategies on each dataset apart, see `compare_strategies`.

    `joint` holds names and checksums of datasets, and `scales` by name and checksum the metric of each; accuracy where
    there is none.
    """
    return Comparisons(
        compare_strategies(of_one, view, confirmed, joint=data in joint, called=called, scale=scales.get(data, Scale()))
        for called, of_one in sorted(by_dataset(rows), key=itemgetter(0))
        for data in [tuple(identified(of_one)[DATASET].iloc[0])]
    )


def compare_strategies(
    rows: pd.DataFrame,
    view: str = "tuned",
    confirmed: pd.DataFrame | None = None,
    *,
    joint: bool = False,
    called: str | None = None,
    metric: Metric = ACCURACY,
    scale: Scale | None = None,
) -> Comparison:
    """Return a `Comparison` of the strategies over the architectures of one dataset.

    Args:
        rows: what `strategies` returns: `leaderboard.strategy_columns` of finished trials and, where known,
            `deviation_of` the metric, `BUDGET`, `choice_confidence` and `phases.phase_columns`. Controls are listed,
            never ranked nor tested.
        view: `tuned` or `default`.
        confirmed: the same columns, of confirmations, whose figures are preferred; see `confirmed.with_confirmed`.
        joint: whether Optuna chose the architectures too, to SmartMixed's advantage; the conclusion then says so.
        called: what to call the dataset, if not by its name.
        metric: by which they are compared.
        scale: the metric with what is known of it on this dataset; its metric counts if both are given.

    Raises:
        ConfigError: the view is unknown.
        ValueError: the rows are not of exactly one dataset.

    """
    datasets = sorted(name for name, _ in by_dataset(rows))
    if len(datasets) != 1:
        raise ValueError(f"a comparison must be of one dataset, but got {', '.join(datasets) or 'none'}")
    scale = scale or Scale(metric=metric)
    return _compare(called or datasets[0], view, identified(rows), _on_data_of(rows, confirmed), joint, scale)


def _compare(
    dataset: str, view: str, rows: pd.DataFrame, confirmed: pd.DataFrame, joint: bool, scale: Scale
) -> Comparison:
    metric = scale.metric
    shown = with_confirmed(rows, confirmed, view, metric)
    blocks = block_rankings(shown, metric=metric)
    tests, validations = (_values(blocks, metric, split) for split in ("test", "val"))
    # SmartMixed can be missing altogether, from the default view for one; every comparison with it is then empty.
    tests = tests.reindex(columns=sorted({SMARTMIXED, *tests.columns}))
    over_rivals = margins(tests, validations.drop(columns=[SMARTMIXED, *RIVAL_NAMES], errors="ignore"), metric)
    gains = phase_gains(pd.concat([part for part in (rows, confirmed) if len(part)]), blocks, metric)
    confidence = blocks[blocks["strategy"] == SMARTMIXED].reindex(columns=["choice_confidence"])["choice_confidence"]
    return Comparison(
        dataset=dataset,
        view=view,
        scale=scale,
        leaderboard=_leaderboard(rows, blocks, view, metric),
        architectures=blocks,
        margins=over_rivals,
        mean_margins=mean_margins(over_rivals),
        pairs=pairs(metric.oriented(tests), rope=scale.rope),
        controls=pairs(metric.oriented(_beside_controls(shown, blocks, metric)), rope=scale.rope),
        friedman=friedman(metric.oriented(tests.dropna(axis=1, how="all"))),
        phases=gains,
        mean_phases=mean_intervals(gains[list(GAINS)], "gain"),
        choice_confidence=float(confidence.mean()),
        unconverged=count_unconverged(confidence),
        test_examples=_test_examples(rows, scale),
        undefined=int(known_of(blocks, metric, "test").isna().sum()),
        joint=joint,
    )


def _values(blocks: pd.DataFrame, metric: Metric, split: str) -> pd.DataFrame:
    """Return the metric of the ranked strategies, architecture × strategy; missing where a replicate has none."""
    ranked = blocks[blocks["role"] == RANKED].assign(known=lambda rows: known_of(rows, metric, split))
    return ranked.pivot(index="architecture", columns="strategy", values="known").round(DECIMALS)


def _on_data_of(rows: pd.DataFrame, confirmed: pd.DataFrame | None) -> pd.DataFrame:
    """Return the confirmations on the data of these rows: trials of equal settings on other data have equal keys."""
    if confirmed is None:
        return rows.iloc[:0]
    return identified(confirmed).merge(identified(rows)[DATASET].drop_duplicates())


def _leaderboard(rows: pd.DataFrame, blocks: pd.DataFrame, view: str, metric: Metric) -> pd.DataFrame:
    deviation = deviation_of(metric)
    further = blocks.reindex(columns=[deviation, *BUDGET]).astype("float64")
    further[deviation] **= 2  # variances are what may be averaged
    means = further.groupby(blocks["strategy"]).mean()
    means[deviation] **= 0.5
    return leaderboard(rows, view, blocks, metric).join(means, on="strategy")[comparison_columns(metric)]


def _beside_controls(shown: pd.DataFrame, blocks: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Return the test metric of SmartMixed and of the controls in the trial that represents it, by architecture."""
    own = blocks.loc[blocks["strategy"] == SMARTMIXED, "trial"]
    beside = shown[shown["trial"].isin(own) & ((shown["strategy"] == SMARTMIXED) | (shown["role"] == CONTROL))]
    beside = beside.assign(known=known_of(beside, metric, "test"))
    tests = beside.pivot_table(index="architecture", columns="strategy", values="known", aggfunc="first")
    return tests.reindex(columns=sorted({SMARTMIXED, *tests.columns}))


def _test_examples(rows: pd.DataFrame, scale: Scale) -> int | None:
    """Return how many examples test, of which the rows tell counts and shares; None of a metric without counts."""
    metric = scale.metric
    if metric.count is None:
        return None
    counts = rows[metric.exact("test")]
    known = rows[counts > 0]
    sizes = counts[counts > 0] / known["replicates"].astype("float64") / known[metric.test]
    return round(scale.folds * float(sizes.median())) if len(known) else None
