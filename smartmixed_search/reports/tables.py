"""Data frames as HTML tables; everything is escaped."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

from smartmixed_search.analysis.scale import Scale
from smartmixed_search.families import by_size
from smartmixed_search.trials.records import CONTROL

Format = Callable[[Any], str]
Column = tuple[str, Format]
"""A heading, and how values are written."""


def fixed(decimals: int, scale: float = 1, *, sign: bool = False) -> Format:
    """Return a format of that many decimals, for values multiplied by `scale`."""
    return lambda value: f"{float(scale * value):{'+' if sign else ''}z.{decimals}f}"


_CONTROL_ROW, _NUMBER = ' class="control"', ' class="number"'
PERCENT, POINTS, RANK, WORDS = fixed(2, 100), fixed(2, 100, sign=True), fixed(2), str


def count(value: float) -> str:
    """Write a whole number as one; a shared win is a part of one."""
    return f"{value:g}" if value == round(value) else f"{value:.2f}"


def percent(value: float) -> str:
    """Write a share within a sentence."""
    return f"{100 * value:.0f} %"


def p_value(value: float) -> str:
    """Write a p-value in a column."""
    return f"{value:.4f}" if value >= 0.0001 else "< 0.0001"


def p_words(value: float) -> str:
    """Write a p-value within a sentence."""
    return f"p = {value:.4f}" if value >= 0.0001 else "p < 0.0001"


def html_table(frame: pd.DataFrame, columns: Mapping[str, Column], caption: str) -> str:
    """Write the frame's `columns`, each with its heading and format, as a table that can be sorted and scrolled.

    Rows with the `role` control are set apart. Missing values are a dash; columns without any value are left out.
    """
    shown = {name: value for name, value in columns.items() if name in frame and frame[name].notna().any()}
    heads = "".join(
        f'<th scope="col"{"" if form is WORDS else _NUMBER}>{escape(heading)}</th>' for heading, form in shown.values()
    )
    roles, architectures = (frame[name] if name in frame else [""] * len(frame) for name in ("role", "architecture"))
    body = "".join(
        f"<tr{_CONTROL_ROW if role == CONTROL else ''}{of_architecture(architecture)}>{cells}</tr>"
        for role, architecture, cells in zip(roles, architectures, _rows(frame, shown), strict=True)
    )
    return wrapped(caption, heads, body)


def of_architecture(name: str) -> str:
    """Return the attribute by which the page's filter finds what is about an architecture."""
    return f' data-architecture="{escape(name)}"' if name else ""


def wrapped(caption: str, heads: str, body: str) -> str:
    """Put a table's heads and rows into a container of its own, which scrolls where the page is narrow."""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table class="sortable">'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def details(summary: str, content: str) -> str:
    """Fold the numbers behind a plot away."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def paragraph(text: str, kind: str = "") -> str:
    """Write a paragraph, of a class of the style sheet if need be."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def heat_table(ranking: pd.DataFrame, strategies: Sequence[str], caption: str, scale: Scale) -> str:
    """Write rank and test metric per architecture × strategy, the better the darker."""
    architectures = sorted(ranking["architecture"].unique(), key=by_size)
    ranking = ranking.assign(told=ranking[scale.metric.test].map(scale.short, na_action="ignore").fillna("–"))
    cells = {(row.architecture, row.strategy): row for row in ranking.itertuples()}
    confirmed = set(ranking.loc[ranking["confirmed"], "architecture"])
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in ("architecture", *strategies))
    body = "".join(
        f'<tr{of_architecture(str(architecture))}><th scope="row">{escape(str(architecture))}'
        + ("<br><small>confirmed</small></th>" if architecture in confirmed else "</th>")
        + "".join(_heat_cell(cells.get((architecture, name)), len(strategies)) for name in strategies)
        + "</tr>"
        for architecture in architectures
    )
    return wrapped(caption, heads, body)


def _heat_cell(row: Any, ranks: int) -> str:
    if row is None:
        return '<td class="number" data-value="">–</td>'
    if pd.isna(row.rank):
        return f'<td class="number" data-value="">{row.told}</td>'
    heat = (ranks - row.rank_mean) / max(1, ranks - 1)
    return (
        f'<td class="number" style="--heat:{heat:.2f}" data-value="{row.rank_mean:g}">'
        f"{row.told}<br><small>rank {row.rank}</small></td>"
    )


def _rows(frame: pd.DataFrame, shown: Mapping[str, Column]) -> list[str]:
    columns = [[_cell(value, form) for value in frame[name]] for name, (_, form) in shown.items()]
    return ["".join(cells) for cells in zip(*columns, strict=True)]


def _cell(value: Any, form: Format) -> str:
    if pd.isna(value):
        return '<td class="number" data-value="">–</td>'
    if form is WORDS:
        return (
            f"<td>{escape(str(value))}</td>" if len(str(value)) < 40 else f'<td class="words">{escape(str(value))}</td>'
        )
    return f'<td class="number" data-value="{value:.6g}">{form(value)}</td>'
