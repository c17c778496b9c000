"""Legends in HTML: they wrap where the page is narrow, and a click on a name can point out its lines."""

from collections.abc import Iterable
from functools import cache
from html import escape

import numpy as np

from smartmixed_search.reports.palette import VARIABLES, look, order

_DASHES = {"-": "none", "--": "5 2", "-.": "5 2 1 2", ":": "1 2"}


def legend(names: Iterable[str]) -> str:
    """Return a list of strategies or functions with how they are drawn."""
    items = "".join(_item(name) for name in sorted(names, key=order))
    return f'<ul class="legend" aria-label="Legend">{items}</ul>'


def _item(name: str) -> str:
    style = look(name)
    color, dash = f"var({VARIABLES[style.color]})", _DASHES[style.dash]
    return (
        f'<li data-series="{escape(name)}"><svg viewBox="0 0 30 12" aria-hidden="true">'
        f'<line x1="1" x2="29" y1="6" y2="6" stroke="{color}" stroke-width="2" stroke-dasharray="{dash}"/>'
        f'<path d="{_marker(style.marker)}" fill="{color}"/></svg>{escape(name)}</li>'
    )


@cache
def _marker(marker: str) -> str:
    """Return matplotlib's marker as an SVG path around (15, 6)."""
    from matplotlib.markers import MarkerStyle

    style = MarkerStyle(marker)
    path = style.get_path().transformed(style.get_transform())
    polygons = [np.asarray(polygon) * (8, -8) + (15, 6) for polygon in path.to_polygons(closed_only=True)]
    return "".join("M" + " ".join(f"{x:.1f},{y:.1f}" for x, y in polygon) + "Z" for polygon in polygons)
