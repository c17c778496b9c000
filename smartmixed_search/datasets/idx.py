"""The idx format of the MNIST family: a big-endian header, then one unsigned byte per value."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smartmixed_search.errors import DatasetError

_UNSIGNED_BYTE = 0x08
_REMEDY = "replace it, or remove it to have it downloaded again"


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Read an idx file, gzipped if its name ends in `.gz`, as a read-only array of that many dimensions.

    Raises:
        DatasetError: the file cannot be read, is of another kind, or is not as long as its header says.

    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"a dataset's file must be readable, however: {str(path)!r} ({error}); {_REMEDY}") from error
    header = 4 * (1 + dimensions)
    magic = _UNSIGNED_BYTE << 8 | dimensions
    if len(content) < header or int.from_bytes(content[:4]) != magic:
        raise DatasetError(
            f"an idx file of {dimensions} dimensions must begin with {magic:08x}, "
            f"however: {str(path)!r} ({len(content)} bytes) begins with {content[:4].hex() or 'nothing'}; {_REMEDY}"
        )
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    length = header + math.prod(shape)
    if len(content) != length:
        raise DatasetError(
            f"an idx file must be as long as its header says, {length} bytes, "
            f"however: {str(path)!r} holds {len(content)}; {_REMEDY}"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
