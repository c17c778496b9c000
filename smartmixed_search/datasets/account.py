"""What a user should see of the parts before the training: their rows and classes, and what is wrong with them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartmixed_search.datasets.parts import GROUP, Parts
from smartmixed_search.datasets.splittable import Splittable, classes_of
from smartmixed_search.errors.messages import counted

_PURPOSES = ("train", "validate", "test")
_CLASSES_SHOWN = 10
_SPLITS_SHOWN = 10


def rows_and_classes(source: Splittable, how: Mapping[str, str] | None, splits: Sequence[Parts]) -> Iterator[str]:
    """Say, a line each, how many rows and which classes the parts have; of several splits the classes of the first."""
    unasked = "chance" if source.given is None else "its own parts"
    kind, column = next(iter((how or {}).items()), (unasked, ""))
    yield f"split by {kind if kind in (unasked, 'column') else f'{kind},'} {column}".rstrip() + (
        f", {len(splits)} times" if len(splits) > 1 else ", the rows to test as given" if splits[0].test is None else ""
    )
    for purpose, labels in _labels(source, splits[0]):
        yield f"  {purpose}: {counted(len(labels), 'row')}{_classes(source, labels)}"
    for place, parts in enumerate(splits[1:_SPLITS_SHOWN], start=2):
        sizes = (f"{len(labels):,} to {purpose}" for purpose, labels in _labels(source, parts))
        yield f"  split {place}: {', '.join(sizes)}"
    if len(splits) > _SPLITS_SHOWN:
        yield f"  and {counted(len(splits) - _SPLITS_SHOWN, 'split')} more"


def complaints(source: Splittable, how: Mapping[str, str] | None, splits: Sequence[Parts]) -> Iterator[str]:
    """Name, a line each, classes that parts lack, and groups that are over half of a part; each once."""
    labels = classes_of(source)
    lacking: dict[str, set[str]] = {}
    for parts in splits if labels is not None else ():
        for purpose, of_part in _labels(source, parts):
            for absent in np.setdiff1d(np.arange(source.classes), of_part):
                lacking.setdefault(str(source.class_names[absent]), set()).add(purpose)
    for name, purposes in lacking.items():
        places = " and ".join(f"to {purpose}" for purpose in _PURPOSES if purpose in purposes)
        yield f"class {name} has no row {places}: it is too rare, or the split has left it out there"
    if how and GROUP in how:
        yield from _large_groups(source.column(how[GROUP]), how[GROUP], splits)


def _large_groups(groups: NDArray[np.str_], column: str, splits: Sequence[Parts]) -> Iterator[str]:
    told = set()
    for parts in splits:
        for purpose, indices in zip(_PURPOSES, (parts.train, parts.val, parts.test), strict=True):
            if indices is None:
                continue
            names, counts = np.unique(groups[indices], return_counts=True)
            largest = counts.argmax()
            if 2 * counts[largest] > len(indices) and (names[largest], purpose) not in told:
                told.add((names[largest], purpose))
                share = f"{counts[largest] / len(indices):.0%}"
                yield f"{column} {names[largest]} is {share} of the rows to {purpose}, which tell of little else"


def _labels(source: Splittable, parts: Parts) -> Iterator[tuple[str, NDArray[Any]]]:
    test = source.y_test if parts.test is None else source.y[parts.test]
    assert test is not None
    yield from zip(_PURPOSES, (source.y[parts.train], source.y[parts.val], test), strict=True)


def _classes(source: Splittable, labels: NDArray[Any]) -> str:
    if classes_of(source) is None:
        return ""
    counts = np.bincount(labels, minlength=source.classes)
    shown = [f"{name} {count:,}" for name, count in zip(source.class_names, counts, strict=True)]
    return f" ({', '.join(shown[:_CLASSES_SHOWN])}{', …' if len(shown) > _CLASSES_SHOWN else ''})"
