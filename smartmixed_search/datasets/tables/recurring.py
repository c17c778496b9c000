"""Rows that belong together: of one patient, or of one day. A split by chance puts them on both sides of it."""

import re
import shlex

from smartmixed_search.datasets.parts import COLUMN, GROUP, MINIMUM_PARTS, PART_WORDS, TIME
from smartmixed_search.datasets.tables.cells import Columns, is_moment, is_number
from smartmixed_search.datasets.tables.columns import DATE, Column
from smartmixed_search.errors.messages import counted

_GROUPS = {
    *("animal", "client", "customer", "device", "donor", "family", "household", "id", "identifier", "individual"),
    *("machine", "participant", "patient", "person", "player", "sensor", "session", "speaker", "student", "subject"),
    *("uid", "user", "uuid", "vehicle"),
}
"""Words of a column's name that tell whose a row is."""
_CODE = re.compile(r"[A-Za-z]{1,5}[-_]?\d{2,}")


def recurring(cells: Columns, columns: tuple[Column, ...]) -> dict[str, str]:
    """Say, by their names, of columns whose values recur that a table could be split by them, and what does so."""
    found = {}
    for column in columns:
        if column.name not in cells:
            continue
        present = cells[column.name].dropna()
        texts = not is_number(present) and not is_moment(present)
        words: list[str] = list(present.cat.remove_unused_categories().cat.categories) if texts else []
        of_group = _names_group(column.name) or (texts and all(map(_CODE.fullmatch, words)))
        distinct = present.nunique() if of_group or column.kind == DATE else 0
        if {"train", "test"} <= {word.casefold() for word in words} <= set(PART_WORDS):
            remedy = _remedy(COLUMN, column.name)
            found[column.name] = f"column {column.name} names parts, by which the rows are not split; {remedy}"
        elif MINIMUM_PARTS <= distinct < len(present):
            kind, aim = (TIME, "test on the newest") if column.kind == DATE else (GROUP, "keep them together")
            found[column.name] = (
                f"{column.name} has {distinct:,} values in {counted(len(present), 'row')}, and rows of one value train "
                f"and test; to {aim}, {_remedy(kind, column.name)}"
            )
    return found


def _names_group(name: str) -> bool:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[\W_]+", " ", name).lower().split()
    return not _GROUPS.isdisjoint(words)


def _remedy(kind: str, name: str) -> str:
    return f"split: {{{kind}: {name}}} in the space, or --split {shlex.quote(f'{kind}={name}')}"
