"""The files that Ray needs: a folder for temporary ones, and a cluster's token."""

import os
import sys
from pathlib import Path

from smartmixed_search.errors import ResourceError

_LONGEST = 103 if sys.platform == "darwin" else 107
"""Bytes that the path of a socket may have."""
_SOCKET = "session_2000-01-01_00-00-00_000000_{}/sockets/plasma_store"
"""The longest path that Ray makes a socket of."""


def check_ray_folder() -> Path:
    """Return where a Ray that this process starts keeps its files.

    Raises:
        ResourceError: paths there are too long for sockets, or nothing can be made there.
    """
    folder = Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp", "ray").absolute()
    spare = _LONGEST - len(os.fsencode(folder / _SOCKET.format(os.getpid())))
    if spare < 0:
        most = len(os.fsencode(folder.parent)) + spare
        raise ResourceError(
            f"the folder of temporary files must have a path of at most {most} bytes, because Ray's sockets lie there, "
            f"but got {folder.parent}; set RAY_TMPDIR to a shorter one, such as /tmp"
        )
    nearest = next((place for place in (folder, *folder.parents) if os.access(place, os.F_OK)), folder)
    if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
        raise ResourceError(f"cannot write to Ray's folder {folder}; set RAY_TMPDIR to another one")
    return folder


def missing_token_file() -> Path | None:
    """Return the file of a cluster's token that the environment names, if it cannot be read."""
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    return Path(named) if named and not os.access(named, os.R_OK) else None
