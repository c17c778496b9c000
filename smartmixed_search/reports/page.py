"""The report of a sweep: one HTML page that needs nothing else, and its figures as PNGs."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from importlib.resources import files

import pandas as pd

from smartmixed_search.analysis.comparison import Comparison
from smartmixed_search.analysis.identity import by_dataset
from smartmixed_search.analysis.scale import Scale
from smartmixed_search.reports import plots, sections
from smartmixed_search.reports.about import summary
from smartmixed_search.reports.choices import preferences
from smartmixed_search.reports.columns import columns
from smartmixed_search.reports.data import Preferences, ReportData
from smartmixed_search.reports.figures import GRID_SIZE, Figures, Pictures
from smartmixed_search.reports.tables import details, html_table, of_architecture, paragraph
from smartmixed_search.reports.tuning import tuning

MOST_EPOCHS = 60
"""Of the table behind a curve; longer ones are thinned."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""The page may load nothing at all."""

TITLES = {
    "conclusion": "Conclusion",
    "leaderboard": "Leaderboard",
    "confirmation": "The best trials on fresh seeds",
    "critical-difference": "Critical differences",
    "rankings": "Rankings by architecture",
    "margins": "SmartMixed's margins",
    "preferences": "Preferences by layer",
    "curves": "Curves",
    "tuning": "Tuning",
    "method": "How it was computed",
}
"""The page's sections, in order."""

_METHOD = (
    "What is counted once is an architecture on a dataset. In the tuned view each strategy is represented there by its "
    "trial of {highest} validation {metric}, in the default view by the trial at the published setting; strategies are "
    "then ranked by test {metric}, the mean over replicates. Test figures never choose anything. Where the trial "
    "that represents SmartMixed was confirmed, all figures of the architecture are those on fresh seeds.",
    "Mean ranks are compared by Friedman's test and Nemenyi's critical difference (Demšar 2006), SmartMixed with every "
    "rival by Wilcoxon's signed-rank test with Holm's correction and by the Bayesian signed-rank test with a region of "
    "practical equivalence: what differs by less than {equal} (Benavoli et al. 2017). Intervals are 95 % bootstrap "
    "intervals over architectures. Nothing is tested on fewer than 6 architectures.",
    "Neurons of a network choose together, so shares have intervals over networks, those that started from the same "
    "seeds drawn together. The trend is the slope of a family's share over relative depth, one value per architecture "
    "of at least two hidden layers, tested by Wilcoxon's signed-rank test. Agreement is Fleiss' kappa. What tuning "
    "learned is taken relative to each architecture's mean, with intervals over trials; shares of the variance are "
    "epsilon squared, which is about 0 for what does not matter.",
    "Phase 2 against phase 1: the net gain is the gain less what the epochs after the handoff gave the "
    "median fixed activation of the same trial.",
    "Replicates share one split of the data unless the space has folds or repeats: else their spread is only that of "
    "initial weights, batch order and noise. Controls are listed in italics and have no rank.",
)


class Page(str):
    """An HTML document, as text; a notebook shows it in a frame of its own."""

    def _repr_html_(self) -> str:
        style = "width: 100%; height: 40rem; border: 0"
        return f'<iframe title="Report" srcdoc="{escape(self)}" style="{style}"></iframe>'


def build_report(data: ReportData) -> Page:
    """Return the report as one HTML document that loads nothing from elsewhere."""
    contents = _contents(data, Figures())
    links = "".join(f'<li><a href="#{key}">{escape(title)}</a></li>' for key, title in TITLES.items())
    body = "".join(
        f'<section id="{key}" aria-labelledby="h-{key}"><h2 id="h-{key}">{escape(title)}</h2>{contents[key]}</section>'
        for key, title in TITLES.items()
    )
    title = f"Sweep {escape(data.sweep)}: SmartMixed and fixed activations"
    return Page(
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{title}</title><style>{_asset('style.css')}</style></head><body>"
        f'<a class="skip" href="#main">Skip to the results</a><header><h1>{title}</h1>{summary(data)}</header>'
        f'<nav aria-label="Sections"><ul>{links}</ul></nav><main id="main">{body}</main>'
        f"<footer>Written by SmartMixed Search.</footer><script>{_asset('page.js')}</script></body></html>\n"
    )


def figures(data: ReportData) -> dict[str, bytes]:
    """Return the report's figures as PNGs, by file name."""
    pictures = Pictures()
    _contents(data, pictures)
    return pictures.png


