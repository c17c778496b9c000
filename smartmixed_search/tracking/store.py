"""The tracking store: where it is, created once, checked before use, and reached through one door, `connect`."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from smartmixed_search.errors import TrackingError
from smartmixed_search.files import is_local, locate

if TYPE_CHECKING:
    from mlflow import MlflowClient

DEFAULT_OUTPUT_DIR = "smartmixed-runs"
OUTPUT_DIR_VARIABLE = "SMARTMIXED_OUTPUT_DIR"
TRACKING_URI_VARIABLE = "MLFLOW_TRACKING_URI"

CHECK_SECONDS = 5
"""How long a server may take to answer the first question."""

_DATABASE = "mlflow.db"
_ARTIFACTS = "mlartifacts"
_SQLITE = "sqlite:///"
_REASON_LENGTH = 200

_MLFLOW_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Whatever MLflow logs it also raises, and it logs tracebacks.
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    # MLflow's own retries block for minutes, and repeat the creation of a run whose answer was lost. `Delivery` retries
    # whole records instead, which finds such a run.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}


def default_tracking_uri(output_dir: str | Path) -> str:
    """Return the URI of the SQLite store inside an output directory.

    Raises:
        TrackingError: SQLite cannot live there.
    """
    path = locate(output_dir)
    if not is_local(path):
        raise TrackingError(
            "an output directory must be a folder where no tracking URI is given, for SQLite needs one, however: "
            f"{str(path)!r}; give an MLflow server's address, such as http://HOST:5000, as --tracking-uri"
        )
    return f"{_SQLITE}{path / _DATABASE}"


def resolve_tracking_uri(tracking_uri: str | None = None, output_dir: str | Path | None = None) -> str:
    """Return the URI that a command uses: the one given, else the environment's, else the output directory's store.

    Raises:
        TrackingError: the URI is of a kind that is not supported, or none is given and the output directory is no
            folder.
    """
    uri = tracking_uri or os.environ.get(TRACKING_URI_VARIABLE)
    directory = output_dir or os.environ.get(OUTPUT_DIR_VARIABLE) or DEFAULT_OUTPUT_DIR
    return normalize_uri(uri or default_tracking_uri(directory))


def normalize_uri(uri: str) -> str:
    """Return a valid URI with an absolute path.

    Raises:
        TrackingError: it is neither a SQLite file's nor a server's.
    """
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https") and parts.hostname:
        return uri.rstrip("/")
    path = uri.removeprefix(_SQLITE)
    if parts.scheme == "sqlite" and path not in (uri, "", ":memory:"):
        if "%" in path or "?" in path:
            raise TrackingError(f"the path of a SQLite store must be free of '%' and '?', however: {path!r}")
        return f"{_SQLITE}{Path(path).absolute()}"
    hint = f"; did you mean '{_SQLITE}{uri}'?" if not parts.scheme and "." in uri else ""
    raise TrackingError(
        f"a tracking URI must be {_SQLITE}PATH, http://HOST:PORT or https://HOST, however: {_shown(uri)!r}{hint}"
    )


def prepare_store(uri: str, seconds: float | None = None) -> None:
    """Make sure that runs can be recorded: create the SQLite file if there is none yet, or ask the server.

    Any number of processes may call this at once; each finds the store complete when its call returns.

    Args:
        uri: of the store.
        seconds: how long a server may take to answer; default: `CHECK_SECONDS`.

    Raises:
        TrackingError: the store cannot be created, does not answer, or is not in order.
    """
    uri = normalize_uri(uri)
    path = _sqlite_path(uri)
    if path is None:
        _ask_server(uri, seconds)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not _holds_data(path):
            _create_database(path)
        with path.open("r+b"):
            pass
    except OSError as error:
        raise TrackingError(
            f"the tracking store must be a writable file, however: {path} ({error.strerror or error})"
        ) from error
    _require_database(path)
    connect(uri)


def check_store(uri: str) -> str:
    """Check the store without changing anything, and say in a few words how it is.

    Raises:
        TrackingError: `prepare_store` would fail.
    """
    uri = normalize_uri(uri)
    path = _sqlite_path(uri)
    if path is None:
        _ask_server(uri)
        return f"{_shown(uri)} answers"
    if _holds_data(path):
        _require_database(path)
        connect(uri)
        return f"{path} is in order"
    nearest = next(parent for parent in path.parents if parent.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise TrackingError(f"the tracking store must be in a writable directory, however: {nearest} is not")
    return f"{path} will be created by the first run"


def open_store(uri: str) -> "MlflowClient":
    """Return a client for reading. A store that does not exist is never created by a query.

    Raises:
        TrackingError: there is no store yet, it does not answer, or is not in order.
    """
    uri = normalize_uri(uri)
    path = _sqlite_path(uri)
    if path is None:
        _ask_server(uri)
    elif _holds_data(path):
        _require_database(path)
    else:
        raise nothing_recorded(uri)
    return connect(uri)


def nothing_recorded(uri: str) -> TrackingError:
    """Return the error of a query to a store without sweeps."""
    return TrackingError(f"no sweeps recorded yet in {_shown(uri)}; run `smartmixed-search run quickstart`")


def connect(uri: str) -> "MlflowClient":
    """Return a client of a store that exists; the only place that imports MLflow.

    MLflow's global state (tracking URI, active run) is neither read nor set.

    Raises:
        TrackingError: the store is not in order.
    """
    _import_quietly()
    from mlflow import MlflowClient

    with store_errors(uri):
        return MlflowClient(tracking_uri=normalize_uri(uri))


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Turn what MLflow raises into a `TrackingError` of one line."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise TrackingError(
            f"the tracking store must be reachable and in order, however: {_shown(uri)} ({reason(error)})"
        ) from error


def store_name(uri: str) -> str:
    """Return what a store goes by in messages and in records of deliveries: its URI without user and password."""
    uri = normalize_uri(uri)
    parts = urlsplit(uri)
    return uri.replace(f"{parts.netloc}", parts.netloc.rpartition("@")[2], 1) if "@" in parts.netloc else uri


def artifact_location(uri: str) -> str | None:
    """Return where a store's experiments keep their artifacts: beside a SQLite file; a server decides itself."""
    path = _sqlite_path(normalize_uri(uri))
    return None if path is None else (path.parent / _ARTIFACTS).as_uri()


