"""A sweep's dataset as MLflow shows it: an input of the sweep's run and of its trials'."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from smartmixed_search.datasets.dataset import SPLITS
from smartmixed_search.datasets.parts import SPLIT_SEED, TEST_SHARE, VALIDATION_SHARE

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Run

_LOADER = "smartmixed_search.load_dataset"
_SPLIT = (
    f"as the space's split, folds and repeats say, else stratified, seed {SPLIT_SEED}: {TEST_SHARE:.0%} for testing "
    "unless the dataset brings test examples, "
    f"then {VALIDATION_SHARE:.0%} for validation"
)
_OUTPUTS = ("classes", "targets")
"""How `Dataset.sizes` calls what networks put out, by task."""
_NAME_LENGTH = 500
"""MLflow's limit."""


def dataset_input(dataset: Mapping[str, Any]) -> "DatasetInput":
    """Return what `log_inputs` takes.

    Args:
        dataset: `name` and `checksum`, and, where known, `Dataset.sizes`.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = {
        "tags": {"mlflow.source.name": _LOADER, "mlflow.source.type": "LOCAL"},
        "dataset": dataset["name"],
        "split": _SPLIT,
    }
    known = dataset.keys() >= {"features", *SPLITS} and bool(dataset.keys() & _OUTPUTS)
    described = Dataset(
        name=dataset["name"][:_NAME_LENGTH],
        digest=dataset["checksum"],
        source_type="code",
        source=json.dumps(source),
        schema=json.dumps(_schema(dataset)) if known else None,
        profile=json.dumps(_profile(dataset)) if known else None,
    )
    return DatasetInput(described, [InputTag("mlflow.data.context", "training")])


def recorded_sizes(sweep: "Run") -> dict[str, Any]:
    """Return the `Dataset.sizes` that a sweep's run has recorded; empty if it has none."""
    for one in sweep.inputs.dataset_inputs if sweep.inputs else ():
        if one.dataset.profile:
            profile = json.loads(one.dataset.profile)
            sizes = {name: int(profile[name]) for name in ("features", *_OUTPUTS) if name in profile}
            shape = {"shape": profile["shape"]} if "shape" in profile else {}
            return sizes | {split: int(profile[f"{split}_examples"]) for split in SPLITS} | shape
    return {}


def _schema(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Return MLflow's description of the tensors x [N, D], or images [N, channels, height, width], and y.

    Of a classification y is [N], of a regression [N, C].
    """
    from mlflow.types import Schema, TensorSpec

    stored = ("uint8", dataset["shape"]) if "shape" in dataset else ("float32", [dataset["features"]])
    learned = ("float32", [dataset["targets"]]) if "targets" in dataset else ("int64", [])
    x, y = (TensorSpec(np.dtype(kind), (-1, *shape)) for kind, shape in (stored, learned))
    return {"mlflow_tensorspec": {"features": Schema([x]).to_json(), "targets": Schema([y]).to_json()}}


def _profile(dataset: Mapping[str, Any]) -> dict[str, Any]:
    examples = {split: int(dataset[split]) for split in SPLITS}
    rows, features = sum(examples.values()), int(dataset["features"])
    sizes = {"num_rows": rows, "num_elements": rows * features, "features": features}
    shape = {"shape": list(dataset["shape"])} if "shape" in dataset else {}
    counts = {f"{split}_examples": n for split, n in examples.items()}
    outputs = {name: int(dataset[name]) for name in _OUTPUTS if name in dataset}
    return sizes | outputs | counts | shape
