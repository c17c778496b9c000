"""Parts drawn by chance, stratified by class where that is possible."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartmixed_search.datasets.splittable import Indices, Splittable, classes_of
from smartmixed_search.errors import DatasetError


def hold_out(source: Splittable, indices: Indices, share: float, seed: int) -> tuple[Indices, Indices]:
    """Divide examples into the rest and the held-out share.

    A class of one example cannot be divided: it stays in the rest.

    Raises:
        DatasetError: there are too few to divide.
    """
    classes = classes_of(source)
    if classes is None:
        return _draw(source, indices, share, seed, None)
    y = classes[indices].astype(np.min_scalar_type(source.classes))
    alone = (np.bincount(y, minlength=source.classes) < 2)[y]
    if not alone.any():
        return _draw(source, indices, share, seed, y)
    rest, held_out = _draw(source, indices[~alone], share, seed, y[~alone])
    return np.concatenate([rest, indices[alone]]), held_out


def _draw(
    source: Splittable, indices: Indices, share: float, seed: int, y: NDArray[Any] | None
) -> tuple[Indices, Indices]:
    from sklearn.model_selection import train_test_split

    if y is not None and len(np.unique(y)) > int(np.ceil(len(y) * share)):
        y = None  # too few are held out for one of every class
    try:
        rest, held_out = train_test_split(indices, test_size=share, random_state=seed, stratify=y)
    except ValueError as error:
        every, of_all = ("", "") if classes_of(source) is None else (" of every class", f" in {source.classes} classes")
        raise DatasetError(
            f"{source.name!r} must hold enough examples{every} to train, validate and test, but got "
            f"{len(source.y)}{of_all}; bring more"
        ) from error
    return rest, held_out


def in_folds(source: Splittable, folds: int, seed: int) -> list[Indices]:
    """Divide all examples into so many parts, stratified by class.

    Raises:
        DatasetError: there are fewer examples, of every class, than folds.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    classes = classes_of(source)
    most = len(source.y) if classes is None else int(np.bincount(classes).max())
    if folds > most:
        raise DatasetError(
            f"folds must be at most {most}, as many as {source.name!r} has examples"
            f"{'' if classes is None else ' of its largest class'}, but got {folds}"
        )
    kind = KFold if classes is None else StratifiedKFold
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)  # it is named with the parts
        return [test for _, test in kind(folds, shuffle=True, random_state=seed).split(source.y, classes)]
