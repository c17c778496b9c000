"""Datasets as tensors, split once: digits, the MNIST family, a user's arrays, tables and images.

Modules are loaded when a name is first used: processes that read pictures need little of them.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smartmixed_search.datasets.dataset import Dataset
    from smartmixed_search.datasets.load import (
        DATASETS,
        FILES,
        check_dataset,
        data_directory,
        dataset_name,
        load_dataset,
    )

__all__ = ["DATASETS", "FILES", "Dataset", "check_dataset", "data_directory", "dataset_name", "load_dataset"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{'dataset' if name == 'Dataset' else 'load'}"), name)
