"""The sections of the report that are about one dataset's comparison; each returns HTML."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from smartmixed_search.analysis.comparison import CONTROL_WORDS, Comparison
from smartmixed_search.analysis.margins import margin_words
from smartmixed_search.analysis.phases import GAINS
from smartmixed_search.analysis.scale import Scale
from smartmixed_search.analysis.statistics import NotEnoughData
from smartmixed_search.families import by_size
from smartmixed_search.reports import plots
from smartmixed_search.reports.about import moment
from smartmixed_search.reports.columns import columns, gains, interval
from smartmixed_search.reports.data import ReportData
from smartmixed_search.reports.figures import Figures
from smartmixed_search.reports.palette import order
from smartmixed_search.reports.tables import (
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


def _of_leaderboard(scale: Scale) -> dict[str, Column]:
    test = scale.metric.test
    return columns(
        *["place", "strategy", "mean_rank", "mrr", "wins", "top3_rate", test, f"{test}_std", "blocks"],
        *["trials", "draws", "epochs", "optimizer_steps", "parameters"],
        scale=scale,
    )


def _of_confirmation(scale: Scale) -> dict[str, Column]:
    test = scale.metric.test
    return columns(
        *["trial", "architecture", "phase_fraction", "temperature", "objective", "confirmed_objective", "replicates"],
        *[f"smartmixed_{test}", "best_fixed", f"best_fixed_{test}", "margin"],
        scale=scale,
    ) | interval(gains(scale))


def _of_interval(scale: Scale) -> dict[str, Column]:
    ends = interval(gains(scale)) | {"reason": ("no interval because", WORDS)}
    return columns("blocks", "mean", scale=scale) | ends


def _of_pairs(scale: Scale) -> dict[str, Column]:
    return (
        columns("rival", "wins", "ties", "losses", "mean_difference", scale=scale)
        | interval(gains(scale))
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
        comparison.leaderboard, _of_leaderboard(comparison.scale), f"Leaderboard on {comparison.dataset}"
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
    shown = _of_confirmation(data.scale)
    return paragraph(said + _turned(data.scale), "note") + html_table(
        data.confirmations, shown, "Trials confirmed on fresh seeds"
    )


def _turned(scale: Scale) -> str:
    """Say which way gains go where the lower value is better."""
    return f" {scale.turned[0].upper()}{scale.turned[1:]}." if scale.turned else ""


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
    """Write the rank and test metric of each strategy in each architecture."""
    strategies = sorted(comparison.architectures["strategy"].unique(), key=order)
    caption, scale = f"Rankings by architecture on {comparison.dataset}", comparison.scale
    table = heat_table(comparison.architectures, strategies, caption, scale)
    return table if scale.factor == 100 else paragraph(f"In every cell {scale.heading('test')}.", "note") + table


def margins(comparison: Comparison, figures: Figures) -> str:
    """Draw SmartMixed's margins; list its comparison with every rival, and what phase 2 gained over phase 1."""
    means = comparison.mean_margins.assign(
        against=comparison.mean_margins["margin"].map(margin_words(comparison.scale.metric))
    )
    scale = comparison.scale
    described = "; ".join(f"over {row['against']} {_interval(row, scale)}" for row in means.to_dict("records"))
    figure = figures.draw(
        "margins",
        f"SmartMixed's margins, {comparison.dataset}",
        f"Mean margins: {described}.",
        lambda ax: plots.plot_margins(comparison.margins, comparison.mean_margins, ax, scale=scale),
        (4.5, 2.9),
        "Dots are architectures, the diamond is their mean with its 95 % interval; within the grey band two strategies "
        "are equal in practice. The oracle is the best on the test set, noise included: nobody could have chosen it."
        + _turned(scale),
    )
    heads = columns("architecture")
    for kind, label in plots.MARGIN_LABELS.items():
        heads |= {kind: (label, WORDS), f"margin_{kind}": columns("margin", scale=scale)["margin"]}
    behind = html_table(means, {"against": ("over", WORDS)} | _of_interval(scale), "Mean margins")
    sizes = comparison.margins.sort_values("architecture", key=lambda names: names.map(by_size))
    by_architecture = html_table(sizes, heads, "Margins by architecture")
    against = html_table(comparison.pairs, _of_pairs(scale), f"SmartMixed against every rival on {comparison.dataset}")
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
    scale, examples = comparison.scale, comparison.test_examples
    if scale.rope == 0:
        return f"Equal in practice is {scale.equal}.{_turned(scale)}"
    said = f"Equal in practice is what differs by less than {scale.equal}"
    if examples is None:
        return f"{said}.{_turned(scale)}"
    return f"{said}: {scale.rope * examples:.2g} of the {examples:,} test examples."


def _controls(comparison: Comparison) -> str:
    if comparison.controls.empty:
        return ""
    told = comparison.controls.assign(tells=comparison.controls["rival"].map(CONTROL_WORDS))
    shown = {"rival": ("control", WORDS), "tells": ("against", WORDS)} | _of_pairs(comparison.scale)
    said = "Each in SmartMixed's own trial: settings, initial weights and batches are equal."
    return (
        "<h3>Against the controls</h3>"
        + paragraph(said, "note")
        + html_table(told, shown, "SmartMixed against its controls")
    )


def _phases(comparison: Comparison) -> str:
    found = comparison.mean_phases.assign(over=comparison.mean_phases["gain"].map(GAINS))
    if found["mean"].isna().all():
        return paragraph("Not recorded: values at the handoff are missing.")
    scale = comparison.scale
    shown = {"over": (f"gain in test {scale.label}", WORDS)} | _of_interval(scale)
    return html_table(found, shown, "Phase 2 against phase 1")


def _interval(found: Mapping[Hashable, Any], scale: Scale) -> str:
    mean, low, high = (float(found[name]) for name in ("mean", "low", "high"))
    if np.isnan(mean):
        return "unknown"
    return scale.difference(mean) + ("" if np.isnan(low) else f" (95 % interval {scale.span(low, high)})")
