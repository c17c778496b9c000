"""The figures of a page: drawn once, written as inline SVG or collected as PNG."""

import io
from collections.abc import Callable, Iterable
from html import escape
from typing import TYPE_CHECKING

from smartmixed_search.reports.plots import plot_legend
from smartmixed_search.reports.svg import to_svg
from smartmixed_search.reports.swatches import legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 160
GRID_SIZE = (3.8, 2.8)
"""In inches, of figures of which several stand side by side."""


class Figures:
    """Draws figures for one page; ids are numbered, so they are unique on it."""

    def __init__(self) -> None:
        self._drawn = 0

    def draw(
        self,
        name: str,
        title: str,
        description: str,
        plot: Callable[["Axes"], object],
        size: tuple[float, float],
        caption: str = "",
    ) -> str:
        """Return a `<figure>`; `title` and `description` are its text alternative, `size` is in inches."""
        from matplotlib.figure import Figure as NewFigure

        figure = NewFigure(figsize=size, layout="constrained")
        plot(figure.add_subplot())
        self._drawn += 1
        content = self.written(f"{name}-{self._drawn}", title, description, figure)
        below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
        return f'<figure class="{name}">{content}{below}</figure>'

    def legend(self, names: Iterable[str]) -> str:
        """Return the legend that several figures share."""
        return legend(names)

    def written(self, name: str, title: str, description: str, figure: "Figure") -> str:
        """Write one figure."""
        return to_svg(figure, name, title, description)


class Pictures(Figures):
    """Keeps every figure as a PNG, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.png: dict[str, bytes] = {}

    def legend(self, names: Iterable[str]) -> str:
        """Keep the legend as a figure of its own."""
        listed = sorted(names)
        height = 0.15 + 0.22 * -(-len(listed) // 3)
        return self.draw("legend", "Legend", ", ".join(listed), lambda ax: plot_legend(listed, ax), (4.4, height))

    def written(self, name: str, title: str, description: str, figure: "Figure") -> str:
        """Keep one figure, on white."""
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=DPI, facecolor="white")
        self.png[f"{name}.png"] = file.getvalue()
        return ""
