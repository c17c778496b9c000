"""What a comparison comes to, in plain sentences."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smartmixed_search.analysis.margins import margin_words
from smartmixed_search.analysis.scale import Scale
from smartmixed_search.analysis.statistics import ALPHA
from smartmixed_search.errors.messages import counted
from smartmixed_search.trials.config import RANDOM_MIXED, SMARTMIXED
from smartmixed_search.trials.convergence import CONVERGED_CONFIDENCE, UNDECIDED
from smartmixed_search.trials.records import RANKED

if TYPE_CHECKING:
    from smartmixed_search.analysis.comparison import Comparison

CAVEAT = (
    "Architectures on one dataset are not independent data sets: this holds for architectures like these on this "
    "dataset, and says nothing of others (Demšar 2006)."
)
FAVOURED = (
    "The search was joint: architectures were sampled where SmartMixed does well, so they are no fair sample, and "
    "favour it."
)


def conclusion(found: "Comparison") -> str:
    """Return the sentences, the most important one first; the last is `CAVEAT`."""
    return " ".join(
        [
            *_no_selection(found),
            *_placing(found),
            *_partial_selection(found),
            *_learning(found.controls, found.scale),
            *_confirmation(found.architectures),
            *([FAVOURED] if found.joint else []),
            *_undefined(found),
            *_granularity(found.test_examples, found.scale),
            CAVEAT,
        ]
    )


def _no_selection(found: "Comparison") -> list[str]:
    """Say it first where no selection took place: whatever follows is then not about one."""
    if found.selection_converged is not False:
        return []
    return [
        f"On {found.dataset} SmartMixed's selection has not converged: mean choice confidence is "
        f"{found.choice_confidence:.2f}, below {CONVERGED_CONFIDENCE}, so {UNDECIDED}."
    ]


def _placing(found: "Comparison") -> list[str]:
    board, means = found.leaderboard, found.mean_margins
    best_fixed = means[means["margin"] == "best_fixed"].iloc[0]
    own = board[board["strategy"] == SMARTMIXED]
    if own.empty or not best_fixed["blocks"]:
        nothing = "there is nothing to compare with fixed activations: none stands beside SmartMixed here."
        return [f"On {found.dataset} {nothing}"]
    ranked = int((board["role"] == RANKED).sum())
    place = f"On {found.dataset} SmartMixed has mean rank {own['mean_rank'].iloc[0]:.2f} among {ranked} strategies"
    over = counted(int(own["blocks"].iloc[0]), "architecture")
    return [f"{place} over {over}; {_verdict(found.pairs)}.", _effect(best_fixed, found.scale)]


def _partial_selection(found: "Comparison") -> list[str]:
    """Say where no selection took place, if in some architectures one did."""
    said = found.partly_unconverged
    return [] if said is None else [f"{said[0].upper()}{said[1:]}."]


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


def _effect(margin: "pd.Series[Any]", scale: Scale) -> str:
    rival, gain = margin_words(scale.metric)["best_fixed"], scale.difference(margin["mean"])
    if scale.better == "higher":
        return f"Its test {scale.label} differs by {gain} on average from {rival}{_interval(margin, scale)}"
    return (
        f"Its gain in test {scale.label} over {rival}, is {gain} on average{_interval(margin, scale)} "
        f"{scale.turned[0].upper()}{scale.turned[1:]}."
    )


def _learning(controls: pd.DataFrame, scale: Scale) -> list[str]:
    """Say what selecting is worth, if networks with random functions were trained beside it."""
    random = controls[(controls["rival"] == RANDOM_MIXED) & (controls["blocks"] > 0)]
    said = (
        "SmartMixed's test {label} differs by {gain} from that of networks with functions drawn at random"
        if scale.better == "higher"
        else "SmartMixed's gain in test {label} over networks with functions drawn at random is {gain}"
    )
    return [
        said.format(label=scale.label, gain=scale.difference(row["mean_difference"])) + _interval(row, scale)
        for _, row in random.iterrows()
    ]


def _interval(effect: "pd.Series[Any]", scale: Scale) -> str:
    if np.isnan(effect["low"]):
        return ", too few architectures for an interval."
    return f" (95 % interval {scale.span(effect['low'], effect['high'])})."


def _confirmation(blocks: pd.DataFrame) -> list[str]:
    by_architecture = blocks.groupby("architecture")["confirmed"].first()
    confirmed = int(by_architecture.sum())
    if not confirmed:
        return []
    where = (
        "everywhere" if confirmed == len(by_architecture) else f"in {confirmed} of {len(by_architecture)} architectures"
    )
    return [f"Figures are confirmed {where}: measured on seeds that had no part in choosing the trials."]


def _undefined(found: "Comparison") -> list[str]:
    """Say where the metric is missing: such figures are in no mean."""
    if not found.undefined:
        return []
    return [
        f"Test {found.scale.label} is missing for {found.undefined} of {len(found.architectures)} pairs of "
        "architecture and strategy (a network diverged, or it is undefined there): these rank last, and are in no mean "
        "and no test."
    ]


def _granularity(examples: int | None, scale: Scale) -> list[str]:
    """Say so where a single test example is more than what is called equal."""
    if examples is None or scale.rope * examples >= 1:
        return []
    return [
        f"One of the {examples} test examples is {100 / examples:.1f} points: the {scale.equal} within which "
        f"strategies are called equal are {scale.rope * examples:.2g} of one example."
    ]
