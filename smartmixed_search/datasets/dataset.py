"""A dataset as tensors: three splits, resident wherever the training runs."""

import hashlib
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smartmixed_search.datasets.prepared import AnyPreparation
from smartmixed_search.errors import DatasetError
from smartmixed_search.errors.messages import counted
from smartmixed_search.tasks.classification import Classification
from smartmixed_search.tasks.regression import Regression
from smartmixed_search.tasks.task import Task

SPLITS = ("train", "val", "test")
ARRAYS = tuple(f"{letter}_{split}" for split in SPLITS for letter in "xy")
WEIGHTS = tuple(f"w_{split}" for split in SPLITS)
"""Arrays that only some datasets have."""
_TENSORS = (*ARRAYS, *WEIGHTS, "others")


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """A dataset as tensors: N examples each to train, validate and test, split once for every replicate.

    Nothing may write to the tensors. Make one by `load_dataset`.

    Example:
        >>> from smartmixed_search.datasets import load_dataset
        >>> load_dataset("digits").sizes
        {'features': 64, 'classes': 10, 'train': 1293, 'val': 144, 'test': 360}
    """

    name: str
    checksum: str
    """First 16 hex digits of the SHA-256 over all six arrays: equal for equal data and an equal split.

    Of data that are split in several ways it is over the checksums of all splits."""
    task: Task
    """What is learned: of `Classification` labels are integers 0 … C-1; of `Regression` targets are numbers."""
    x_train: Tensor = field(repr=False)
    """Numbers, **shape** [N, D], float32; or images, **shape** [N, channels, height, width], uint8."""
    y_train: Tensor = field(repr=False)
    """**Shape** [N], int64; of a regression [N, C], float32, standardised by the training part as its task says."""
    x_val: Tensor = field(repr=False)
    """Examples to validate, as `x_train`."""
    y_val: Tensor = field(repr=False)
    x_test: Tensor = field(repr=False)
    """Examples to test, as `x_train`."""
    y_test: Tensor = field(repr=False)
    w_train: Tensor | None = field(default=None, repr=False)
    """What each example counts in the loss, over the mean of the training part, float32 [N]; None: all alike."""
    w_val: Tensor | None = field(default=None, repr=False)
    w_test: Tensor | None = field(default=None, repr=False)
    shape: tuple[int, ...] = ()
    """Of one example as a network takes it; unless it is given, as it is stored. An image may be stored as one row."""
    preparation: AnyPreparation | None = field(default=None, repr=False)
    """How its examples were made of raw ones; None: unknown."""
    notes: tuple[str, ...] = field(default=(), repr=False)
    """What was understood of its file, and how it was split, that a user should see, a line each."""
    warnings: tuple[str, ...] = field(default=(), repr=False)
    """What of it a user should change, or know before believing a result, a line each."""
    others: tuple["Dataset", ...] = field(default=(), repr=False)
    """The same examples split in other ways, by folds or repeats."""

    def __post_init__(self) -> None:
        if not self.shape:
            object.__setattr__(self, "shape", tuple(self.x_train.shape[1:]))

    @property
    def splits(self) -> tuple["Dataset", ...]:
        """Itself, and the same examples split in other ways: one for every fold of every repeat."""
        return (self, *self.others)

    @property
    def features(self) -> int:
        """D: numbers of one example, which is what a multilayer perceptron flattens it to."""
        return math.prod(self.shape)

    @property
    def classes(self) -> int:
        """C: number of classes of a classification."""
        assert isinstance(self.task, Classification), f"a {self.task.name} has no classes"
        return self.task.classes

    @property
    def sizes(self) -> dict[str, Any]:
        """`features` (D), `classes` or `targets` (C), the number of examples of every split, and images' `shape`."""
        outputs = "targets" if isinstance(self.task, Regression) else "classes"
        examples = {split: len(getattr(self, f"y_{split}")) for split in SPLITS}
        shape = {"shape": list(self.shape)} if self.x_train.dtype == torch.uint8 else {}
        return {"features": self.features, outputs: self.task.outputs, **examples, **shape}

    @property
    def facts(self) -> dict[str, Any]:
        """All but tensors, by name: what `from_arrays` takes beside `arrays`; without the other splits."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in _TENSORS}

    def to(self, device: str | torch.device) -> Self:
        """Return the dataset with its tensors on a device; itself if they are there already."""
        # Towards the CPU a copy that does not block could be read before it has arrived.
        non_blocking = torch.device(device).type == "cuda"
        moved: dict[str, Any] = {
            name: tensor.to(device, non_blocking=non_blocking) for name, tensor in self._tensors().items()
        }
        return self if all(moved[name] is getattr(self, name) for name in moved) else replace(self, **moved)

    def limited(self, train_examples: int | None) -> Self:
        """Return the dataset with at most this many training examples, the first in the split's order; None: all.

        Fewer are a part of more. Validation and test examples, and the checksum, stay those of the whole; weights are
        over the mean of those that are trained on.

        Raises:
            DatasetError: these are all 0.
        """
        if train_examples is None or train_examples >= len(self.x_train):
            return self
        kept: dict[str, Any] = {
            name: tensor[:train_examples] for name, tensor in self._tensors().items() if name.endswith("_train")
        }
        if (trained := kept.get("w_train")) is not None:
            if not (mean := float(trained.double().mean())):
                raise DatasetError(
                    f"weights must not all be 0 to train on, but those of the first {train_examples} are; take more"
                )
            weights = {name: tensor for name, tensor in {**self._tensors(), **kept}.items() if name in WEIGHTS}
            kept |= {name: tensor / mean for name, tensor in weights.items()}
        return replace(self, **kept)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the six tensors, and weights if there are any, as numpy arrays by name, sharing memory on the CPU."""
        return {name: tensor.cpu().numpy() for name, tensor in self._tensors().items()}

    def _tensors(self) -> dict[str, Tensor]:
        held = {name: getattr(self, name) for name in (*ARRAYS, *WEIGHTS)}
        return {name: tensor for name, tensor in held.items() if tensor is not None}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], **facts: Any) -> Self:
        """Build a dataset upon what `arrays` returned, without a copy; the arrays may be read-only.

        Args:
            arrays: the six, and weights if there are any, by name.
            facts: the other fields.

        Example:
            >>> from smartmixed_search.datasets import load_dataset
            >>> digits = load_dataset("digits")
            >>> Dataset.from_arrays(digits.arrays(), **digits.facts).features
            64

        """
        with warnings.catch_warnings():
            # Shared memory between processes is read-only, and torch cannot say so of a tensor: nothing here writes.
            warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
            tensors: dict[str, Any] = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return cls(**tensors, **facts)


