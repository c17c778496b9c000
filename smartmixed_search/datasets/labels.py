"""Labels by their value: whatever names the classes, they are 0 … C-1, and keep their names."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smartmixed_search.datasets.targets import MOST_CLASSES
from smartmixed_search.errors import DatasetError
from smartmixed_search.errors.messages import show

_SHOWN = 10


def by_value(parts: Sequence[NDArray[Any]], dataset: str) -> tuple[list[NDArray[Any]], tuple[str, ...] | None]:
    """Return the labels of parts [N] as places among the values of the first part, in their order.

    Returns:
        The labels, and the names of the classes; None, and the labels as they were, where they are 0 … C-1, or so many
        whole numbers with gaps that they are no names.

    Raises:
        DatasetError: a part has a value that the first one, which is trained on, does not have.
    """
    values = np.unique(parts[0])
    if values.dtype.kind in "iu":
        gaps = int(values[-1]) - int(values[0]) + 1 != len(values)
        if (gaps and len(values) > MOST_CLASSES) or (not gaps and values[0] == 0):
            return list(parts), None
    numbered = []
    for part in parts:
        places = values.searchsorted(part).clip(max=len(values) - 1)
        strange = part[values[places] != part]
        if strange.size:
            known = ", ".join(map(str, values[:_SHOWN])) + (", …" if len(values) > _SHOWN else "")
            raise DatasetError(
                f"test labels of {dataset!r} must be classes of its training, {known}, but got {show(str(strange[0]))}"
            )
        numbered.append(places)
    return numbered, tuple(f"{value:g}" if values.dtype.kind == "f" else str(value) for value in values)
