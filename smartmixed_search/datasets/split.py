"""From a source to a dataset: its parts, and the scaling by the training part."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from smartmixed_search.datasets.account import complaints, rows_and_classes
from smartmixed_search.datasets.dataset import SPLITS, Dataset, checksum
from smartmixed_search.datasets.parts import Parts, divide
from smartmixed_search.datasets.splittable import Splittable


def split(source: Splittable, how: Mapping[str, str] | None = None) -> Dataset:
    """Divide a source's examples into three parts, and scale all by the training part.

    Args:
        source: the examples; its own test examples, if it brings any, are the test part.
        how: see `parts.divide`.

    Raises:
        DatasetError: there are too few examples, or scaled features leave the range of float32.

    """
    splits = divide(source, how)
    return replace(
        _prepared(source, splits[0]),
        notes=(*source.notes, *rows_and_classes(source, how, splits)),
        warnings=tuple(complaints(source, how, splits)),
    )


def _prepared(source: Splittable, parts: Parts) -> Dataset:
    x_test, y_test = source.x_test, source.y_test
    if parts.test is not None:
        x_test, y_test = source.take(parts.test), source.y[parts.test]
    assert y_test is not None
    prepared, preparation = source.prepare([source.take(parts.train), source.take(parts.val), x_test])
    labels = (source.y[parts.train], source.y[parts.val], y_test)
    arrays = {f"x_{name}": x for name, x in zip(SPLITS, prepared, strict=True)}
    arrays |= {f"y_{name}": y.astype(np.int64) for name, y in zip(SPLITS, labels, strict=True)}
    return Dataset.from_arrays(
        arrays,
        name=source.name,
        checksum=checksum(arrays),
        classes=source.classes,
        shape=source.input_shape,
        preparation=preparation,
    )
