"""Folders and zips of small pictures."""

from pathlib import Path
from zipfile import ZipFile

import numpy as np
from PIL import Image


def pixels(seed: int, size: tuple[int, int] = (4, 5), channels: int = 3) -> np.ndarray:
    """Random bytes [height, width, channels], or [height, width] if there is one channel."""
    shape = size if channels == 1 else (*size, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def put(path: Path, array: np.ndarray) -> Path:
    """Write a picture without loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def class_folders(root: Path, counts: dict[str, int], size: tuple[int, int] = (4, 5), channels: int = 3) -> Path:
    """Write so many pictures into each folder."""
    seeds = iter(range(10_000))
    for folder, count in counts.items():
        for number in range(count):
            put(root / folder / f"{number:04}.png", pixels(next(seeds), size, channels))
    return root


def zipped(root: Path, path: Path) -> Path:
    """Write a folder's files into a zip."""
    with ZipFile(path, "w") as archive:
        for file in sorted(root.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(root))
    return path
