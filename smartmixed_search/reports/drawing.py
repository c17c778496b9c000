"""What all plots share: axes and their frames, lines in a strategy's look, and words where there is nothing to draw."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from smartmixed_search.analysis.statistics import Array
from smartmixed_search.reports.palette import INK, MUTED, look, order
from smartmixed_search.reports.svg import name_series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

SMALL = 9
"""Size of all text, in points."""

_ACROSS, _UPWARDS = 48, 36
"""Characters in a line of an axis' label that the smallest figures have room for."""
_WORD = 26
"""Characters of a word of it that are shown: a target's name may be long."""

TEXT: dict[str, Any] = {"color": INK, "fontsize": SMALL}
LEGEND: dict[str, Any] = {"frameon": False, "labelcolor": INK, "fontsize": SMALL}


def keys(names: Sequence[str]) -> tuple[list["Line2D"], list[str]]:
    """Return handles and labels of a legend that lists the names."""
    from matplotlib.lines import Line2D

    looks = [look(name) for name in names]
    handles = [Line2D([], [], color=x.color, linestyle=x.dash, marker=x.marker, markersize=5) for x in looks]
    return handles, [plain(name) for name in names]


def axes(ax: "Axes | None", names: Sequence[str] = ()) -> "Axes":
    """Return the axes, or new ones with a legend beside them that lists the names."""
    if ax is not None:
        return ax
    from matplotlib import pyplot

    new = pyplot.subplots(figsize=(5.5, 3.6), layout="constrained")[1]
    if names:
        new.legend(*keys(names), loc="center left", bbox_to_anchor=(1, 0.5), **LEGEND)
    return new


def frame(ax: "Axes", x_label: str, y_label: str) -> "Axes":
    """Set every colour by hand: the figure's own black could not follow a dark page."""
    ax.set_xlabel(_fitting(x_label, _ACROSS), **TEXT)
    ax.set_ylabel(_fitting(y_label, _UPWARDS), **TEXT)
    ax.tick_params(which="both", color=MUTED, labelcolor=INK, labelsize=SMALL)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(MUTED)
    ax.spines["left"].set_visible(bool(y_label))
    return ax


def _fitting(label: str, width: int) -> str:
    """Return a label in lines, with long words cut."""
    words = (word if len(word) <= _WORD else f"{word[: _WORD - 1]}…" for word in label.split())
    return textwrap.fill(" ".join(words), width)


def say(ax: "Axes", words: str) -> "Axes":
    """Write words instead of drawing."""
    ax.text(0.5, 0.5, words, ha="center", va="center", transform=ax.transAxes, wrap=True, **TEXT)
    ax.axis("off")
    return ax


def line(ax: "Axes", x: Array, y: Array, name: str, *, sparse: bool = False) -> None:
    """Draw a line in the look of a strategy or function; `sparse` ones have few marks."""
    style = look(name)
    every = max(1, len(x) // 5) if sparse else 1
    width = 2.4 if name == "smartmixed" else 1.3
    marks: dict[str, Any] = {"marker": style.marker, "markersize": 4, "markevery": every}
    drawn = ax.plot(x, y, color=style.color, linestyle=style.dash, linewidth=width, **marks)
    name_series(drawn[0], name)


def ordered(names: Iterable[str]) -> list[str]:
    """Sort names as they are listed everywhere."""
    return sorted((str(name) for name in names), key=order)


def plain(name: object) -> str:
    """Keep matplotlib from reading dollars as mathematics, and a leading underscore as "not in the legend"."""
    text = str(name).replace("$", r"\$")
    return f"\u200b{text}" if text.startswith("_") else text


def log_axis(ax: "Axes", values: "pd.Series[float]") -> None:
    """Make the horizontal axis logarithmic, with plain numbers on it."""
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.xaxis.set_minor_formatter(NullFormatter())
    if len(values):
        ax.set_xlim(values.min() / 1.15, values.max() * 1.15)
