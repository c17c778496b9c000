"""Exported networks, as their users have them."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from smartmixed_search.export.served import served
from smartmixed_search.export.weights import read_network

Run = Callable[[Tensor], Tensor]


def load(path: Path, file_format: str) -> Run:
    """Load a file as its users do; what is returned takes raw examples and gives the probabilities of the classes."""
    if file_format == "safetensors":
        return served(read_network(path))
    if file_format == "torch-export":
        return torch.export.load(path).module()
    from onnxruntime import InferenceSession

    session = InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(session.run(["probabilities"], {"x": x.numpy()})[0])
