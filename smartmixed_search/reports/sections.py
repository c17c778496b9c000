"""The sections of the report that are about one dataset's comparison; each returns HTML."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from smartmixed_search.analysis.comparison import CONTROL_WORDS, Comparison
from smartmixed_search.analysis.margins import margin_words
from smartmixed_search.analysis.phases import GAINS
from smartmixed_search.analysis.statistics import ROPE, NotEnoughData
from smartmixed_search.families import by_size
from smartmixed_search.reports import plots
from smartmixed_search.reports.about import moment
from smartmixed_search.reports.columns import COLUMNS, columns, interval
from smartmixed_search.reports.data import ReportData
from smartmixed_search.reports.figures import Figures
from smartmixed_search.reports.palette import order
from smartmixed_search.reports.tables import (
    POINTS,
    WORDS,
    Column,
    details,
    heat_table,
    html_table,
    p_value,
    p_words,
    paragraph,
)
from smartmixed_search.trials.convergence import UNDECIDED

_LEADERBOARD = columns(
    *["place", "strategy", "mean_rank", "mrr", "wins", "top3_rate", "test_accuracy", "test_accuracy_std", "blocks"],
    *["trials", "draws", "epochs", "optimizer_steps", "parameters"],
)
_CONFIRMATION = columns(
    *["trial", "architecture", "phase_fraction", "temperature", "objective", "confirmed_objective", "replicates"],
    *["smartmixed_test_accuracy", "best_fixed", "best_fixed_test_accuracy", "margin"],
) | interval(POINTS)
_INTERVAL = columns("blocks", "mean") | interval(POINTS) | {"reason": ("no interval because", WORDS)}
_PAIRS = (
    columns("rival", "wins", "ties", "losses", "mean_difference")
    | interval(POINTS)
    | columns("p_holm", "p_better", "p_equal", "p_worse", "reason")
)


def conclusion(comparison: Comparison) -> str:
    """Say what was found, and how sure the network was of its choices."""
    confidence = comparison.choice_confidence
    if np.isnan(confidence):
        return paragraph(comparison.conclusion, "lead") + paragraph("Choice confidence was not recorded.", "note")
    words = f"Mean choice confidence is {confidence:.2f}"
    if comparison.partly_unconverged is not None:
        note = paragraph(f"{words}, but {comparison.partly_unconverged}.", "warning")
    elif comparison.selection_converged:
        note = paragraph(f"{words}: the selection has converged.", "note")
    else:
        note = paragraph(f"{words}: the selection has not converged, so {UNDECIDED}.", "warning")
    return paragraph(comparison.conclusion, "lead") + note


def leaderboard(comparison: Comparison) -> str:
    """Write the leaderboard, controls below it, with what each strategy trained for."""
    said = "Epochs, optimiser steps and parameters are what a strategy trained for: who trained longer is seen there. "
    said += "The deviation (sd) is over replicates."
    return paragraph(said, "note") + html_table(
        comparison.leaderboard, _LEADERBOARD, f"Leaderboard on {comparison.dataset}"
    )


def confirmation(data: ReportData) -> str:
    """List what the best trials came to on seeds that had no part in choosing them."""
    if data.confirmations.empty:
        when = "" if data.about is None else f" when this page was written ({moment(data.about.written)})"
        return paragraph(
            f"No trial was confirmed{when}: what is best of many on a few seeds looks better than it is. "
            f"`smartmixed-search confirm --sweep {data.sweep}` trains the best trials again on fresh seeds."
        )
    said = (
        "The objective is what the sweep chose a trial for, on validation data; all else was measured on seeds that "
        "had no part in the choice. The margin is over the best fixed activation, with its 95 % interval over "
        "replicates."
    )
    return paragraph(said, "note") + html_table(data.confirmations, _CONFIRMATION, "Trials confirmed on fresh seeds")


def critical_difference(comparison: Comparison, figures: Figures) -> str:
    """Draw the critical-difference diagram, or say what is missing for it."""
    found = comparison.friedman
    if isinstance(found, NotEnoughData):
        return paragraph(f"Not enough data: {found.reason}.")
    words = (
        f"Friedman's test over {found.blocks} architectures: χ²_F = {found.chi2:.2f} ({p_words(found.chi2_p)}), "
        f"F_F = {found.f:.2f} ({p_words(found.f_p)}). "
    )
    described = "; ".join(f"{name} {rank:.2f}" for name, rank in found.mean_ranks.items())
    figure = figures.draw(
        "critical-difference",
        f"Critical-difference diagram, {comparison.dataset}",
        f"Mean ranks, best first: {described}. Critical difference {found.critical_difference:.2f}.",
        lambda ax: plots.plot_critical_difference(found, ax),
        (4.5, 2.7),
        "The better a strategy, the further right it is. Those under one bar do not differ significantly (Nemenyi).",
    )
    ranks = found.mean_ranks.rename_axis("strategy").rename("mean_rank").reset_index()
    mean_ranks = html_table(ranks, columns("strategy", "mean_rank"), "Mean ranks")
    nemenyi = found.nemenyi.rename_axis("against").reset_index()
    names: dict[str, Column] = {str(name): (str(name), p_value) for name in found.nemenyi}
    p_values = html_table(nemenyi, {"against": ("p (Nemenyi)", WORDS)} | names, "Nemenyi's p-values")
    return paragraph(words) + figure + details("The numbers behind the diagram", mean_ranks + p_values)


def rankings(comparison: Comparison) -> str:
    """Write the rank and accuracy of each strategy in each architecture."""
    strategies = sorted(comparison.architectures["strategy"].unique(), key=order)
    return heat_table(comparison.architectures, strategies, f"Rankings by architecture on {comparison.dataset}")


def margins(comparison: Comparison, figures: Figures) -> str:
    """Draw SmartMixed's margins; list its comparison with every rival, and what phase 2 gained over phase 1."""
    means = comparison.mean_margins.assign(
        against=comparison.mean_margins["margin"].map(margin_words(comparison.scale.metric))
    )
    described = "; ".join(f"over {row['against']} {_interval(row)}" for row in means.to_dict("records"))
    figure = figures.draw(
        "margins",
        f"SmartMixed's margins, {comparison.dataset}",
        f"Mean margins: {described}.",
        lambda ax: plots.plot_margins(comparison.margins, comparison.mean_margins, ax),
        (4.5, 2.9),
        "Dots are architectures, the diamond is their mean with its 95 % interval; within the grey band two strategies "
        "are equal in practice. The oracle is a maximum over noise: nobody could have chosen it.",
    )
    heads = columns("architecture")
    for kind, label in plots.MARGIN_LABELS.items():
        heads |= {kind: (label, WORDS), f"margin_{kind}": COLUMNS["margin"]}
    behind = html_table(means, {"against": ("over", WORDS)} | _INTERVAL, "Mean margins")
    sizes = comparison.margins.sort_values("architecture", key=lambda names: names.map(by_size))
    by_architecture = html_table(sizes, heads, "Margins by architecture")
    against = html_table(comparison.pairs, _PAIRS, f"SmartMixed against every rival on {comparison.dataset}")
    return (
        figure
        + details("The numbers behind the plot", behind + by_architecture)
        + "<h3>Against every rival</h3>"
        + paragraph(_equivalence(comparison), "note")
        + against
        + _controls(comparison)
        + "<h3>Phase 2 against phase 1</h3>"
        + _phases(comparison)
    )


