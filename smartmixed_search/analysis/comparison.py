"""Comparisons: what the finished trials on one dataset say about SmartMixed and its rivals."""

import html
from collections.abc import Collection
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from smartmixed_search.analysis.confirmed import with_confirmed
from smartmixed_search.analysis.identity import DATASET, by_dataset, identified
from smartmixed_search.analysis.leaderboard import LEADERBOARD_COLUMNS, block_rankings, leaderboard
from smartmixed_search.analysis.phases import GAINS, phase_gains
from smartmixed_search.analysis.statistics import (
    ALPHA,
    DECIMALS,
    ROPE,
    Friedman,
    NotEnoughData,
    friedman,
    mean_intervals,
    pairs,
)
from smartmixed_search.trials.config import RANDOM_MIXED, SELECTIVE, SMARTMIXED
from smartmixed_search.trials.ranking import accuracy_of, best_of_each, margin
from smartmixed_search.trials.records import CONTROL, CONVERGED_CONFIDENCE, RANKED, UNDECIDED

CAVEAT = (
    "Architectures on one dataset are not independent data sets: this holds for architectures like these on this "
    "dataset, and says nothing of others (Demšar 2006)."
)
FAVOURED = (
    "The search was joint: architectures were sampled where SmartMixed does well, so they are no fair sample, and "
    "favour it."
)
MARGINS = {
    "best_fixed": "the best fixed activation of the architecture, chosen by validation",
    "oracle": "the best fixed activation of the architecture on the test set, a rival that nobody could have chosen",
    "single": "the one fixed activation of highest mean validation accuracy over all architectures",
}
"""What SmartMixed's test accuracy is compared with. The oracle is a maximum over noise: its margin errs downwards."""
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
    friedman: Friedman | NotEnoughData
    conclusion: str
    """Plain sentences, the last is `CAVEAT`."""
    test_examples: int | None
    """How many there are; None if no strategy got one right."""

    @property
    def selection_converged(self) -> bool | None:
        """Whether the mean choice confidence reaches 0.5; None if unknown."""
        return None if np.isnan(self.choice_confidence) else self.choice_confidence >= CONVERGED_CONFIDENCE

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
    dataset = called or datasets[0]
    rows, confirmed = identified(rows), _on_data_of(rows, confirmed)
    shown = with_confirmed(rows, confirmed, view)
    blocks = block_rankings(shown)
    board = _leaderboard(rows, blocks, view)
    ranked = blocks[blocks["role"] == RANKED]
    tests, validations = (
        ranked.pivot(index="architecture", columns="strategy", values=f"{split}_accuracy").round(DECIMALS)
        for split in ("test", "val")
    )
    # SmartMixed can be missing altogether, from the default view for one; every comparison with it is then empty.
    tests = tests.reindex(columns=sorted({SMARTMIXED, *tests.columns}))
    margins = _margins(tests, validations.drop(columns=SMARTMIXED, errors="ignore"))
    mean_margins = mean_intervals(
        margins[[f"margin_{kind}" for kind in MARGINS]].set_axis([*MARGINS], axis=1), "margin"
    )
    gains = phase_gains(pd.concat([part for part in (rows, confirmed) if len(part)]), blocks)
    against = pairs(tests)
    against_controls = pairs(_beside_controls(shown, blocks))
    confidence = _choice_confidence(blocks)
    examples = _test_examples(rows)
    said = [
        *_warning(dataset, confidence),
        *_conclusion(dataset, board, against, mean_margins),
        *_learning(against_controls),
        *_confirmation(blocks),
        *([FAVOURED] if joint else []),
        *_granularity(examples),
        CAVEAT,
    ]
    return Comparison(
        dataset=dataset,
        view=view,
        leaderboard=board,
        architectures=blocks,
        margins=margins,
        mean_margins=mean_margins,
        pairs=against,
        controls=against_controls,
        friedman=friedman(tests.dropna(axis=1, how="all")),
        phases=gains,
        mean_phases=mean_intervals(gains[list(GAINS)], "gain"),
        choice_confidence=confidence,
        conclusion=" ".join(said),
        test_examples=examples,
    )


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


def _margins(tests: pd.DataFrame, validations: pd.DataFrame) -> pd.DataFrame:
    """Choose the rivals; equal ones go by name, because a tie in validation must not be broken by the test accuracy."""
    fixed = tests[validations.columns]
    # A strategy that is missing from hard blocks would look good in the mean: only the most complete ones compete.
    blocks_of = validations.notna().sum()
    means = validations.loc[:, blocks_of == blocks_of.max()].mean().round(DECIMALS)
    rivals = pd.DataFrame(
        {
            "best_fixed": best_of_each(validations),
            "oracle": best_of_each(fixed),
            "single": means.idxmax() if len(means) else None,
        },
        index=tests.index,
    )
    columns: dict[str, object] = {}
    for kind, names in rivals.items():
        columns[str(kind)] = names
        columns[f"margin_{kind}"] = margin(tests[SMARTMIXED], accuracy_of(fixed, names))
    return pd.DataFrame(columns, index=tests.index).reset_index()


