"""Datasets by name or by path."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from smartmixed_search.datasets.dataset import Dataset
from smartmixed_search.datasets.embedded import EMBEDDED, read_embedded
from smartmixed_search.datasets.images.contents import ZIP
from smartmixed_search.datasets.images.repeated import repeated
from smartmixed_search.datasets.images.source import read_images
from smartmixed_search.datasets.mnist import FOLDERS, download_mnist, missing_files, read_mnist
from smartmixed_search.datasets.npz import read_npz
from smartmixed_search.datasets.parts import Splitting
from smartmixed_search.datasets.split import split as split_up
from smartmixed_search.datasets.tables.frames import is_frame
from smartmixed_search.datasets.tables.leaking import leaking
from smartmixed_search.datasets.tables.reading import SUFFIXES as TABLES
from smartmixed_search.datasets.tables.recurring import recurring
from smartmixed_search.datasets.tables.source import read_table
from smartmixed_search.datasets.torchvision_sets import SETS, read_set
from smartmixed_search.errors import DatasetError
from smartmixed_search.errors.messages import one_of
from smartmixed_search.system.memory import release_unused

DATASETS = (*EMBEDDED, *FOLDERS, *SETS)
"""Datasets with a name of their own; any other is the path of a file."""

FILES = (".npz", *TABLES, ZIP)
"""Endings of files that can be read."""

_LONGEST = 4096  # characters of a path, on Linux

DATA_DIR_VARIABLE = "SMARTMIXED_DATA_DIR"


def check_dataset(spec: str) -> None:
    """Check that a dataset is known by name or is the path of a folder or file, without looking for it.

    Raises:
        DatasetError: it is neither; the message names the nearest one.

    """
    dataset_name(spec)


def dataset_name(spec: str) -> str:
    """Return the name a dataset will have, without loading it: its own, a folder's, or a file's without the ending.

    Raises:
        DatasetError: the dataset is unknown, or a file would take the name of another dataset.

    Example:
        >>> dataset_name("measurements/wine.npz")
        'wine'

    """
    if spec in DATASETS:
        return spec
    if len(spec) > _LONGEST:
        raise DatasetError(f"a dataset must have at most {_LONGEST} characters, but got {len(spec)}: {spec[:20]!r}…")
    path = Path(spec)
    of_folder = spec and (_is_folder(path) or ("/" in spec and not path.suffix))
    own = path.resolve().name if path.name in ("", "..") else path.name
    name = path.stem if path.suffix.lower() in FILES else own if of_folder else ""
    if not name:
        raise DatasetError(
            one_of("a dataset", spec, DATASETS, other=f"the path of a folder or file ({', '.join(FILES)})")
        )
    if name in DATASETS:
        raise DatasetError(f"a file must not have a built-in dataset's name, but got {spec!r}; rename the file")
    return name


def own_name(name: str) -> str:
    """Return the name of a table in memory.

    Raises:
        DatasetError: it is none, or that of another dataset.
    """
    if not name.strip() or name in DATASETS or len(name) > _LONGEST:
        raise DatasetError(f"a table must have a name that no built-in dataset has, but got {name[:20]!r}")
    return name


def are_pictures(spec: str) -> bool:
    """Return whether a dataset is a folder or zip of images, by its name."""
    suffix = Path(spec).suffix.lower()
    return spec not in DATASETS and (suffix == ZIP or suffix not in FILES)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # such as a name with a null in it
        return False


def data_directory(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """Return the MNIST family's folder: the one given, else `SMARTMIXED_DATA_DIR`, else one in the user's cache.

    Raises:
        DatasetError: it is in the home of a user who has none.
    """
    folder = Path(data_dir or os.environ.get(DATA_DIR_VARIABLE) or "~/.cache/smartmixed-search")
    try:
        return folder.expanduser()
    except RuntimeError as error:
        raise DatasetError(
            f"no folder for image datasets: {str(folder)!r} is in a home, and this user has none; "
            "set --data-dir or SMARTMIXED_DATA_DIR"
        ) from error


def load_dataset(
    spec: Any,
    data_dir: str | os.PathLike[str] | None = None,
    *,
    target: str | None = None,
    columns: Mapping[str, str] | None = None,
    split: Mapping[str, str] | None = None,
    weight: str | None = None,
    task: str | None = None,
    folds: int | None = None,
    repeats: int = 1,
    name: str = "table",
    image: Mapping[str, Any] | None = None,
) -> Dataset:
    """Load, split and scale a dataset onto the CPU; the MNIST family is downloaded unless its files are there.

    Args:
        spec: one of `DATASETS`, the path of an `.npz` file with arrays `x` and `y`, and `x_test` and `y_test` if there
            are test examples, that of a table (`.csv`, `.tsv`, `.parquet`, of Stata, SPSS or R), or that of images: a
            folder for each class, below `train`, `val` and `test` or not, or a zip of such folders; or a table itself:
            of pandas, polars, Arrow, or whatever hands its columns over as Arrow does.
        data_dir: the folder that holds `MNIST/raw`, `FashionMNIST/raw`, `KMNIST/raw`; default: `SMARTMIXED_DATA_DIR`,
            else a folder in the user's cache.
        target: of a table, the column to predict.
        columns: of a table, kinds of columns that are not to be inferred: `number`, `boolean`, `date`, `category` or
            `ignore`, by name.
        split: of a table, the column by which it is split, such as `{"group": "patient"}`: by `group`, which no two
            parts share; by `time`, of which the newest test; or by the `column` that names the parts.
        weight: of a table, the column that says what each row counts in the loss.
        task: `classification` or `regression`; None: what the targets look like, see `targets.inferred_task`.
        folds: K folds, each of which tests once, so that the dataset has K `splits`; None: a fifth tests.
        repeats: how often it is split, or divided into folds.
        name: that the dataset of a table in memory is to have.
        image: of images, what all are made: `size` in pixels, `channels`, 1 or 3, and `range`, the values of black and
            white of floating-point images.

    Raises:
        DatasetError: the dataset is unknown, missing, damaged or unsuitable.

    Example:
        >>> load_dataset("digits").x_train.shape
        torch.Size([1293, 64])

    """
    splitting = Splitting(by=split, folds=folds, repeats=repeats)
    if is_frame(spec):
        return _load_table(spec, own_name(name), target, columns, splitting, weight, task)
    name, path = dataset_name(spec), Path(spec)
    of_images = are_pictures(spec)
    if image and not of_images and (spec in DATASETS or path.suffix.lower() != ".npz"):
        raise DatasetError(f"image is of a folder, zip or .npz of images, but {spec!r} is not one; leave it out")
    if spec not in DATASETS and path.suffix.lower() in TABLES:
        return _load_table(path, name, target, columns, splitting, weight, task)
    if target is not None or columns or split or weight:
        raise DatasetError(
            f"target, columns, split and weight are of a table ({', '.join(TABLES)}), but {spec!r} is not one; leave "
            "them out"
        )
    if of_images:
        return _warned(split_up(read_images(path, name, image, task), splitting))
    if name in EMBEDDED:
        return split_up(read_embedded(name).learned_as(task), splitting)
    if name not in DATASETS:
        return _warned(split_up(read_npz(path, task, image), splitting))
    folder = data_directory(data_dir)
    if name in SETS:
        return _warned(split_up(read_set(name, folder).learned_as(task), splitting))
    if missing_files(name, folder):
        download_mnist(name, folder)
    return split_up(read_mnist(name, folder).learned_as(task), splitting)


def _warned(dataset: Dataset) -> Dataset:
    """Return a dataset that, if it is of images, warns of those that are in two parts."""
    again = repeated(dataset) if dataset.x_train.dtype == torch.uint8 else ()
    return replace(dataset, warnings=(*dataset.warnings, *again))


def _load_table(
    table: Any,
    name: str,
    target: str | None,
    columns: Mapping[str, str] | None,
    splitting: Splitting,
    weight: str | None,
    task: str | None,
) -> Dataset:
    aside = {column: f"the rows are split by it ({kind})" for kind, column in (splitting.by or {}).items()}
    if weight is not None:
        aside[weight] = "it says what the rows count"
    source = read_table(table, name, target, columns, aside, task)
    again = {} if splitting.by else recurring(source.cells, source.columns)
    warnings = (*leaking(source, again), *again.values())
    weights = None if weight is None else source.column(weight, numeric=True)
    release_unused()  # all columns are held while the parts are drawn
    dataset = split_up(source, splitting, weights)
    return replace(dataset, warnings=(*warnings, *dataset.warnings))
