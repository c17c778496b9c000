"""Matplotlib figures as inline SVG that follows the page: text stays text, colours are CSS variables."""

import io
import re
import xml.etree.ElementTree as ElementTree
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from smartmixed_search.reports.palette import VARIABLES

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

_TIPS, _SERIES = "tips-", "series-"


def add_tips(artist: "Artist", tips: Sequence[str]) -> None:
    """Give each point of a collection, or a line as a whole, a tooltip; `to_svg` writes it."""
    text = "\n".join(tips)
    artist.set_gid(f"{_TIPS}{zlib.crc32(text.encode())}")
    artist.set_label(f"_{text}")  # the underscore keeps it out of legends


def name_series(artist: "Artist", name: str, part: str = "line") -> None:
    """Say whose line, or other `part`, it is: a tooltip on the page, and what its legends point out."""
    artist.set_gid(f"{_SERIES}{part}-{zlib.crc32(name.encode())}")
    artist.set_label(f"_{name}")


def to_svg(figure: "Figure", name: str, title: str, description: str) -> str:
    """Return the figure as an `<svg>` element, with `title` and `description` as its text alternative.

    `name` must be unique on the page: it is the prefix of all ids.
    """
    from matplotlib import rc_context

    file = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(file.getvalue())
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {_local(key): _inlined(key, value, name) for key, value in element.attrib.items()}
    _remove_head(root)
    _write_tips(root, figure, name)
    _describe(root, name, title, description)
    return ElementTree.tostring(root, encoding="unicode")


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _inlined(key: str, value: str, name: str) -> str:
    """Make an attribute fit for a page with other figures on it."""
    if _local(key) == "id":
        return f"{name}-{value}"
    if _local(key) == "href":
        return value.replace("#", f"#{name}-", 1)
    value = value.replace("url(#", f"url(#{name}-")
    return re.sub("#[0-9a-f]{6}", lambda found: f"var({VARIABLES[found[0]]})", value)


def _remove_head(root: ElementTree.Element) -> None:
    """Drop what is meant for a file: metadata, a style sheet that would reach the whole page, a size in points."""
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag in ("metadata", "style")]:
            parent.remove(child)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)


def _write_tips(root: ElementTree.Element, figure: "Figure", name: str) -> None:
    groups = {element.get("id"): element for element in root.iter("g")}
    for artist in figure.findobj(lambda artist: str(artist.get_gid()).startswith((_TIPS, _SERIES))):
        group = groups[f"{name}-{artist.get_gid()}"]
        tips = str(artist.get_label())[1:].split("\n")
        points = [x for child in group if child.tag != "defs" for x in child.iter() if x.tag in ("use", "path")]
        if str(artist.get_gid()).startswith(_SERIES):
            group.set("data-series", tips[0])
        for element, tip in zip([group] if len(tips) == 1 else points, tips, strict=False):
            title = ElementTree.Element("title")
            title.text = tip
            element.insert(0, title)


def _describe(root: ElementTree.Element, name: str, title: str, description: str) -> None:
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    for position, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(tag, id=f"{name}-{tag}")
        element.text = text
        root.insert(position, element)
