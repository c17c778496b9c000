"""Columns that know the target: what is predicted by them was known before."""

from collections.abc import Container, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smartmixed_search.datasets.tables.columns import IGNORE
from smartmixed_search.datasets.tables.source import TableSource

_SAMPLE = 10_000
"""Rows that most columns need to show that they do not."""
_EXACT = 1e-12


def leaking(source: TableSource, groups: Container[str] = ()) -> Iterator[str]:
    """Name, a line each, columns that are equal to the target or determine it, with what leaves them out.

    Of `groups`, columns by which rows belong together, it is no surprise that they determine it.
    """
    for column in source.columns:
        if column.kind == IGNORE:
            continue
        values = column.values(source.cells[column.name])
        how = _equal(values, source) or ("" if column.name in groups else _determines(values, source.y))
        if how:
            yield (
                f"column {column.name} {how} the target {source.target}: if it is not known before the target is, "
                f"leave it out by columns: {{{column.name}: ignore}}"
            )


def _equal(values: Any, source: TableSource) -> str:
    if isinstance(values, pd.Categorical):
        names = np.array(source.class_names)
        equal = source.classes and all((names[source.y[:rows]] == values[:rows]).all() for rows in (_SAMPLE, None))
        return "is equal to" if equal else ""
    if source.classes:
        return ""
    if (values == source.y).all():
        return "is equal to"
    return "is a multiple of" if all(_are_multiples(values[:rows], source.y[:rows]) for rows in (_SAMPLE, None)) else ""


def _are_multiples(values: NDArray[np.float64], y: NDArray[np.float64]) -> bool:
    """Tell whether one is the other, times a number, plus another."""
    if not np.isfinite(values).all() or not values.std() or not y.std():
        return False
    return bool(1 - abs(np.corrcoef(values, y)[0, 1]) < _EXACT)


def _determines(values: Any, y: NDArray[Any]) -> str:
    """Tell whether every value of a column comes with one target only, although values recur."""
    for rows in (_SAMPLE, None):
        places, different = pd.factorize(values[:rows])
        known = places >= 0
        if 2 * len(different) > known.sum():
            return ""
        ordered = np.lexsort((y[:rows][known], places[known]))
        same = np.diff(places[known][ordered]) == 0
        if (np.diff(y[:rows][known][ordered])[same] != 0).any() or known.mean() < 1:
            return ""
    return "determines"
