"""Addresses of tracking stores and of what they keep: which are valid, how they are shown, and where a moved one is."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from smartmixed_search.errors import TrackingError

SQLITE = "sqlite:///"
WHO_ASKS = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
"""The variables that tell a server who asks."""

_ARTIFACTS = "mlartifacts"
_ADDRESS = re.compile(rf"(file:.*/{_ARTIFACTS})(/([0-9a-f]{{32}}|models)/.*)?")
"""Of an experiment, a run or a model; a server that keeps its own folder of that name puts an experiment's id first."""


def normalize_uri(uri: str) -> str:
    """Return a valid URI with an absolute path.

    Raises:
        TrackingError: it is neither a SQLite file's nor a server's.
    """
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https") and parts.hostname:
        if parts.query or parts.fragment:
            raise TrackingError(
                f"the address of a tracking server must be free of '?' and '#', but got {shown(uri)!r}; give a user's "
                f"name, password or token by {WHO_ASKS}"
            )
        return uri.rstrip("/")
    path = uri.removeprefix(SQLITE)
    if parts.scheme == "sqlite" and path not in (uri, "", ":memory:"):
        if "%" in path or "?" in path:
            raise TrackingError(f"the path of a SQLite store must be free of '%' and '?', but got {path!r}")
        return f"{SQLITE}{Path(path).absolute()}"
    hint = f"; did you mean '{SQLITE}{uri}'?" if not parts.scheme and "." in uri and "@" not in uri else ""
    raise TrackingError(
        f"a tracking URI must be {SQLITE}PATH, http://HOST:PORT or https://HOST, but got {shown(uri)!r}{hint}"
    )


def shown(uri: str) -> str:
    """Return a URI as it may be read by others: without user, password, token and query.

    Example:
        >>> print(shown("http://me:secret@host:5000"), shown("sqlite:////home/me@work/mlflow.db"))
        http://…@host:5000 sqlite:////home/me@work/mlflow.db
    """
    if "://" not in uri:
        return re.sub(r"^.*:.*@", "…@", uri)
    if uri.startswith(("sqlite:", "file:")):
        return uri
    return re.sub(r"(?s)(?<=[?#]).+", "…", re.sub(r"(?s)(?<=://).*@", "…@", uri))  # whatever characters a secret has


def store_name(uri: str) -> str:
    """Return what a store goes by in records of deliveries and in links: its URI without user and password."""
    uri = normalize_uri(uri)
    parts = urlsplit(uri)
    return uri.replace(f"{parts.netloc}", parts.netloc.rpartition("@")[2], 1) if "@" in parts.netloc else uri


def sqlite_path(uri: str) -> Path | None:
    """Return the file of a store that is one, given its normalized URI."""
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def artifact_location(uri: str) -> str | None:
    """Return where a store's experiments keep their artifacts: beside a SQLite file; a server decides itself."""
    path = sqlite_path(normalize_uri(uri))
    return None if path is None else (path.parent / _ARTIFACTS).as_uri()


def artifact_root(address: str) -> str | None:
    """Return the folder of a SQLite store's artifacts that an address of ours lies in, as a URI; None: in none.

    Example:
        >>> artifact_root("file:///old/mlartifacts/models/m-1/artifacts"), artifact_root("file:///mlartifacts/1/other")
        ('file:///old/mlartifacts', None)
    """
    found = _ADDRESS.fullmatch(address)
    return found[1] if found else None


def followed(uri: str, address: str) -> str:
    """Return where an artifact is that a store says is at `address`.

    SQLite holds whole addresses, so those of a folder that was moved or copied since lead elsewhere: to nothing, or
    into the original. What lies beside the file is what belongs to it.

    Raises:
        TrackingError: there is nothing beside the file.
    """
    location, root = artifact_location(uri), artifact_root(address)
    if location is None or root in (None, location):
        return address
    require_artifacts(location, root)
    return address.replace(root, location, 1)


def require_artifacts(location: str, root: str) -> None:
    """Make sure that a moved store's artifacts were moved with it.

    Raises:
        TrackingError: they were not.
    """
    here, there = (unquote(urlsplit(one).path) for one in (location, root))
    if not Path(here).is_dir():
        raise TrackingError(
            f"the artifacts of a tracking store must lie beside it, but there is no folder {here}; bring "
            f"{there} there, from where the store was moved, or make the folder if what it held is lost"
        )
