"""A trained network as an MLflow model: the program that `export --format torch-export` writes, in MLflow's layout.

Whoever loads it needs torch and MLflow, nothing of this package, and no plugin: a user's functions are in the program.
Nothing in it is a pickle but what torch's own restricted reader takes, as MLflow makes sure before it loads.
"""

import importlib.metadata
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from smartmixed_search.export.formats import encode
from smartmixed_search.export.served import served
from smartmixed_search.export.weights import TrainedNetwork

_FLAVOR = "pytorch"
_LOADER = "mlflow.pytorch"
_PROGRAM = "model.pt2"
"""The name that the loader looks for."""
_NETWORK = "network"
_REQUIRED = ("torch", "numpy")
_EXAMPLES = 2


def write_model(network: TrainedNetwork, path: Path) -> None:
    """Write the folder of an MLflow model of flavors `python_function` and `pytorch`.

    It takes raw examples and returns the probabilities of the classes [B, C], see `export.served`; on the CPU, for a
    program cannot be moved to a GPU.

    Raises:
        NetworkError: torch-export cannot hold a user's function.
        ConfigError: a function is not registered.
    """
    from mlflow import pyfunc
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    examples, outputs = served(network).examples(_EXAMPLES).numpy(), len(network.biases[-1])
    model = Model()
    model.add_flavor(_FLAVOR, model_data=f"data/{_NETWORK}", pytorch_version=str(torch.__version__), code=None)
    with TemporaryDirectory() as folder:
        data = Path(folder, _NETWORK)
        data.mkdir()
        (data / _PROGRAM).write_bytes(encode(network, "torch-export"))
        pyfunc.save_model(
            path,
            loader_module=_LOADER,
            data_path=data,
            mlflow_model=model,
            signature=ModelSignature(
                Schema([TensorSpec(examples.dtype, (-1, *examples.shape[1:]))]),
                Schema([TensorSpec(np.dtype("float32"), (-1, outputs))]),
            ),
            input_example=examples,
            pip_requirements=[f"{name}=={importlib.metadata.version(name)}" for name in _REQUIRED],
            model_config={"device": "cpu"},
        )
