"""The report's section on what the neurons chose; no figure of it stands without the confidence of the choices."""

import numpy as np
import pandas as pd

from smartmixed_search.analysis.preferences import CONTRADICTED, FAMILIES, HOLDS, NOT_ENOUGH, NOT_SHOWN, verdict
from smartmixed_search.errors.messages import counted
from smartmixed_search.reports import plots
from smartmixed_search.reports.columns import columns, interval
from smartmixed_search.reports.data import Preferences
from smartmixed_search.reports.figures import GRID_SIZE, Figures
from smartmixed_search.reports.tables import (
    PERCENT,
    POINTS,
    Column,
    details,
    fixed,
    html_table,
    p_value,
    paragraph,
    percent,
)
from smartmixed_search.trials.convergence import CONVERGED_CONFIDENCE, UNDECIDED, unconverged_in

CLAIM = "The article claims a trend from ReLU / Leaky ReLU in early layers to ELU / SELU in deep ones."
SLIGHT_KAPPA = 0.2
"""Up to it, agreement beyond chance is called slight (Landis and Koch 1977, Biometrics 33, 159–174)."""

_VERDICTS = {
    HOLDS: "Here the change with depth is significant for both families, in the claimed direction.",
    NOT_SHOWN: "Here the trend is not shown: not both families change significantly with depth.",
    CONTRADICTED: "Here the trend is contradicted: a family changes significantly with depth, the other way.",
    NOT_ENOUGH: "Here the trend cannot be judged: not enough data",
}
_SHARES = columns("layer", "depth", "function", "share") | interval(PERCENT) | columns("networks")
_TREND = (
    columns("family", "claimed", "slope")
    | interval(POINTS)
    | {"p": ("p (Wilcoxon)", p_value)}
    | columns("blocks", "networks", "reason")
)
_AGREEMENT = (
    columns("layer", "agreement", "by_chance", "kappa") | interval(fixed(3)) | columns("architectures", "trials")
)


def preferences(found: Preferences, figures: Figures) -> str:
    """Draw and judge the choices: where in the network, how they evolved, and whether replicates agree."""
    names = {str(name) for name in found.by_layer["function"]}
    shares = "".join(_shares(frame, figures) for frame in (found.by_layer, found.by_depth))
    return (
        _confidence(found)
        + _missing(found.missing)
        + "<h3>By layer and by relative depth</h3>"
        + f'{figures.legend(names)}<div class="figures">{shares}</div>'
        + f"<h3>The claimed trend</h3>{_trend(found)}"
        + f"<h3>Over the selection phase</h3>{_evolution(found.by_epoch, names, figures)}"
        + f"<h3>Between replicates</h3>{_agreement(found.agreement)}"
    )


def _confidence(found: Preferences) -> str:
    """Say how sure the networks were of their choices, and what that means for statements about them."""
    mean = found.confidence
    if np.isnan(mean):
        return paragraph("Choice confidence was not recorded: whether these choices mean anything is unknown.", "note")
    words = f"Mean choice confidence over all finished trials is {mean:.2f}"
    if mean >= CONVERGED_CONFIDENCE and found.unconverged:
        said = unconverged_in(found.unconverged, found.trials, "finished trial")
        return paragraph(f"{words}, but {said}.", "warning")
    if mean >= CONVERGED_CONFIDENCE:
        return paragraph(f"{words}: the selection has converged.", "note")
    return paragraph(
        f"{words}, below {CONVERGED_CONFIDENCE}: the selection has not converged, so {UNDECIDED}. "
        "This section says what they leaned to when they were fixed.",
        "warning",
    )


def _missing(trials: int) -> str:
    if not trials:
        return ""
    return paragraph(
        f"Without {counted(trials, 'finished trial')} whose choices MLflow does not have any more.", "warning"
    )


def _shares(shares: pd.DataFrame, figures: Figures) -> str:
    place = plots.place_of(shares)
    top = shares.loc[shares.groupby(place)["share"].idxmax()]
    described = "; ".join(
        f"{place} {row[place]:g}: {row['function']} {percent(row['share'])}" for _, row in top.iterrows()
    )
    words = "relative depth" if place == "depth" else place
    figure = figures.draw(
        "preferences",
        f"Chosen functions by {words}",
        f"Most chosen: {described}.",
        lambda ax: plots.plot_preferences(shares, ax),
        GRID_SIZE,
        f"Share of neurons that chose each function, by {words}, with 95 % intervals where there is data for them. "
        "The dashed line is what random choices would give.",
    )
    table = html_table(shares, _SHARES, f"Shares by {words}")
    return f"<div>{figure}{details('The numbers behind the plot', table)}</div>"


