"""The SQLite file of a tracking store: made once, checked before MLflow opens it, led after its folder, kept fast."""

import fcntl
import importlib.metadata
import importlib.util
import re
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from smartmixed_search.errors import TrackingError
from smartmixed_search.tracking.schema import EXPERIMENT_PREFIX
from smartmixed_search.tracking.store.uris import SQLITE, artifact_location, artifact_root, require_artifacts

_BUSY_SECONDS = 20
_MIGRATIONS = Path("store", "db_migrations", "versions")
_REVISION = re.compile(r"^(down_)?revision\s*=\s*[\"'](\w+)[\"']", re.MULTILINE)
_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
_FEW_RUNS = 100
"""Statistics of fewer make an order among thousands slower than none do."""
ANALYZE = "PRAGMA analysis_limit=400; ANALYZE"
"""Has SQLite count what its tables hold, in some ten milliseconds however large they are."""


def holds_data(path: Path) -> bool:
    """Whether there is a database."""
    return path.is_file() and path.stat().st_size > 0


def create(path: Path) -> None:
    """Create the database under another name and rename it: whoever sees the file sees a complete store."""
    with (path.parent / f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if holds_data(path):
            return
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        partial = path.with_name(f".{path.name}.partial")
        partial.unlink(missing_ok=True)
        SqlAlchemyStore(f"{SQLITE}{partial}", str(artifact_location(f"{SQLITE}{path}"))).engine.dispose()
        partial.replace(path)


def require(path: Path) -> None:
    """Make sure that a file is a database of the installed MLflow, which would migrate an older one unasked, for good.

    Raises:
        TrackingError: it is not.
    """
    # MLflow itself would retry for 100 seconds before it says that a file cannot be opened. Not opened read-only: after
    # a crash in the middle of a write, the first to open it has to roll that back.
    try:
        with _open(path) as database:
            database.execute("SELECT 1 FROM experiments LIMIT 1")
            found = database.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        raise TrackingError(
            f"cannot read {path} as an MLflow database ({error}); see to it or give another store"
        ) from error
    revision, (head, known) = found[0] if found else "no revision", _schema()
    if revision == head:
        return
    installed = f"MLflow {importlib.metadata.version('mlflow')}"
    rule = f"the tracking store must have the database schema of the installed {installed} ({head}), but {path} has "
    if revision not in known:
        raise TrackingError(f"{rule}{revision}, which it does not know; install the newer MLflow that made it")
    command = shlex.join(["mlflow", "db", "upgrade", f"{SQLITE}{path}"])
    raise TrackingError(
        f"{rule}{revision}, an older one's; copy the file, then run `{command}`, after which the older MLflow cannot "
        "open it any more, or give another store"
    )


def follow_folder(path: Path) -> None:
    """Have the addresses of a store that was moved or copied lead to the artifacts beside it.

    This package follows its folder anyway (`uris.followed`); MLflow's page and its loaders do not.

    Raises:
        TrackingError: there are no artifacts beside it.
        sqlite3.Error: the database cannot be written.
    """
    location = str(artifact_location(f"{SQLITE}{path}"))
    with _open(path) as database:
        ours = "SELECT DISTINCT artifact_location FROM experiments WHERE name LIKE ?"
        recorded = [row[0] for row in database.execute(ours, (f"{EXPERIMENT_PREFIX}%",))]
        for root in {artifact_root(address or "") for address in recorded} - {None, location}:
            assert root is not None
            if _same_folder(root, location):
                continue
            require_artifacts(location, root)
            length = len(root) + 1
            with database:
                for table, column in _ADDRESSES:
                    moved = f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    where = f"WHERE substr({column} || '/', 1, ?) = ?"
                    database.execute(moved + where, (location, length, length, f"{root}/"))


def analyze(path: Path) -> None:
    """Give SQLite statistics, without which an order by a metric takes it time with the square of the runs.

    Whoever holds the database at the moment is left alone: the next call will do.
    """
    try:
        with _open(path, seconds=0) as database:
            if not _holds_few(database):
                database.executescript(ANALYZE)
    except sqlite3.OperationalError:  # it is locked, or may only be read
        return


def has_statistics(path: Path) -> bool:
    """Whether SQLite has the statistics that it needs."""
    with _open(path) as database:
        if _holds_few(database):
            return True
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchone():
            return False
        counts = database.execute("SELECT stat FROM sqlite_stat1 WHERE tbl = 'runs'")
        return any(int(count.split()[0]) >= _FEW_RUNS for (count,) in counts)


def _holds_few(database: sqlite3.Connection) -> bool:
    (runs,) = database.execute("SELECT COUNT(*) FROM (SELECT 1 FROM runs LIMIT ?)", (_FEW_RUNS,)).fetchone()
    return bool(runs < _FEW_RUNS)


@contextmanager
def _open(path: Path, seconds: float = _BUSY_SECONDS) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=seconds)) as database:
        yield database


@cache
def _schema() -> tuple[str, frozenset[str]]:
    """Return the revision of the installed MLflow's schema, and all that it knows, without importing it."""
    package = importlib.util.find_spec("mlflow")
    assert package is not None
    assert package.submodule_search_locations is not None
    folder = Path(package.submodule_search_locations[0]) / _MIGRATIONS
    named = {match for file in folder.glob("*.py") for match in _REVISION.findall(file.read_text("utf-8"))}
    known, followed = (frozenset(revision for down, revision in named if bool(down) == is_down) for is_down in (0, 1))
    (head,) = known - followed
    return head, known


def _same_folder(one: str, other: str) -> bool:
    """Whether two addresses are of one folder, by a link say."""
    first, second = (Path(unquote(urlsplit(address).path)) for address in (one, other))
    return first.is_dir() and second.is_dir() and first.samefile(second)
