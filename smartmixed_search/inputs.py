"""Inputs that are zero in every example, as at the borders of MNIST's images: training leaves them out.

Their weights never get a gradient, so Adam never moves them, and they add nothing to any figure. Without them the
first layer, most of the work, is smaller. Whoever keeps weights puts the initial ones back.
"""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from smartmixed_search.datasets import Dataset

ALIGNMENT = 8  # rows of another length make the first layer's products slower than the zeros do


def live_inputs(dataset: Dataset) -> NDArray[np.intp]:
    """Return the inputs to train on, ascending: all but those that are zero everywhere, aligned by a few of these.

    Example:
        >>> from smartmixed_search.datasets import load_dataset
        >>> len(live_inputs(load_dataset("digits")))  # three of its 64 are always zero
        64
    """
    splits = (dataset.x_train, dataset.x_val, dataset.x_test)
    live = torch.stack([(x != 0).any(0) for x in splits]).any(0).cpu().numpy()
    order = np.argsort(~live, kind="stable")
    return np.sort(order[: -(-max(live.sum(), 1) // ALIGNMENT) * ALIGNMENT])


def without_dead_inputs(dataset: Dataset, live: NDArray[np.intp]) -> Dataset:
    """Return a dataset with these inputs only; the same one if they are all."""
    if len(live) == dataset.features:
        return dataset
    index = torch.from_numpy(live).to(dataset.x_train.device)
    return replace(dataset, **{name: getattr(dataset, name)[:, index] for name in ("x_train", "x_val", "x_test")})
