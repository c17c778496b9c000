"""Exported networks, as their users have them."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from smartmixed_search import load_network

Run = Callable[[Tensor], Tensor]


def load(path: Path, file_format: str) -> Run:
    """Load a file as its users do."""
    if file_format == "safetensors":
        return load_network(path)
    if file_format == "torch-export":
        return torch.export.load(path).module()
    from onnxruntime import InferenceSession

    session = InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(session.run(["logits"], {"x": x.numpy()})[0])
