"""From a source to a dataset: its parts, and the scaling by the training part."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartmixed_search.datasets.account import complaints, rows_and_classes
from smartmixed_search.datasets.dataset import SPLITS, Dataset, checksum
from smartmixed_search.datasets.parts import Parts, Splitting, divide
from smartmixed_search.datasets.scaling import standardise
from smartmixed_search.datasets.splittable import Splittable, classes_of
from smartmixed_search.datasets.targets import as_numbers
from smartmixed_search.errors import DatasetError
from smartmixed_search.tasks.classification import Classification
from smartmixed_search.tasks.regression import Regression
from smartmixed_search.tasks.task import Task


def split(source: Splittable, how: Splitting | None = None, weights: NDArray[np.float64] | None = None) -> Dataset:
    """Divide a source's examples into three parts, and scale all by the training part; once for every fold and repeat.

    Args:
        source: the examples; its own test examples, if it brings any, are the test part.
        how: how they are split; None: once, by chance.
        weights: what each example counts in the loss, [N]; None: all alike.

    Raises:
        DatasetError: there are too few examples, or scaled features leave the range of float32.

    """
    how = how or Splitting()
    splits = divide(source, how)
    notes = (*source.notes, *rows_and_classes(source, how.by, splits))
    warnings = tuple(complaints(source, how.by, splits))
    first, *others = (_prepared(source, parts, weights, last=parts is splits[-1]) for parts in splits)
    checksum = _of_all([first, *others]) if others else first.checksum
    return replace(first, checksum=checksum, others=tuple(others), notes=notes, warnings=warnings)


def _of_all(datasets: Sequence[Dataset]) -> str:
    return hashlib.sha256(" ".join(dataset.checksum for dataset in datasets).encode()).hexdigest()[:16]


def _prepared(source: Splittable, parts: Parts, weights: NDArray[np.float64] | None, *, last: bool) -> Dataset:
    x_test, y_test = source.x_test, source.y_test
    if parts.test is not None:
        x_test, y_test = source.take(parts.test), source.y[parts.test]
    assert y_test is not None
    prepared, preparation = source.prepare([source.take(parts.train), source.take(parts.val), x_test], last=last)
    targets, task = _learned(source, [source.y[parts.train], source.y[parts.val], y_test])
    if isinstance(task, Regression):
        preparation = replace(preparation, target_mean=task.mean, target_deviation=task.deviation)
    arrays: dict[str, NDArray[Any]] = {f"x_{name}": x for name, x in zip(SPLITS, prepared, strict=True)}
    arrays |= {f"y_{name}": y for name, y in zip(SPLITS, targets, strict=True)}
    if weights is not None:
        arrays |= _weighed(source, parts, weights)
    return Dataset.from_arrays(
        arrays,
        name=source.name,
        checksum=checksum(arrays, task),
        task=task,
        shape=source.input_shape,
        preparation=preparation,
    )


def _weighed(source: Splittable, parts: Parts, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float32]]:
    """Return the weights of the parts, over the mean of those that are trained on."""
    assert parts.test is not None, "tables bring no test rows apart"
    mean = weights[parts.train].mean()
    if not 0 < mean < np.inf or weights.min() < 0:
        raise DatasetError(
            f"weights of {source.name!r} must be finite, 0 or more, and not all 0 to train on, but the least is "
            f"{weights.min():g} and the mean {mean:g}"
        )
    places = zip(SPLITS, (parts.train, parts.val, parts.test), strict=True)
    return {f"w_{name}": (weights[indices] / mean).astype(np.float32) for name, indices in places}


def _learned(source: Splittable, parts: Sequence[NDArray[Any]]) -> tuple[Sequence[NDArray[Any]], Task]:
    """Return the targets of parts, the first of which is trained on, as networks learn them, and the task."""
    if classes_of(source) is not None:
        return [y.astype(np.int64) for y in parts], Classification(source.classes)
    scaled, mean, deviation = standardise([as_numbers(y) for y in parts], source.name, "targets")
    return scaled, Regression(len(mean), tuple(mean.tolist()), tuple(deviation.tolist()))
