"""Datasets of the MNIST family, small ones, in torchvision's layout."""

import struct
from pathlib import Path

import numpy as np


def idx(array: np.ndarray) -> bytes:
    """Return an array of bytes in the idx format."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def files(train: int = 120, test: int = 30, side: int = 4) -> dict[str, bytes]:
    """Return the four files of a small dataset whose pixels say which class an image is of."""
    contents: dict[str, bytes] = {}
    for part, n in (("train", train), ("t10k", test)):
        labels = np.arange(n) % 10
        images = np.broadcast_to(labels[:, None, None] * 25, (n, side, side))
        contents |= {f"{part}-images-idx3-ubyte": idx(images), f"{part}-labels-idx1-ubyte": idx(labels)}
    return contents


def stored(data_dir: Path, contents: dict[str, bytes], folder: str = "MNIST") -> Path:
    raw = data_dir / folder / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (raw / name).write_bytes(content)
    return raw
