"""Colours, dashes and markers: every strategy has one look, the same in every figure.

The colours are Okabe and Ito's (2008), told apart with every common colour blindness, darkened until each has a
contrast of at least 3:1 on white; `style.css` has their counterparts on a dark page, under the names of `VARIABLES`.
"""

import zlib
from dataclasses import dataclass
from typing import Literal

from smartmixed_search.trials.config import CONTROLS, SMARTMIXED

INK, MUTED, GRID = "#1b1f24", "#5c6670", "#d5dade"
SERIES = ("#d04a02", "#0072b2", "#b0528a", "#b57a00", "#3a96cf", "#00855f", "#8a7f00", "#7a4fd0", "#8a5a3c")

VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid"} | {
    colour: f"--series-{number}" for number, colour in enumerate(SERIES, start=1)
}
"""The CSS variable that stands for each colour on the page. Figures must use no other colour."""


@dataclass(frozen=True)
class Look:
    """How one strategy or function is drawn, in matplotlib's words."""

    color: str
    dash: Literal["-", "--", "-.", ":"]
    marker: str


_KNOWN = {
    SMARTMIXED: Look(SERIES[0], "-", "o"),
    "relu": Look(SERIES[1], "-", "s"),
    "sigmoid": Look(SERIES[2], "-", "v"),
    "tanh": Look(SERIES[3], "-", "D"),
    "leaky_relu": Look(SERIES[4], "-", "^"),
    "elu": Look(SERIES[5], "-", "P"),
    "selu": Look(SERIES[6], "-", "X"),
    "gelu": Look(SERIES[7], "-", "<"),
    "gelu_tanh": Look(SERIES[7], "--", "<"),
    "silu": Look(SERIES[8], "-", ">"),
    "mish": Look(SERIES[6], "--", "*"),
    "softplus": Look(SERIES[4], "--", "h"),
    "hardswish": Look(SERIES[3], "--", "p"),
    "relu6": Look(SERIES[1], "--", "s"),
    "squared_relu": Look(SERIES[2], "--", "d"),
    "identity": Look(SERIES[1], ":", "8"),
    "prelu": Look(SERIES[4], "-.", "^"),
    "swish_beta": Look(SERIES[8], "-.", "D"),
    "acon_c": Look(SERIES[7], "-.", "P"),
    "linear_mix": Look(SERIES[2], "-.", "X"),
    CONTROLS[0]: Look(MUTED, "--", "o"),
    CONTROLS[1]: Look(MUTED, ":", "s"),
}
"""Functions of one pool with a name differ in colour, for where only that is seen."""
_DASHES: tuple[Literal["--", "-.", ":"], ...] = ("--", "-.", ":")
_OTHERS = [Look(color, dash, marker) for marker in "<>*" for dash in _DASHES for color in SERIES[7:]]


def look(name: str) -> Look:
    """Return the look of a strategy; a user's own function gets one by its name, so it is the same in every report."""
    return _KNOWN.get(name) or _OTHERS[zlib.crc32(name.encode()) % len(_OTHERS)]


def order(name: str) -> tuple[int, str]:
    """Sort strategies as they are listed: SmartMixed, functions, learned rivals, a user's own, controls at the end."""
    places = [*(known for known in _KNOWN if known not in CONTROLS), "", *CONTROLS]
    return places.index(name if name in places else ""), name
