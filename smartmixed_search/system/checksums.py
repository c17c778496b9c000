"""Checksums of what is kept: a bit that flips on a disk, or on the way from one, is noticed before it is used."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_FIELD = "checksum"


def checksum(content: bytes) -> str:
    """Return the checksum of a file's content: 16 hex digits."""
    return hashlib.sha256(content).hexdigest()[:16]


def seal(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain data with a checksum of them, which `unseal` takes off again.

    Example:
        >>> seal({"number": 3})
        {'number': 3, 'checksum': '339e14c131e503ba'}
    """
    return {**plain, _FIELD: checksum(json.dumps(plain).encode())}


def unseal(content: bytes) -> dict[str, Any]:
    """Read a JSON object that was sealed, or one from before there were checksums, which has none.

    Raises:
        ValueError: it is damaged.
    """
    try:
        plain = dict(json.loads(content))
        intact = plain.pop(_FIELD, None) in (None, seal(plain)[_FIELD])
    except (TypeError, RecursionError) as error:
        raise ValueError("it must be a JSON object") from error
    if not intact:
        raise ValueError("its checksum must be that of its content")
    return plain
