"""SmartMixed's trained networks in a file: safetensors with their functions in the metadata; nothing is unpickled.

Tensors `replicateR.layerL.weight` [outputs, inputs] and `….bias` [outputs]; metadata `config`, the configuration of
the trial, `choices`, {replicate: per hidden layer, name of the function of each neuron}, and `preparation`, how its
inputs are made of raw examples, a list where the data are split in several ways, all JSON. A trial writes all its
replicates, `export` writes one of them.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from smartmixed_search.datasets.prepared import AnyPreparation, preparation_of, read_preparation
from smartmixed_search.errors import NetworkError, UserError
from smartmixed_search.errors.messages import in_short, one_of
from smartmixed_search.export.frozen import FrozenNetwork, sort_neurons


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedNetwork:
    """One replicate of SmartMixed, as it was trained."""

    replicate: int
    weights: list[Tensor]
    """Per linear layer, [outputs, inputs]."""
    biases: list[Tensor]
    """Per linear layer, [outputs]."""
    choices: list[list[str]]
    """Per hidden layer, name of the function of each neuron."""
    config: dict[str, Any]
    """The configuration of its trial."""
    preparation: AnyPreparation
    """How its inputs are made of raw examples."""

    @property
    def inputs(self) -> int:
        """D: inputs of one example."""
        return self.weights[0].shape[1]

    def frozen(self) -> FrozenNetwork:
        """Return the module that computes it.

        Raises:
            NetworkError: shapes do not fit each other.
            ConfigError: a function is not registered.
        """
        return FrozenNetwork(self.weights, self.biases, self.choices).eval()

    def to_bytes(self) -> bytes:
        """Return the content of a file of this one network, its neurons sorted by function."""
        weights, biases, choices = sort_neurons(self.weights, self.biases, self.choices)
        layers = [f"replicate{self.replicate}.layer{layer}" for layer in range(len(weights))]
        tensors = {f"{layer}.weight": weight for layer, weight in zip(layers, weights, strict=True)}
        tensors |= {f"{layer}.bias": bias for layer, bias in zip(layers, biases, strict=True)}
        metadata = {
            "config": json.dumps(self.config),
            "choices": json.dumps({self.replicate: choices}),
            "preparation": json.dumps(self.preparation.to_dict()),
        }
        return serialize(tensors, metadata)


def serialize(tensors: dict[str, Tensor], metadata: dict[str, str]) -> bytes:
    """Return the content of a safetensors file, equal for equal tensors and metadata, so that it has one checksum.

    The library writes metadata in an order that differs from call to call.
    """
    content = safetensors.torch.save(tensors, metadata)
    start = 8 + int.from_bytes(content[:8], "little")
    described = json.loads(content[8:start]) | {"__metadata__": dict(sorted(metadata.items()))}
    header = json.dumps(described, separators=(",", ":")).encode()
    header = header.ljust(-(-len(header) // 8) * 8)  # tensors are aligned
    return len(header).to_bytes(8, "little") + header + content[start:]


def load_network(path: str | Path, replicate: int | None = None) -> FrozenNetwork:
    """Load a network that `export` wrote as safetensors, or one of a trial's `weights.safetensors`.

    Args:
        path: the file.
        replicate: which network of the file; not needed if it holds one.

    Raises:
        NetworkError: the file is missing or damaged, or holds no such network.
        ConfigError: the network applies a function that is not registered; import the module that registers it.
    """
    return read_network(path, replicate).frozen()


def read_network(path: str | Path, replicate: int | None = None) -> TrainedNetwork:
    """Read one network of a file; see `load_network`.

    Raises:
        NetworkError: the file is missing or damaged, or holds no such network.
    """
    try:
        with safe_open(path, "pt") as file:
            return _read(file, replicate)
    except UserError:
        raise
    except (
        OSError,
        SafetensorError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:  # whatever it holds
        raise NetworkError(
            "a network must be a whole safetensors file written by a trial or by export, but got "
            f"{str(path)!r} ({in_short(error)})"
        ) from error


def _read(file: Any, replicate: int | None) -> TrainedNetwork:
    metadata, names = file.metadata(), set(file.keys())
    choices = {int(number): functions for number, functions in json.loads(metadata["choices"]).items()}
    present = [number for number in choices if f"replicate{number}.layer0.weight" in names]
    if not present:
        raise NetworkError("the file holds no network: every replicate of its trial diverged; give another trial's")
    if replicate is None and len(present) == 1:
        replicate = present[0]
    if replicate not in present:
        raise NetworkError(one_of("replicate", replicate, present))
    layers = [f"replicate{replicate}.layer{layer}" for layer in range(len(choices[replicate]) + 1)]
    config = json.loads(metadata["config"])
    return TrainedNetwork(
        replicate=replicate,
        weights=[file.get_tensor(f"{layer}.weight") for layer in layers],
        biases=[file.get_tensor(f"{layer}.bias") for layer in layers],
        choices=[[str(name) for name in functions] for functions in choices[replicate]],
        config=config,
        preparation=_preparation(metadata, config, replicate),
    )


def _preparation(metadata: dict[str, str], config: dict[str, Any], replicate: int) -> AnyPreparation:
    if "preparation" in metadata:
        known = json.loads(metadata["preparation"])
        return read_preparation(known[replicate % len(known)] if isinstance(known, list) else known)
    return preparation_of(config["dataset"])  # an earlier version wrote the file
