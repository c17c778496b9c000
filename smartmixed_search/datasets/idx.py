"""The idx format of the MNIST family: a big-endian header, then one unsigned byte per value."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smartmixed_search.datasets.source import check_size
from smartmixed_search.errors import DatasetError

_UNSIGNED_BYTE = 0x08
_REMEDY = "replace it, or remove it to have it downloaded again"


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Read an idx file, gzipped if its name ends in `.gz`, as a read-only array of that many dimensions.

    Raises:
        DatasetError: the file cannot be read, is of another kind, is not as long as its header says, or is too large
            for this machine.

    """
    size = 4 * (1 + dimensions)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            header = file.read(size)
            shape = _shape(path, header, dimensions)
            check_size(f"{str(path)!r}, by its header,", math.prod(shape), 1)
            content = file.read(math.prod(shape) + 1)  # no more than that: a small gzip may hold terabytes
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"cannot read {str(path)!r} ({error}); {_REMEDY}") from error
    if len(content) != math.prod(shape):
        found = size + len(content) if len(content) < math.prod(shape) else "more"
        raise DatasetError(
            f"an idx file must be as long as its header says, {size + math.prod(shape)} bytes, "
            f"but {str(path)!r} holds {found}; {_REMEDY}"
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _shape(path: Path, header: bytes, dimensions: int) -> tuple[int, ...]:
    magic = _UNSIGNED_BYTE << 8 | dimensions
    if len(header) < 4 * (1 + dimensions) or int.from_bytes(header[:4]) != magic:
        raise DatasetError(
            f"an idx file of {dimensions} dimensions must begin with {magic:08x} and its shape, "
            f"but {str(path)!r} begins with {header.hex() or 'nothing'}; {_REMEDY}"
        )
    return struct.unpack(f">{dimensions}I", header[4:])