def _contents(data: ReportData, drawn: Figures) -> Mapping[str, str]:
    return {
        "conclusion": _per_dataset(data, sections.conclusion) + _survivors(data.counts),
        "leaderboard": _per_dataset(data, sections.leaderboard),
        "confirmation": sections.confirmation(data),
        "critical-difference": _per_dataset(data, lambda one: sections.critical_difference(one, drawn)),
        "rankings": _per_dataset(data, sections.rankings),
        "margins": _per_dataset(data, lambda one: sections.margins(one, drawn)),
        "preferences": _preferences(data.preferences, drawn),
        "curves": _curves(data, drawn),
        "tuning": _tuning(data, drawn),
        "method": _method(data.scale),
    }


def _method(scale: Scale) -> str:
    words = {"highest": scale.better.replace("er", "est"), "metric": scale.label, "equal": scale.equal}
    return "".join(paragraph(text.format(**words)) for text in _METHOD)


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _survivors(counts: Mapping[str, int]) -> str:
    lost = {status: counts.get(status, 0) for status in ("failed", "stopped")}
    if not any(lost.values()):
        return ""
    words = " and ".join(f"{number} {status}" for status, number in lost.items() if number)
    return paragraph(
        f"Of the trials, {words} before the end and are not in these figures: what is left is a selected sample, "
        "likely better than the whole.",
        "warning",
    )


def _per_dataset(data: ReportData, section: Callable[[Comparison], str]) -> str:
    if not data.comparisons:
        return paragraph("Not enough data: no trial has finished.")
    several = len(data.comparisons) > 1
    return "".join(
        (f"<h3>{escape(comparison.dataset)}</h3>" if several else "") + section(comparison)
        for comparison in data.comparisons
    )


def _preferences(found: Preferences | None, drawn: Figures) -> str:
    return paragraph("Choices were not recorded.") if found is None else preferences(found, drawn)


def _curves(data: ReportData, drawn: Figures) -> str:
    if not data.curves:
        return paragraph("Curves were not recorded.")
    names = {name for curves in data.curves.values() for name in curves}
    label, worst = data.scale.label, "lowest" if data.scale.better == "higher" else "highest"
    said = f"Validation {label} by epoch; the dashed line is the handoff. The {worst} tenth of the values is left out."
    if len(data.curves) < len(data.selection_epochs):
        said += f" Drawn for the {len(data.curves)} of {len(data.selection_epochs)} architectures of highest objective."
    each = "".join(
        _curve_figure(name, curves, data.selection_epochs.get(name), drawn, data.scale)
        for name, curves in data.curves.items()
    )
    return f'{paragraph(said)}{drawn.legend(names)}<div class="figures">{each}</div>'


def _curve_figure(
    architecture: str, curves: Mapping[str, Sequence[float]], handoff: int | None, drawn: Figures, scale: Scale
) -> str:
    last = ", ".join(f"{name} {scale.short(curve[-1])}" for name, curve in curves.items() if len(curve))
    figure = drawn.draw(
        "curves",
        f"Validation {scale.label} by epoch, {architecture}",
        f"In the last epoch: {last}." + (f" Handoff after epoch {handoff}." if handoff is not None else ""),
        lambda ax: plots.plot_curves(curves, handoff, ax, scale=scale),
        GRID_SIZE,
        architecture,
    )
    table = pd.DataFrame({name: pd.Series(curve, dtype="float64") for name, curve in curves.items()})
    table.insert(0, "epoch", range(1, len(table) + 1))
    table = table.iloc[:: -(-len(table) // MOST_EPOCHS) or 1]
    shown = columns("epoch")
    shown |= {name: (name, scale.number) for name in curves}
    unit = f", {scale.unit}" if scale.unit else ""
    numbers = html_table(table, shown, f"Validation {scale.label} by epoch{unit}, {architecture}")
    return f"<div{of_architecture(architecture)}>{figure}{details('The numbers behind the plot', numbers)}</div>"


def _tuning(data: ReportData, drawn: Figures) -> str:
    finished = data.finished.dropna(subset=["objective"])
    if finished.empty:
        return paragraph("Not enough data: no trial has finished.")
    parts = list(by_dataset(finished))
    return "".join(
        (f"<h3>{escape(dataset)}</h3>" if len(parts) > 1 else "") + tuning(dataset, trials, drawn, data.scale)
        for dataset, trials in parts
    )