def _import_quietly() -> None:
    for name, value in _MLFLOW_DEFAULTS.items():
        os.environ.setdefault(name, value)
    import mlflow  # noqa: F401  its settings are read at the first import


def _sqlite_path(uri: str) -> Path | None:
    return Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None


def _holds_data(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _create_database(path: Path) -> None:
    """Create the database under another name and rename it: whoever sees the file sees a complete store."""
    with (path.parent / f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _holds_data(path):
            return
        _import_quietly()
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        partial = path.with_name(f".{path.name}.partial")
        partial.unlink(missing_ok=True)
        SqlAlchemyStore(f"{_SQLITE}{partial}", (path.parent / _ARTIFACTS).as_uri()).engine.dispose()
        partial.replace(path)


def _require_database(path: Path) -> None:
    # MLflow itself would retry for 100 seconds before it says that a file cannot be opened. Not opened read-only: after
    # a crash in the middle of a write, the first to open it has to roll that back.
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=20)) as database:
            database.execute("SELECT 1 FROM experiments LIMIT 1")
    except sqlite3.Error as error:
        raise TrackingError(f"the tracking store must be an MLflow database, however: {path} ({error})") from error


def _ask_server(uri: str, seconds: float | None = None) -> None:
    _import_quietly()
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request, verify_rest_response

    endpoint = "/api/2.0/mlflow/experiments/search"
    try:
        answer = http_request(
            get_default_host_creds(uri),
            endpoint,
            "POST",
            timeout=seconds or CHECK_SECONDS,
            max_retries=0,
            json={"max_results": 1},
        )
        verify_rest_response(answer, endpoint)
    except Exception as error:  # the vendor's own, requests' and urllib3's
        raise TrackingError(
            f"the tracking server must be reachable, however: {_shown(uri)} ({reason(error)}); "
            "start it or give another --tracking-uri"
        ) from error


def _shown(uri: str) -> str:
    """Return the URI without its password."""
    password = urlsplit(uri).password
    return uri.replace(f":{password}@", ":…@") if password else uri


def reason(error: BaseException) -> str:
    """Return one line on the first cause of an error."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return " ".join(str(error).split())[:_REASON_LENGTH] or type(error).__name__
