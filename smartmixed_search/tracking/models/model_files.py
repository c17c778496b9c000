"""A trained network as an MLflow model.

Of arrays it is the program that `export --format torch-export` writes, in MLflow's layout: whoever loads it needs torch
and MLflow, nothing of this package, and no plugin, for a user's functions are in the program. Nothing in it is a pickle
but what torch's own restricted reader takes, as MLflow makes sure before it loads. Of a table it takes rows as they
are, texts and gaps included, which no program can: this package reads them, and must be installed where it is served.
"""

import importlib.metadata
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import torch

from smartmixed_search.datasets.tables.preparation import TablePreparation
from smartmixed_search.export.formats import encode
from smartmixed_search.export.served import served
from smartmixed_search.export.weights import TrainedNetwork
from smartmixed_search.tracking.models import serving

_FLAVOR = "pytorch"
_LOADER = "mlflow.pytorch"
_PROGRAM = "model.pt2"
"""The name that the loader looks for."""
_NETWORK = "network"
_WEIGHTS = "network.safetensors"
_EXAMPLES = 2


def write_model(network: TrainedNetwork, path: Path) -> None:
    """Write the folder of an MLflow model, on the CPU, for a program cannot be moved to a GPU.

    Of a table it takes a data frame and names classes, see `export.predictor`; else it takes raw examples and returns
    probabilities or numbers, see `export.served`.

    Raises:
        NetworkError: torch-export cannot hold a user's function.
        ConfigError: a function is not registered.
    """
    if isinstance(network.preparation, TablePreparation):
        _write_predictor(network, network.preparation, path)
    else:
        _write_program(network, path)


def _write_program(network: TrainedNetwork, path: Path) -> None:
    from mlflow import pyfunc
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    module = served(network)
    with torch.inference_mode():
        examples = module.examples(_EXAMPLES)
        answers = module(examples)
    model = Model()
    model.add_flavor(_FLAVOR, model_data=f"data/{_NETWORK}", pytorch_version=str(torch.__version__), code=None)
    with TemporaryDirectory() as folder:
        data = Path(folder, _NETWORK)
        data.mkdir()
        (data / _PROGRAM).write_bytes(encode(network, "torch-export"))
        inputs, outputs = (
            Schema([TensorSpec(tensor.numpy().dtype, (-1, *tensor.shape[1:]))]) for tensor in (examples, answers)
        )
        pyfunc.save_model(
            path,
            loader_module=_LOADER,
            data_path=data,
            mlflow_model=model,
            signature=ModelSignature(inputs, outputs),
            input_example=examples.numpy(),
            pip_requirements=_pinned("torch", "numpy"),
            model_config={"device": "cpu"},
        )


def _write_predictor(network: TrainedNetwork, preparation: TablePreparation, path: Path) -> None:
    from mlflow import pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import AnyType

    # Of any type: MLflow refuses whole numbers where it was told of floating-point ones. The predictor looks at cells.
    columns = [ColSpec(AnyType(), feature.column.name) for feature in preparation.features]
    with TemporaryDirectory() as folder:
        data = Path(folder, _WEIGHTS)
        data.write_bytes(network.to_bytes())
        pyfunc.save_model(
            path,
            loader_module=serving.__name__,
            data_path=data,
            signature=ModelSignature(Schema(columns), None),
            input_example=pd.DataFrame([preparation.example()]),
            pip_requirements=_pinned("smartmixed-search", "torch", "numpy"),
        )


def _pinned(*packages: str) -> list[str]:
    return [f"{name}=={importlib.metadata.version(name)}" for name in packages]
