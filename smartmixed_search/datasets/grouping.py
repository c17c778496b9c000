"""Parts that no group is divided between: the rows of one patient, or one speaker, train or test, never both."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartmixed_search.datasets.splittable import Indices, Splittable, classes_of
from smartmixed_search.errors import DatasetError

_TRIES, _PLACINGS = 20, 20_000
"""How often groups are placed in another order, at most, and how many placings that may take in all."""


def spread(
    source: Splittable, indices: Indices, groups: NDArray[np.str_], shares: Sequence[float], seed: int
) -> list[Indices]:
    """Spread groups over parts so that examples, and those of every class, come near to the shares.

    One group after another, in random order, goes where it brings the parts nearest to their shares; of several orders
    the best counts. scikit-learn's `StratifiedGroupKFold` looks at classes alone, and may give folds of 90 and 3 rows;
    its `GroupShuffleSplit` takes a share of the groups, whatever their sizes.

    Args:
        source: the examples.
        indices: those to spread.
        groups: of every example of the source, its group's name.
        shares: of the parts.
        seed: of the orders.

    Raises:
        DatasetError: there are fewer groups than parts.
    """
    names, codes = np.unique(groups[indices], return_inverse=True)
    if len(names) < len(shares):
        raise DatasetError(
            f"a split by group must find a group for each of {len(shares)} parts, but {source.name!r} has {len(names)}"
        )
    contents = _contents(codes, classes_of(source), indices)
    rng = np.random.default_rng(seed)
    tries = max(1, min(_TRIES, _PLACINGS // len(names)))
    placements = [_place(contents, np.array(shares), rng.permutation(len(names))) for _ in range(tries)]
    part_of_group = min(placements, key=lambda found: found[0])[1]
    return [indices[part_of_group[codes] == part] for part in range(len(shares))]


def _contents(codes: NDArray[np.intp], classes: NDArray[Any] | None, indices: Indices) -> NDArray[np.float64]:
    """Return each group's share of every class and, of as much weight as all these, of the examples, [G, C + 1]."""
    sizes = np.bincount(codes) / len(codes)
    if classes is None:
        return sizes[:, None]
    found, y = np.unique(classes[indices], return_inverse=True)
    counts = np.zeros((len(sizes), len(found)))
    np.add.at(counts, (codes, y), 1)
    return np.column_stack([counts / counts.sum(0), sizes * np.sqrt(len(found))])


def _place(
    contents: NDArray[np.float64], shares: NDArray[np.float64], order: NDArray[np.intp]
) -> tuple[float, NDArray[np.intp]]:
    """Return how far the parts are from their shares in the end, and the part of every group."""
    target = shares[:, None] * contents.sum(0)
    filled = np.zeros_like(target)
    part_of = np.empty(len(order), dtype=np.intp)
    for group in order:
        gain = (contents[group] * (2 * (filled - target) + contents[group])).sum(1)
        part_of[group] = gain.argmin()
        filled[part_of[group]] += contents[group]
    for empty in np.setdiff1d(np.arange(len(shares)), part_of):
        crowded = np.flatnonzero(part_of == np.bincount(part_of, minlength=len(shares)).argmax())
        moved = crowded[contents[crowded, -1].argmin()]
        filled[part_of[moved]] -= contents[moved]
        filled[empty] += contents[moved]
        part_of[moved] = empty
    return float(np.square(filled - target).sum()), part_of