def describe_sizes(sizes: Mapping[str, Any]) -> str:
    """Put `Dataset.sizes` into words.

    Example:
        >>> describe_sizes({"features": 64, "classes": 10, "train": 1293, "val": 144, "test": 360})
        '1,797 examples of 64 features in 10 classes: 1,293 to train on, 144 to validate, 360 to test'

    """
    examples = sum(sizes[split] for split in SPLITS)
    parts = ", ".join(
        f"{sizes[split]:,} to {purpose}"
        for split, purpose in zip(SPLITS, ("train on", "validate", "test"), strict=True)
    )
    what = f"examples of {sizes['features']:,} features"
    if "shape" in sizes:
        what = f"images of {' × '.join(map(str, sizes['shape']))} bytes"
    goal = f"in {sizes.get('classes')} classes"
    if "targets" in sizes:
        goal = f"with {counted(sizes['targets'], 'number')} to predict"
    return f"{examples:,} {what} {goal}: {parts}"


def checksum(arrays: Mapping[str, NDArray[Any]], task: Task | None = None) -> str:
    """Return the first 16 hex digits of the SHA-256 over names, types, shapes and contents of the arrays.

    Of a regression, given as `task`, the scale of the targets counts too: its arrays do not tell metres from feet.
    """
    digest = hashlib.sha256()
    if isinstance(task, Regression):  # in float32, for last digits differ between machines
        digest.update(np.array([task.mean, task.deviation], np.float32).tobytes())
    for name in (*ARRAYS, *(name for name in WEIGHTS if name in arrays)):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()[:16]
