"""SmartMixed's trained networks in a file: safetensors with their functions in the metadata; nothing is unpickled.

Tensors `replicateR.layerL.weight` [outputs, inputs] and `….bias` [outputs], of other families as their modules call
them; metadata `config`, the configuration of the trial, `choices`, {replicate: per site, name of the function of each
unit}, `preparation`, how its inputs are made of raw examples, a list where the data are split in several ways, and of
other families than perceptrons `sizes`, the shape of a prepared example and the number of outputs, all JSON. A trial
writes all its replicates, `export` writes one of them.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from smartmixed_search.datasets.prepared import AnyPreparation, preparation_of, read_preparation
from smartmixed_search.errors import NetworkError, UserError
from smartmixed_search.errors.messages import in_short, one_of
from smartmixed_search.export.frozen import FrozenNetwork, load_frozen, sort_neurons
from smartmixed_search.families import parse_architecture
from smartmixed_search.method.activations import PUBLISHED_POOL
from smartmixed_search.system.plugins import require_plugins


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedNetwork:
    """One replicate of SmartMixed, as it was trained."""

    replicate: int
    tensors: dict[str, Tensor]
    """Parameters and buffers, as the modules of its family call them."""
    choices: list[list[str]]
    """Per site, name of the function of each unit."""
    config: dict[str, Any]
    """The configuration of its trial."""
    preparation: AnyPreparation
    """How its inputs are made of raw examples."""
    sizes: tuple[tuple[int, ...], int] | None = None
    """Shape of one prepared example, and number of outputs; None: of a multilayer perceptron, whose weights tell."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one prepared example."""
        return self.sizes[0] if self.sizes else (self.tensors["layer0.weight"].shape[1],)

    @property
    def inputs(self) -> int:
        """D: numbers of one prepared example."""
        return math.prod(self.input_shape)

    @property
    def outputs(self) -> int:
        """C: outputs of one example."""
        return self.sizes[1] if self.sizes else len(self.tensors[f"layer{len(self.choices)}.bias"])

    def frozen(self) -> nn.Module:
        """Return the module that computes it.

        Raises:
            NetworkError: shapes do not fit each other, or the factory makes another network now.
            ConfigError: a function is not registered, or the factory's module not imported.
        """
        if self.sizes is None:
            return FrozenNetwork(*self._layers(), self.choices).eval()
        return load_frozen(parse_architecture(self.config["architecture"]), *self.sizes, self.choices, self.tensors)

    def to_bytes(self) -> bytes:
        """Return the content of a file of this one network; a perceptron's neurons are sorted by function."""
        tensors, choices = self.tensors, self.choices
        if self.sizes is None:
            weights, biases, choices = sort_neurons(*self._layers(), choices)
            tensors = named_layers(weights, biases)
        metadata = {
            "config": json.dumps(self.config),
            "choices": json.dumps({self.replicate: choices}),
            "preparation": json.dumps(self.preparation.to_dict()),
            **({} if self.sizes is None else {"sizes": json.dumps(self.sizes)}),
        }
        return serialize({f"replicate{self.replicate}.{name}": tensor for name, tensor in tensors.items()}, metadata)

    def _layers(self) -> tuple[list[Tensor], list[Tensor]]:
        """Return weights [outputs, inputs] and biases [outputs] of a perceptron's layers."""
        layers = [f"layer{layer}" for layer in range(len(self.choices) + 1)]
        weights, biases = ([self.tensors[f"{layer}.{kind}"] for layer in layers] for kind in ("weight", "bias"))
        return weights, biases


def named_layers(weights: Sequence[Tensor], biases: Sequence[Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a perceptron by name, given those of its layers."""
    named = {f"layer{layer}.weight": weight for layer, weight in enumerate(weights)}
    return named | {f"layer{layer}.bias": bias for layer, bias in enumerate(biases)}


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


def load_network(path: str | Path, replicate: int | None = None) -> nn.Module:
    """Load a network that `export` wrote as safetensors, or one of a trial's `weights.safetensors`.

    Args:
        path: the file.
        replicate: which network of the file; not needed if it holds one.

    Raises:
        NetworkError: the file is missing or damaged, or holds no such network.
        ConfigError: the network applies a function that is not built in, and its plugin has not been imported.
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
    present = [number for number in choices if any(name.startswith(f"replicate{number}.") for name in names)]
    if not present:
        raise NetworkError("the file holds no network: every replicate of its trial diverged; give another trial's")
    if replicate is None and len(present) == 1:
        replicate = present[0]
    if replicate not in present:
        raise NetworkError(one_of("replicate", replicate, present))
    prefix, config = f"replicate{replicate}.", json.loads(metadata["config"])
    if set().union(*choices[replicate]) - set(PUBLISHED_POOL):  # a plugin's function may be called as a built-in one
        require_plugins(config.get("plugins", ()))
    shape, outputs = json.loads(metadata.get("sizes", "[null, null]"))
    if shape is not None and not all(isinstance(size, int) and size > 0 for size in (*shape, outputs)):
        raise NetworkError(f"sizes must be those of a prepared example and of the outputs, but got {metadata['sizes']}")
    return TrainedNetwork(
        replicate=replicate,
        tensors={name.removeprefix(prefix): file.get_tensor(name) for name in names if name.startswith(prefix)},
        choices=[[str(name) for name in functions] for functions in choices[replicate]],
        config=config,
        preparation=_preparation(metadata, config, replicate),
        sizes=None if shape is None else (tuple(shape), outputs),
    )


def _preparation(metadata: dict[str, str], config: dict[str, Any], replicate: int) -> AnyPreparation:
    if "preparation" in metadata:
        known = json.loads(metadata["preparation"])
        return read_preparation(known[replicate % len(known)] if isinstance(known, list) else known)
    return preparation_of(config["dataset"])  # an earlier version wrote the file