def _trend(found: Preferences) -> str:
    said = verdict(found.trend)
    words = f"{CLAIM} {_VERDICTS[said]}"
    if said == NOT_ENOUGH:
        words += f" ({'; '.join(found.trend['reason'].dropna().unique())})."
    else:
        changes = (f"{row['family']} by {100 * row['slope']:+z.1f} points" for _, row in found.trend.iterrows())
        words += (
            f" From the first layer to the last, shares change: {', '.join(changes)}. {_most_chosen(found.by_depth)}"
        )
    if not np.isnan(found.confidence):
        words += f" Mean choice confidence: {found.confidence:.2f}."
    if found.confidence < CONVERGED_CONFIDENCE:
        words += " This is what neurons leaned to when they were fixed."
    table = html_table(found.trend, _TREND, "Trend of each family's share over depth, with 95 % intervals")
    return paragraph(words) + table


def _most_chosen(by_depth: pd.DataFrame) -> str:
    """Say what a slope does not: which function leads at either end."""
    depths = by_depth["depth"]
    first, last = (by_depth.loc[by_depth.loc[depths == end, "share"].idxmax()] for end in (depths.min(), depths.max()))
    ends = (("early", first, "ReLU / Leaky ReLU"), ("deep", last, "ELU / SELU"))
    unlike = [
        f"{where} layers do not prefer {family}"
        for where, leader, family in ends
        if leader["function"] not in FAMILIES[family]
    ]
    return (
        f"Most chosen: {first['function']} in the first layers ({percent(first['share'])}), "
        f"{last['function']} in the last ({percent(last['share'])})"
        + (f"; so, other than claimed, {' and '.join(unlike)}." if unlike else ".")
    )


def _evolution(by_epoch: pd.DataFrame, names: set[str], figures: Figures) -> str:
    if by_epoch.empty:
        return paragraph("How choices evolved was not recorded.")
    said = (
        "Share of neurons whose likeliest function it is, at the end of each epoch. Selection phases differ in length: "
        "a network whose phase is over keeps its last choices."
    )
    drawn = "".join(_epochs(by_epoch, depth, figures) for depth in sorted(by_epoch["depth"].unique()))
    wide = by_epoch.pivot(index=["depth", "epoch", "networks", "selecting"], columns="function", values="share")
    shown: dict[str, Column] = {"depth": ("relative depth", fixed(2))} | columns("epoch")
    shown |= {name: (f"{name}, %", PERCENT) for name in sorted(names) if name in wide}
    shown |= columns("networks", "selecting")
    table = html_table(wide.reset_index(), shown, "Shares by epoch and relative depth")
    return (
        f'{paragraph(said)}{figures.legend(names)}<div class="figures">{drawn}</div>'
        f"{details('The numbers behind the plots', table)}"
    )


def _epochs(by_epoch: pd.DataFrame, depth: float, figures: Figures) -> str:
    here = by_epoch[by_epoch["depth"] == depth]
    last = here[here["epoch"] == here["epoch"].max()].sort_values("share", ascending=False)
    described = ", ".join(f"{row['function']} {percent(row['share'])}" for _, row in last.iterrows())
    where = ("First", "Middle", "Last")[min(int(3 * depth), 2)]
    return figures.draw(
        "evolution",
        f"Choices by epoch, {where.lower()} layers",
        f"In the last selection epoch: {described}.",
        lambda ax: plots.plot_evolution(by_epoch, depth, ax),
        GRID_SIZE,
        f"{where} layers (relative depth {depth:.2f})",
    )


def _agreement(agreement: pd.DataFrame) -> str:
    if agreement.empty:
        return paragraph("Not enough data: agreement needs at least 2 replicates.")
    mean = agreement[["agreement", "by_chance", "kappa"]].mean()
    words = f"On average over layers, two replicates choose alike for {percent(mean['agreement'])} of the neurons"
    words += f"; the functions' shares alone would give {percent(mean['by_chance'])}"
    if np.isnan(mean["kappa"]):
        words += ". Within a layer all neurons chose alike, so there is nothing to tell from chance."
    elif mean["kappa"] <= SLIGHT_KAPPA:
        words += f" (kappa {mean['kappa']:z.2f}). Beyond its layer, a neuron's position hardly decides what it chooses."
    else:
        words += f" (kappa {mean['kappa']:z.2f}). So a neuron's position in its layer matters for what it chooses."
    table = html_table(agreement, _AGREEMENT, "Agreement between replicates by layer, kappa with 95 % intervals")
    return paragraph(words) + table
