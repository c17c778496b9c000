"""Datasets as tensors, split once: digits, the MNIST family, a user's `.npz`."""

from smartmixed_search.datasets.dataset import Dataset
from smartmixed_search.datasets.load import DATASETS, FILES, check_dataset, data_directory, dataset_name, load_dataset

__all__ = ["DATASETS", "FILES", "Dataset", "check_dataset", "data_directory", "dataset_name", "load_dataset"]
