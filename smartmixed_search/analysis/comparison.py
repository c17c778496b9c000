"""Comparisons: what the finished trials on one dataset say about SmartMixed and its rivals."""

import html
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter

import numpy as np
import pandas as pd

from smartmixed_search.analysis.conclusion import conclusion
from smartmixed_search.analysis.confirmed import with_confirmed
from smartmixed_search.analysis.identity import DATASET, by_dataset, identified
from smartmixed_search.analysis.leaderboard import LEADERBOARD_COLUMNS, block_rankings, leaderboard
from smartmixed_search.analysis.margins import margins, mean_margins
from smartmixed_search.analysis.phases import GAINS, phase_gains
from smartmixed_search.analysis.statistics import (
    DECIMALS,
    Friedman,
    NotEnoughData,
    friedman,
    mean_intervals,
    pairs,
)
from smartmixed_search.trials.config import RANDOM_MIXED, SELECTIVE, SMARTMIXED
from smartmixed_search.trials.convergence import CONVERGED_CONFIDENCE, count_unconverged, unconverged_in
from smartmixed_search.trials.records import CONTROL, RANKED

CONTROL_WORDS = {
    RANDOM_MIXED: "neurons with functions drawn at random: what selecting is worth",
    SELECTIVE: "selecting to the end, clamp and sampling included: what fixing the choices is worth",
}
"""What SmartMixed is compared with by each control."""
BUDGET = ["epochs", "optimizer_steps", "parameters"]
COMPARISON_COLUMNS = [*LEADERBOARD_COLUMNS, "test_accuracy_std", *BUDGET]
"""Columns of a comparison's leaderboard."""


@dataclass(frozen=True, repr=False)
class Comparison:
    """How the strategies of one dataset compare in one view: leaderboard, margins, tests, and a conclusion in words.

    What `compare` returns for each dataset. Accuracies are fractions, and so are their differences, in [−1, 1].
    """

    dataset: str
    """Its name, or, beside a comparison on other data of that name, its name with digits of its checksum."""
    view: str
    """`tuned` or `default`: which trial represents a strategy in an architecture."""
    leaderboard: pd.DataFrame
    """`leaderboard.leaderboard`'s columns; `test_accuracy_std` (over replicates, pooled over blocks); what a strategy
    trained for, means over blocks: `BUDGET`. The latter are NaN where the rows do not know them."""
    architectures: pd.DataFrame
    """The ranking inside each architecture, controls below it; what `leaderboard.block_rankings` returns, and whether
    the figures are `confirmed`."""
    margins: pd.DataFrame
    """Per architecture and kind of `MARGINS`: the rival, and as `margin_…` SmartMixed's test accuracy minus its."""
    mean_margins: pd.DataFrame
    """Per kind: `blocks`, `mean`, its 95 % bootstrap interval over blocks `low` … `high`, or the `reason` for none."""
    pairs: pd.DataFrame
    """SmartMixed against every rival, see `statistics.pairs`."""
    controls: pd.DataFrame
    """SmartMixed against every control in the same way, corrected by Holm for only their number: the one in its own
    trial, of equal settings, weights and batches. The leaderboard has the one of highest validation accuracy."""
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
    """How many there are; None if no strategy got one right."""
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
) -> Comparisons:
    """Compare the strategies on each dataset apart, see `compare_strategies`; `joint` holds names and checksums."""
    return Comparisons(
        compare_strategies(of_one, view, confirmed, joint=tuple(of_one[DATASET].iloc[0]) in joint, called=called)
        for called, of_one in sorted(by_dataset(rows), key=itemgetter(0))
    )


def compare_strategies(
    rows: pd.DataFrame,
    view: str = "tuned",
    confirmed: pd.DataFrame | None = None,
    *,
    joint: bool = False,
    called: str | None = None,
) -> Comparison:
    """Return a `Comparison` of the strategies over the architectures of one dataset.

    Args:
        rows: what `strategies` returns: `leaderboard.STRATEGY_COLUMNS` of finished trials and, where known,
            `test_accuracy_std`, `BUDGET`, `choice_confidence` and `phases.PHASE_COLUMNS`. Controls are listed, never
            ranked nor tested.
        view: `tuned` or `default`.
        confirmed: the same columns, of confirmations, whose figures are preferred; see `confirmed.with_confirmed`.
        joint: whether Optuna chose the architectures too, to SmartMixed's advantage; the conclusion then says so.
        called: what to call the dataset, if not by its name.

    Raises:
        ConfigError: the view is unknown.
        ValueError: the rows are not of exactly one dataset.

    """
    datasets = sorted(name for name, _ in by_dataset(rows))
    if len(datasets) != 1:
        raise ValueError(f"a comparison must be of one dataset, but got {', '.join(datasets) or 'none'}")
    return _compare(called or datasets[0], view, identified(rows), _on_data_of(rows, confirmed), joint)


