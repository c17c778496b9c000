"""Plots of a sweep's results on matplotlib axes, for the report and for notebooks.

Every function draws on `ax`, or on a new pyplot figure without it, and returns the axes. Accuracies are drawn in per
cent, their differences in points; another metric as its `Scale` says.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smartmixed_search.analysis.scale import Scale
from smartmixed_search.analysis.statistics import Array, Friedman, NotEnoughData
from smartmixed_search.reports import drawing
from smartmixed_search.reports.palette import GRID, INK, MUTED, SERIES, look
from smartmixed_search.reports.svg import add_tips, name_series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARGIN_LABELS = {
    "best_fixed": "best fixed activation, by validation",
    "oracle": "best fixed activation on the test set (oracle)",
    "single": "one fixed activation for all architectures",
}
SETTINGS = {"phase_fraction": "phase fraction φ", "temperature": "temperature τ"}
PLACES = {"layer": "hidden layer, from 0", "depth": "relative depth: 0 first layer, 1 last"}
MARGIN = "margin"
"""The kind of objective that is a gain; any other is the metric itself."""
BEST_SHARE = 0.1
"""Of the trials: the ones that the parallel coordinates point out."""


def plot_critical_difference(friedman: Friedman | NotEnoughData, ax: "Axes | None" = None) -> "Axes":
    """Draw mean ranks, best at the right, and bars over strategies that do not differ (Demšar 2006, figure 1).

    Takes `Comparison.friedman`; without enough data it says so. Returns the axes: `ax`, by default those of a new
    figure.
    """
    ax = drawing.axes(ax)
    if isinstance(friedman, NotEnoughData):
        return drawing.say(ax, f"not enough data: {friedman.reason}")
    ranks, k = friedman.mean_ranks, len(friedman.mean_ranks)
    ax.plot([1, k], [0, 0], color=INK, linewidth=1.2)
    for tick in range(1, k + 1):
        ax.plot([tick, tick], [0, 0.2], color=INK, linewidth=1.2)
        ax.text(tick, 0.3, str(tick), ha="center", va="bottom", color=INK, fontsize=drawing.SMALL)
    first_row = 0.7 + 0.35 * len(friedman.groups)
    right = (k + 1) // 2
    for place, (name, rank) in enumerate(ranks.items()):
        on_right = place < right
        row = -first_row - (place if on_right else k - 1 - place)
        side, align = (0.8, "left") if on_right else (k + 0.2, "right")
        color = look(str(name)).color
        ax.plot([rank, rank, side], [0, row, row], color=color, linewidth=1.2)
        text = f"{rank:.2f}  {drawing.plain(name)}" if on_right else f"{drawing.plain(name)}  {rank:.2f}"
        ax.text(side + (-0.1 if on_right else 0.1), row, text, ha=align, va="center", color=INK, fontsize=drawing.SMALL)
    for number, group in enumerate(friedman.groups):
        height = -0.4 - 0.35 * number
        ax.plot(
            [ranks[group[0]] - 0.05, ranks[group[-1]] + 0.05],
            [height, height],
            color=INK,
            linewidth=4,
            solid_capstyle="butt",
        )
    critical = min(friedman.critical_difference, k - 1)
    ax.errorbar(k - critical / 2, 1.3, xerr=critical / 2, color=INK, capsize=3, linewidth=1.2)
    label = f"critical difference {friedman.critical_difference:.2f}"
    ax.text(k - critical / 2, 1.5, label, ha="center", va="bottom", color=INK, fontsize=drawing.SMALL)
    ax.set(xlim=(1 + 1.62 * (k - 1), 1 - 0.62 * (k - 1)), ylim=(-first_row - right + 0.4, 2.3))
    ax.axis("off")
    return ax


def plot_margins(
    margins: pd.DataFrame, mean_margins: pd.DataFrame, ax: "Axes | None" = None, *, scale: Scale | None = None
) -> "Axes":
    """Draw SmartMixed's margins in the test metric: a dot per architecture, the mean with its 95 % interval below.

    Takes `margins` and `mean_margins` of a `Comparison`, and its `scale` (by default accuracy's). The grey band is what
    is equal in practice, of accuracy half a point to either side. Returns the axes: `ax`, by default those of a new
    figure.
    """
    ax = drawing.axes(ax)
    scale = scale or Scale()
    ax.axvspan(-scale.factor * scale.rope, scale.factor * scale.rope, color=GRID, alpha=0.5, linewidth=0)
    for row, mean in enumerate(mean_margins.to_dict("records")):
        kind = str(mean["margin"])
        known = margins.dropna(subset=f"margin_{kind}")
        values = scale.factor * known[f"margin_{kind}"].to_numpy("float64")
        spread = -row + 0.16 * (np.arange(len(values)) * 0.618 % 1)  # the golden ratio keeps neighbours apart
        dots = ax.scatter(values, spread, s=16, color=SERIES[1], alpha=0.7, linewidth=0)
        of_each = zip(known["architecture"], known[f"margin_{kind}"], strict=True)
        add_tips(dots, [f"{name}: {scale.number(value, sign=True)}" for name, value in of_each])
        ax.text(0.01, -row + 0.36, MARGIN_LABELS[kind], transform=ax.get_yaxis_transform(), **drawing.TEXT)
        low, center, high = (scale.factor * float(mean[name]) for name in ("low", "mean", "high"))
        ax.plot([0, 0], [-row - 0.3, -row + 0.25], color=MUTED, linewidth=1)
        if not np.isnan(low):
            ax.plot([low, high], [-row - 0.16] * 2, color=SERIES[0], linewidth=2)
        if not np.isnan(center):
            ax.plot([center], [-row - 0.16], color=SERIES[0], marker="D", markersize=6)
    ax.set(ylim=(-len(mean_margins) + 0.6, 0.65), yticks=[])
    if scale.factor == 100:
        return drawing.frame(ax, f"SmartMixed minus rival, points of test {scale.label}", "")
    return drawing.frame(ax, drawing.plain(scale.differences(f"SmartMixed's gain in test {scale.label}")), "")


def plot_preferences(preferences: pd.DataFrame, ax: "Axes | None" = None) -> "Axes":
    """Draw the share of each function by layer or by relative depth, with its interval.

    Takes what `by_layer` or `by_depth` returns. The dashed line is what random choices give. Returns the axes: `ax`, by
    default those of a new figure.
    """
    names = drawing.ordered(preferences["function"].unique())
    ax = drawing.axes(ax, names)
    place = place_of(preferences)
    places = np.sort(preferences[place].unique().astype("float64"))
    step = np.diff(places).min(initial=1)
    for number, name in enumerate(names):
        rows = preferences[preferences["function"] == name].sort_values(place)
        aside = 0.5 * step * ((number + 0.5) / len(names) - 0.5)  # or the intervals lie on top of each other
        x = rows[place].to_numpy("float64") + aside
        share, low, high = (100 * rows[column].to_numpy("float64") for column in ("share", "low", "high"))
        reach = np.clip(np.nan_to_num([share - low, high - share]), 0, None)
        intervals = ax.errorbar(x, share, yerr=reach, color=look(name).color, linestyle="none", elinewidth=1)
        name_series(intervals.lines[2][0], name, "interval")
        drawing.line(ax, x, share, name)
    for uniform in preferences["uniform"].unique():
        ax.axhline(100 * uniform, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
    ax.set_ylim(bottom=0)
    ax.margins(x=0.1)
    ax.set_xticks(places)
    return drawing.frame(ax, PLACES[place], "share of neurons, %")


def plot_evolution(evolution: pd.DataFrame, depth: float = 0, ax: "Axes | None" = None) -> "Axes":
    """Draw how the share of each function evolves over the epochs, in the layers nearest to a relative depth.

    Takes what `by_epoch` returns; `depth` is 0 for the first hidden layer, 1 for the last. Plots of several depths have
    the same scale. Returns the axes: `ax`, by default those of a new figure.
    """
    names = drawing.ordered(evolution["function"].unique())
    ax = drawing.axes(ax, names)
    if evolution.empty:
        return drawing.say(ax, "not enough data: how choices evolved was not recorded")
    depths = evolution["depth"].unique()
    here = evolution[evolution["depth"] == depths[np.abs(depths - depth).argmin()]].sort_values("epoch")
    for name in names:
        rows = here[here["function"] == name]
        x, share = rows["epoch"].to_numpy("float64"), 100 * rows["share"].to_numpy("float64")
        drawing.line(ax, x, share, name, sparse=True)
    ax.set_ylim(0, max(1, 107 * evolution["share"].max()))
    ax.locator_params(axis="x", integer=True)
    return drawing.frame(ax, "epoch", "share of neurons, %")


def place_of(preferences: pd.DataFrame) -> str:
    """Return by what a frame of preferences is: `layer` or `depth`."""
    return "layer" if "layer" in preferences else "depth"


def plot_curves(
    curves: Mapping[str, Sequence[float]],
    selection_epochs: int | None = None,
    ax: "Axes | None" = None,
    *,
    scale: Scale | None = None,
) -> "Axes":
    """Draw each strategy's validation metric by epoch; a vertical line is SmartMixed's handoff.

    Takes what `curves` returns, after how many epochs the handoff is, and the metric's scale (by default accuracy's).
    The worst tenth of all values is left out: the first epochs would hide what the strategies differ in. Returns the
    axes: `ax`, by default those of a new figure.
    """
    scale = scale or Scale()
    ax = drawing.axes(ax, drawing.ordered(curves))
    for name in drawing.ordered(curves):
        drawing.line(
            ax,
            np.arange(1.0, len(curves[name]) + 1),
            scale.factor * np.asarray(curves[name], "float64"),
            name,
            sparse=True,
        )
    drawn = [np.asarray(curve, "float64") for curve in curves.values()]
    values = scale.factor * np.concatenate(drawn or [np.zeros(0)])
    values = values[np.isfinite(values)]
    if len(values):
        _leave_out_the_worst(ax, values, scale)
    if selection_epochs is not None:
        ax.axvline(selection_epochs + 0.5, color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
    ax.locator_params(axis="x", integer=True)
    return drawing.frame(ax, "epoch", drawing.plain(scale.heading("validation")))


def _leave_out_the_worst(ax: "Axes", values: Array, scale: Scale) -> None:
    """Limit the vertical axis to all but the worst tenth of the values."""
    if scale.better == "higher":
        low, high = float(np.quantile(values, 0.1)), float(values.max())
    else:
        low, high = float(values.min()), float(np.quantile(values, 0.9))
    if scale.factor == 100:
        ax.set_ylim(low - 0.02, high + max(0.05, 0.08 * (high - low)))
    elif high > low:
        room = 0.08 * (high - low)
        ax.set_ylim(low - room, high + room)


def plot_tuning(
    trials: pd.DataFrame,
    setting: str = "phase_fraction",
    ax: "Axes | None" = None,
    *,
    response: pd.DataFrame | None = None,
    scale: Scale | None = None,
) -> "Axes":
    """Draw the objective of every trial against a setting, `phase_fraction` or `temperature` (on a log axis).

    `trials` is what the function `trials` returns, `response` what the function `response` returns; it is drawn over
    the trials, around their mean. `scale` is the metric's, by default accuracy's. Returns the
    axes: `ax`, by default those of a new figure.
    """
    ax, scale = drawing.axes(ax), scale or Scale()
    known = trials.dropna(subset=["objective", setting])
    values = scale.factor * known["objective"].to_numpy("float64")
    dots = ax.scatter(known[setting], values, s=22, color=SERIES[1], alpha=0.7, linewidth=0)
    add_tips(dots, [_trial_words(trial, scale) for _, trial in known.iterrows()])
    if len(known):
        best = known.iloc[known["objective"].argmax()]
        x, y = best[setting], scale.factor * best["objective"]
        ax.plot([x], [y], color=SERIES[0], marker="o", markersize=9, fillstyle="none", markeredgewidth=2)
    if response is not None:
        _bars(ax, response, values.mean(), scale.factor, log=setting == "temperature")
    if setting == "temperature":
        drawing.log_axis(ax, known[setting])
    return drawing.frame(ax, SETTINGS[setting], drawing.plain(_objective(known, scale)))


def _bars(ax: "Axes", response: pd.DataFrame, level: float, factor: float, *, log: bool) -> None:
    """Draw each bin's mean from its smallest to its largest value, and its interval in the middle."""
    for bin_ in response.to_dict("records"):
        left, right = float(bin_["from"]), float(bin_["to"])
        low, mean, high = (level + factor * float(bin_[name]) for name in ("low", "mean", "high"))
        middle = np.sqrt(left * right) if log else (left + right) / 2
        ax.plot([left, middle, right], [mean] * 3, color=INK, linewidth=2, marker="s", markersize=4, markevery=[1])
        if not np.isnan(low):
            ax.plot([middle, middle], [low, high], color=INK, linewidth=1.2)


