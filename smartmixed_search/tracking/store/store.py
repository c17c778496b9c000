"""The tracking store: where it is, created once, checked before use, and reached through one door, `connect`."""

import os
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from smartmixed_search.errors import TrackingError
from smartmixed_search.system.files import is_local, locate
from smartmixed_search.system.machine import some_home
from smartmixed_search.tracking.store import database, servers
from smartmixed_search.tracking.store.servers import reason
from smartmixed_search.tracking.store.uris import SQLITE, normalize_uri, shown, sqlite_path

if TYPE_CHECKING:
    from mlflow import MlflowClient

DEFAULT_OUTPUT_DIR = "smartmixed-runs"
OUTPUT_DIR_VARIABLE = "SMARTMIXED_OUTPUT_DIR"
TRACKING_URI_VARIABLE = "MLFLOW_TRACKING_URI"

_DATABASE = "mlflow.db"

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
            "an output directory must be a local folder if no tracking URI is given, because SQLite needs one, but got "
            f"{str(path)!r}; give an MLflow server's address, such as http://HOST:5000, as --tracking-uri"
        )
    return f"{SQLITE}{path / _DATABASE}"


def resolve_tracking_uri(tracking_uri: str | None = None, output_dir: str | Path | None = None) -> str:
    """Return the URI that a command uses: the one given, else the environment's, else the output directory's store.

    Raises:
        TrackingError: the URI is of a kind that is not supported, or none is given and the output directory is no
            folder.
    """
    uri = tracking_uri or os.environ.get(TRACKING_URI_VARIABLE)
    return normalize_uri(uri or default_tracking_uri(resolve_output_dir(output_dir)))


def resolve_output_dir(output_dir: str | Path | None = None) -> str | Path:
    """Return the output directory that a command uses: the one given, else the environment's, else the default."""
    return output_dir or os.environ.get(OUTPUT_DIR_VARIABLE) or DEFAULT_OUTPUT_DIR


def prepare_store(uri: str, seconds: float | None = None) -> None:
    """Make sure that runs can be recorded: create the SQLite file if there is none yet, or ask the server.

    Any number of processes may call this at once; each finds the store complete when its call returns.

    Args:
        uri: of the store.
        seconds: how long a server may take to answer; default: `servers.CHECK_SECONDS`.

    Raises:
        TrackingError: the store cannot be created, does not answer, or is not in order.
    """
    uri = normalize_uri(uri)
    path = sqlite_path(uri)
    if path is None:
        _ask_server(uri, seconds)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not database.holds_data(path):
            _import_quietly()
            database.create(path)
        with path.open("r+b"):
            pass
        database.require(path)
        database.follow_folder(path)
    except (OSError, sqlite3.Error) as error:
        raise TrackingError(
            f"cannot write to the tracking store {path} ({getattr(error, 'strerror', None) or error}); "
            "see to it or give another one"
        ) from error
    connect(uri)


def check_store(uri: str) -> str:
    """Check the store without changing anything, and say in a few words how it is.

    Raises:
        TrackingError: `prepare_store` would fail.
    """
    uri = normalize_uri(uri)
    path = sqlite_path(uri)
    if path is None:
        _ask_server(uri)
        return f"{shown(uri)} answers"
    if database.holds_data(path):
        database.require(path)
        connect(uri)
        return f"{path} is in order"
    nearest = next(parent for parent in path.parents if parent.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise TrackingError(f"the tracking store must be in a writable directory, but {nearest} is not one")
    return f"{path} will be created by the first run"


def require_schema(uri: str) -> None:
    """Make sure that MLflow would not have to change a SQLite file that is there, before anything heavy is imported.

    Raises:
        TrackingError: it would.
    """
    path = sqlite_path(normalize_uri(uri))
    if path is not None and database.holds_data(path):
        database.require(path)


def analyze_store(uri: str) -> None:
    """Keep a SQLite file that holds ever more runs fast; servers look after their databases themselves."""
    path = sqlite_path(normalize_uri(uri))
    if path is not None:
        database.analyze(path)


def advice(uri: str) -> str | None:
    """Return what would make a store that is in order better, if anything would."""
    path = sqlite_path(normalize_uri(uri))
    if path is None or not database.holds_data(path) or database.has_statistics(path):
        return None
    return (
        "it was never analyzed, so whatever is ordered by a metric takes time with the square of the runs; the next "
        f"`run` or `sync` does it, or: sqlite3 {shlex.quote(str(path))} '{database.ANALYZE}'"
    )


def open_store(uri: str) -> "MlflowClient":
    """Return a client for reading. A store that does not exist is never created by a query.

    Raises:
        TrackingError: there is no store yet, it does not answer, or is not in order.
    """
    uri = normalize_uri(uri)
    path = sqlite_path(uri)
    if path is None:
        _ask_server(uri)
    elif database.holds_data(path):
        database.require(path)
    else:
        raise nothing_recorded(uri)
    return connect(uri)


def nothing_recorded(uri: str) -> TrackingError:
    """Return the error of a query to a store without sweeps."""
    return TrackingError(f"no sweeps recorded yet in {shown(uri)}; run `smartmixed-search run quickstart`")


def connect(uri: str) -> "MlflowClient":
    """Return a client of a store that exists; the only place that imports MLflow.

    MLflow's global state (tracking URI, active run) is neither read nor set.

    Raises:
        TrackingError: the store is not in order.
    """
    _import_quietly()
    from smartmixed_search.tracking.store.client import Client

    with store_errors(uri):
        return Client(normalize_uri(uri))


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Turn what MLflow raises into a `TrackingError` of one line."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise TrackingError(
            f"the tracking store {shown(uri)} cannot be used ({reason(error)}); it must be reachable and in order"
        ) from error


def _ask_server(uri: str, seconds: float | None = None) -> None:
    _import_quietly()
    servers.ask(uri, seconds)


def _import_quietly() -> None:
    for name, value in _MLFLOW_DEFAULTS.items():
        os.environ.setdefault(name, value)
    with some_home():
        import mlflow  # noqa: F401  its settings are read at the first import