def _equivalence(comparison: Comparison) -> str:
    said = f"Equal in practice is what differs by less than {100 * ROPE:g} points"
    examples = comparison.test_examples
    return f"{said}." if examples is None else f"{said}: {ROPE * examples:.2g} of the {examples:,} test examples."


def _controls(comparison: Comparison) -> str:
    if comparison.controls.empty:
        return ""
    told = comparison.controls.assign(tells=comparison.controls["rival"].map(CONTROL_WORDS))
    shown = {"rival": ("control", WORDS), "tells": ("against", WORDS)} | _PAIRS
    said = "Each in SmartMixed's own trial: settings, initial weights and batches are equal."
    return (
        "<h3>Against the controls</h3>"
        + paragraph(said, "note")
        + html_table(told, shown, "SmartMixed against its controls")
    )


def _phases(comparison: Comparison) -> str:
    gains = comparison.mean_phases.assign(over=comparison.mean_phases["gain"].map(GAINS))
    if gains["mean"].isna().all():
        return paragraph("Not recorded: accuracies at the handoff are missing.")
    return html_table(gains, {"over": ("gain in test accuracy", WORDS)} | _INTERVAL, "Phase 2 against phase 1")


def _interval(found: Mapping[Hashable, Any]) -> str:
    mean, low, high = (100 * float(found[name]) for name in ("mean", "low", "high"))
    return f"{mean:+z.2f} points" + ("" if np.isnan(low) else f" (95 % interval {low:+z.2f} to {high:+z.2f})")