def plot_parallel(trials: pd.DataFrame, ax: "Axes | None" = None, *, scale: Scale | None = None) -> "Axes":
    """Draw every trial as a line through its settings (temperature: log scale) and objective, the best tenth apart.

    Takes what `trials` returns, and the metric's scale (by default accuracy's). Returns the axes: `ax`, by default
    those of a new figure.
    """
    ax, scale = drawing.axes(ax), scale or Scale()
    known = trials.dropna(subset=["objective", *SETTINGS]).sort_values("objective", ignore_index=True)
    columns = [known["phase_fraction"], np.log(known["temperature"]), known["objective"]]
    heights = np.column_stack([_to_unit(np.asarray(column, "float64")) for column in columns])
    best = len(known) - max(1, round(BEST_SHARE * len(known)))
    for place, (line, (_, trial)) in enumerate(zip(heights, known.iterrows(), strict=True)):
        style: dict[str, Any] = (
            {"color": SERIES[0], "linewidth": 1.8} if place >= best else {"color": MUTED, "linewidth": 0.8}
        )
        drawn = ax.plot(range(3), line, alpha=1 if place >= best else 0.45, **style)
        add_tips(drawn[0], [_trial_words(trial, scale)])
    for x, column in enumerate((*SETTINGS, "objective")):
        ax.plot([x, x], [0, 1], color=INK, linewidth=1)
        factor = scale.factor if column == "objective" else 1
        for y, value in ((1.04, known[column].max()), (-0.04, known[column].min())):
            ax.text(x, y, f"{factor * value:.3g}", ha="center", va="bottom" if y > 0 else "top", **drawing.TEXT)
    ax.set(xlim=(-0.3, 2.3), ylim=(-0.14, 1.14), yticks=[])
    ax.set_xticks(range(3), [*SETTINGS.values(), "objective"])
    drawing.frame(ax, "", "")
    ax.spines["bottom"].set_visible(False)
    ax.tick_params(length=0)
    return ax