def _compare(dataset: str, view: str, rows: pd.DataFrame, confirmed: pd.DataFrame, joint: bool) -> Comparison:
    shown = with_confirmed(rows, confirmed, view)
    blocks = block_rankings(shown)
    tests, validations = (_accuracies(blocks, split) for split in ("test", "val"))
    # SmartMixed can be missing altogether, from the default view for one; every comparison with it is then empty.
    tests = tests.reindex(columns=sorted({SMARTMIXED, *tests.columns}))
    over_rivals = margins(tests, validations.drop(columns=SMARTMIXED, errors="ignore"))
    gains = phase_gains(pd.concat([part for part in (rows, confirmed) if len(part)]), blocks)
    confidence = blocks[blocks["strategy"] == SMARTMIXED].reindex(columns=["choice_confidence"])["choice_confidence"]
    return Comparison(
        dataset=dataset,
        view=view,
        leaderboard=_leaderboard(rows, blocks, view),
        architectures=blocks,
        margins=over_rivals,
        mean_margins=mean_margins(over_rivals),
        pairs=pairs(tests),
        controls=pairs(_beside_controls(shown, blocks)),
        friedman=friedman(tests.dropna(axis=1, how="all")),
        phases=gains,
        mean_phases=mean_intervals(gains[list(GAINS)], "gain"),
        choice_confidence=float(confidence.mean()),
        unconverged=count_unconverged(confidence),
        test_examples=_test_examples(rows),
        joint=joint,
    )


def _accuracies(blocks: pd.DataFrame, split: str) -> pd.DataFrame:
    """Return the accuracies of the ranked strategies, architecture × strategy."""
    ranked = blocks[blocks["role"] == RANKED]
    return ranked.pivot(index="architecture", columns="strategy", values=f"{split}_accuracy").round(DECIMALS)


def _on_data_of(rows: pd.DataFrame, confirmed: pd.DataFrame | None) -> pd.DataFrame:
    """Return the confirmations on the data of these rows: trials of equal settings on other data have equal keys."""
    if confirmed is None:
        return rows.iloc[:0]
    return identified(confirmed).merge(identified(rows)[DATASET].drop_duplicates())


def _leaderboard(rows: pd.DataFrame, blocks: pd.DataFrame, view: str) -> pd.DataFrame:
    further = blocks.reindex(columns=["test_accuracy_std", *BUDGET]).astype("float64")
    further["test_accuracy_std"] **= 2  # variances are what may be averaged
    means = further.groupby(blocks["strategy"]).mean()
    means["test_accuracy_std"] **= 0.5
    return leaderboard(rows, view, blocks).join(means, on="strategy")[COMPARISON_COLUMNS]


def _beside_controls(shown: pd.DataFrame, blocks: pd.DataFrame) -> pd.DataFrame:
    """Return the test accuracies of SmartMixed and of the controls in the trial that represents it, by architecture."""
    own = blocks.loc[blocks["strategy"] == SMARTMIXED, "trial"]
    beside = shown[shown["trial"].isin(own) & ((shown["strategy"] == SMARTMIXED) | (shown["role"] == CONTROL))]
    tests = beside.pivot_table(index="architecture", columns="strategy", values="test_accuracy", aggfunc="first")
    return tests.reindex(columns=sorted({SMARTMIXED, *tests.columns}))


def _test_examples(rows: pd.DataFrame) -> int | None:
    """Return the size of the test set, of which the rows tell counts and shares."""
    known = rows[rows["test_correct"] > 0]
    sizes = known["test_correct"] / known["replicates"].astype("float64") / known["test_accuracy"]
    return round(float(sizes.median())) if len(known) else None
