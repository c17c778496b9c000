"""Inputs that are zero in every example, as at the borders of MNIST's images: training leaves them out.

Their weights never get a gradient, so Adam never moves them, and they add nothing to any figure. Without them the
first layer, most of the work, is smaller. Whoever keeps weights puts the initial ones back.
"""

from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray

from smartmixed_search.datasets import Dataset

ALIGNMENT = 8  # rows of another length make the first layer's products slower than the zeros do

_known: WeakKeyDictionary[Dataset, NDArray[np.intp]] = WeakKeyDictionary()
"""Found once for every dataset: that takes a quarter of a second for MNIST, and a worker trains on it many times."""


def live_inputs(dataset: Dataset) -> NDArray[np.intp]:
    """Return the inputs to train on, ascending: all but those that are zero everywhere, aligned by a few of these.

    Example:
        >>> from smartmixed_search.datasets import load_dataset
        >>> len(live_inputs(load_dataset("digits")))  # three of its 64 are always zero
        64
    """
    if dataset not in _known:
        splits = (dataset.x_train, dataset.x_val, dataset.x_test)
        live = torch.stack([x.flatten(1).any(0).bool() for x in splits]).any(0).cpu().numpy()
        order = np.argsort(~live, kind="stable")
        _known[dataset] = np.sort(order[: -(-max(live.sum(), 1) // ALIGNMENT) * ALIGNMENT])
    return _known[dataset]