def plot_legend(names: Iterable[str], ax: "Axes | None" = None) -> "Axes":
    """Draw a legend of strategies or functions, for figures that share it.

    Returns the axes: `ax`, by default those of a new figure.
    """
    ax = drawing.axes(ax)
    ax.legend(*drawing.keys(drawing.ordered(names)), ncols=3, loc="center", **drawing.LEGEND)
    ax.axis("off")
    return ax


def _to_unit(values: Array) -> Array:
    reach = np.ptp(values) if len(values) else 0
    return (values - values.min()) / reach if reach > 0 else np.full(len(values), 0.5)


def _objective(trials: pd.DataFrame, scale: Scale) -> str:
    """Return what the objective of trials is; of a metric that is better the lower it is, its negative."""
    kinds = trials["objective_kind"].dropna().unique()
    if len(kinds) != 1:
        return "objective × 100" if scale.factor == 100 else scale.differences("objective")
    if kinds[0] == MARGIN:
        return scale.differences("objective: validation margin")
    return ("objective: −" if scale.turned else "objective: ") + scale.heading("validation")


def _trial_words(trial: "pd.Series[float]", scale: Scale) -> str:
    settings = f"φ {trial['phase_fraction']:.2f} · τ {trial['temperature']:.2f}"
    return f"{trial['architecture']} · {settings}: {scale.number(trial['objective'])}"