def _beside_controls(shown: pd.DataFrame, blocks: pd.DataFrame) -> pd.DataFrame:
    """Return the test accuracies of SmartMixed and of the controls in the trial that represents it, by architecture."""
    own = blocks.loc[blocks["strategy"] == SMARTMIXED, "trial"]
    beside = shown[shown["trial"].isin(own) & ((shown["strategy"] == SMARTMIXED) | (shown["role"] == CONTROL))]
    tests = beside.pivot_table(index="architecture", columns="strategy", values="test_accuracy", aggfunc="first")
    return tests.reindex(columns=sorted({SMARTMIXED, *tests.columns}))


def _choice_confidence(blocks: pd.DataFrame) -> float:
    own = blocks[blocks["strategy"] == SMARTMIXED].reindex(columns=["choice_confidence"])
    return float(own["choice_confidence"].mean())


def _conclusion(dataset: str, board: pd.DataFrame, against: pd.DataFrame, mean_margins: pd.DataFrame) -> list[str]:
    own = board[board["strategy"] == SMARTMIXED]
    best_fixed = mean_margins.iloc[0]
    if own.empty or not best_fixed["blocks"]:
        return [f"On {dataset} there is nothing to compare with fixed activations: none stands beside SmartMixed here."]
    ranked = int((board["role"] == RANKED).sum())
    place = f"On {dataset} SmartMixed has mean rank {own['mean_rank'].iloc[0]:.2f} among {ranked} strategies"
    blocks = int(own["blocks"].iloc[0])
    over = f"{blocks} architecture{'s' if blocks != 1 else ''}"
    return [f"{place} over {over}; {_verdict(against)}.", _effect(best_fixed)]


def _verdict(against: pd.DataFrame) -> str:
    tested = against[against["p_holm"].notna()]
    if tested.empty:
        return f"there is not enough data for significance tests ({against['reason'].iloc[0]})"
    significant = tested["p_holm"] < ALPHA
    better = tested["wins"] > tested["losses"]
    groups = {
        "significantly better than": significant & better,
        "significantly worse than": significant & ~better,
        "not shown to differ from": ~significant,
    }
    said = [f"{words} {', '.join(tested.loc[those, 'rival'])}" for words, those in groups.items() if those.any()]
    return f"it is {'; '.join(said)} (Wilcoxon–Holm, α = {ALPHA})"


def _effect(margin: "pd.Series[Any]") -> str:
    effect = f"Its test accuracy differs by {100 * margin['mean']:+z.2f} points on average from {MARGINS['best_fixed']}"
    return effect + _interval(margin)


def _learning(controls: pd.DataFrame) -> list[str]:
    """Say what selecting is worth, if networks with random functions were trained beside it."""
    random = controls[(controls["rival"] == RANDOM_MIXED) & (controls["blocks"] > 0)]
    return [
        f"SmartMixed's test accuracy differs by {100 * row['mean_difference']:+z.2f} points from that of networks with "
        f"functions drawn at random{_interval(row)}"
        for _, row in random.iterrows()
    ]


def _interval(effect: "pd.Series[Any]") -> str:
    if np.isnan(effect["low"]):
        return ", too few architectures for an interval."
    return f" (95 % interval {100 * effect['low']:+z.2f} to {100 * effect['high']:+z.2f})."


def _confirmation(blocks: pd.DataFrame) -> list[str]:
    by_architecture = blocks.groupby("architecture")["confirmed"].first()
    confirmed = int(by_architecture.sum())
    if not confirmed:
        return []
    where = (
        "everywhere" if confirmed == len(by_architecture) else f"in {confirmed} of {len(by_architecture)} architectures"
    )
    return [f"Figures are confirmed {where}: measured on seeds that had no part in choosing the trials."]


def _test_examples(rows: pd.DataFrame) -> int | None:
    """Return the size of the test set, of which the rows tell counts and shares."""
    known = rows[rows["test_correct"] > 0]
    sizes = known["test_correct"] / known["replicates"].astype("float64") / known["test_accuracy"]
    return round(float(sizes.median())) if len(known) else None


def _granularity(examples: int | None) -> list[str]:
    """Say so where a single test example is more than what is called equal."""
    if examples is None or ROPE * examples >= 1:
        return []
    return [
        f"One of the {examples} test examples is {100 / examples:.1f} points: the {100 * ROPE:g} points within which "
        f"strategies are called equal are {ROPE * examples:.2g} of one example."
    ]


def _warning(dataset: str, confidence: float) -> list[str]:
    """Say it first where no selection took place: whatever follows is then not about one."""
    if not confidence < CONVERGED_CONFIDENCE:
        return []
    return [
        f"On {dataset} SmartMixed's selection has not converged: mean choice confidence is {confidence:.2f}, below "
        f"{CONVERGED_CONFIDENCE}, so {UNDECIDED}."
    ]
