import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from upath import UPath

from smartmixed_search.errors import TrackingError
from smartmixed_search.tracking.store.store import (
    check_store,
    connect,
    default_tracking_uri,
    open_store,
    prepare_store,
    resolve_tracking_uri,
)
from smartmixed_search.tracking.store.uris import artifact_location, store_name

PREPARE_AT_ONCE = """
import os, sys
from smartmixed_search.tracking.store import store
store._import_quietly()  # once for all: it takes longer than all the rest
import mlflow.store.tracking.sqlalchemy_store
children = []
for _ in range(4):
    children.append(os.fork())
    if not children[-1]:
        store.prepare_store(sys.argv[1])
        os._exit(0)
sys.exit(any(os.waitpid(child, 0)[1] for child in children))
"""


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_four_processes_prepare_a_fresh_store_at_once(tmp_path: Path) -> None:
    uri = default_tracking_uri(tmp_path / "new" / "runs")
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PREPARE_AT_ONCE, uri]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=100)
    assert (done.stderr, done.returncode) == ("", 0)
    assert len(open_store(uri).search_experiments()) == 1
    assert _names(tmp_path) == ["new"]  # and not the folders MLflow makes in the working directory


def test_a_creation_that_died_half_way_is_repeated(tmp_path: Path, store_template: Path) -> None:
    (tmp_path / ".mlflow.db.partial").write_bytes(store_template.read_bytes()[:5000])
    prepare_store(default_tracking_uri(tmp_path))
    assert connect(default_tracking_uri(tmp_path)).search_experiments()
    assert _names(tmp_path) == [".mlflow.db.lock", "mlflow.db"]


def test_preparing_an_existing_store_keeps_what_it_holds(tracking_uri: str) -> None:
    connect(tracking_uri).create_experiment("mine")
    prepare_store(tracking_uri)
    assert connect(tracking_uri).get_experiment_by_name("mine") is not None


@pytest.mark.parametrize("folder", ["with space", "quote's", "hash#é"])
def test_paths_may_hold_unusual_characters(tmp_path: Path, store_template: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "mlflow.db").write_bytes(store_template.read_bytes())
    uri = default_tracking_uri(tmp_path / folder)
    prepare_store(uri)
    client = open_store(uri)
    run = client.create_run(client.create_experiment("x", artifact_location=artifact_location(uri)))
    client.log_text(run.info.run_id, "text", "file.txt")
    assert list((tmp_path / folder / "mlartifacts").rglob("file.txt"))


@pytest.mark.parametrize(
    "uri", ["postgresql://host/db", "databricks", "file:///tmp/runs", "sqlite://", "sqlite:///:memory:", "http://", ""]
)
def test_other_kinds_of_uri_are_refused(uri: str) -> None:
    with pytest.raises(TrackingError, match="a tracking URI must be sqlite:///PATH, http://HOST:PORT or https://HOST"):
        prepare_store(uri)


def test_a_bare_path_is_refused_with_the_uri_that_was_meant() -> None:
    with pytest.raises(TrackingError, match=r"did you mean 'sqlite:///runs/mlflow.db'"):
        open_store("runs/mlflow.db")


@pytest.mark.parametrize("character", "%?")
def test_a_path_that_a_uri_cannot_hold_is_refused(tmp_path: Path, character: str) -> None:
    with pytest.raises(TrackingError, match="must be free of"):
        prepare_store(default_tracking_uri(tmp_path / f"a{character}20b"))


def test_a_password_is_not_shown() -> None:
    with pytest.raises(TrackingError) as caught:
        prepare_store("postgresql://me:secret@host/db")
    assert "secret" not in str(caught.value)


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A server that accepts connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def refused_uri() -> str:
    """The address of a server that does not run."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("ask", [prepare_store, check_store, open_store])
def test_a_server_that_does_not_run_is_an_error_within_seconds(refused_uri: str, ask: Callable[[str], object]) -> None:
    start = time.monotonic()
    with pytest.raises(TrackingError) as caught:
        ask(refused_uri)
    assert time.monotonic() - start < 10
    message = str(caught.value)
    assert message.startswith(f"cannot reach the tracking server {refused_uri} (")
    assert message.endswith("start it or give another --tracking-uri")
    assert "\n" not in message


def test_a_server_that_never_answers_is_an_error_within_seconds(
    silent_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smartmixed_search.tracking.store.servers.CHECK_SECONDS", 0.5)
    start = time.monotonic()
    with pytest.raises(TrackingError, match="timed out"):
        prepare_store(silent_server)
    assert time.monotonic() - start < 10


def test_a_query_never_creates_a_store(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match=r"no sweeps recorded yet in .*; run `smartmixed-search run quickstart`"):
        open_store(default_tracking_uri(tmp_path / "runs"))
    assert _names(tmp_path) == []


def test_something_else_is_not_taken_for_a_store(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("no database " * 100)
    with pytest.raises(TrackingError, match=r"cannot read .* as an MLflow database .*file is not a database"):
        prepare_store(default_tracking_uri(tmp_path))


def test_a_database_of_something_else_is_not_taken_for_a_store(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute("CREATE TABLE mine (x)")
    with pytest.raises(TrackingError, match="as an MLflow database"):
        open_store(default_tracking_uri(tmp_path))


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    uri = default_tracking_uri(tmp_path / "file")
    with pytest.raises(TrackingError, match="cannot write to the tracking store"):
        prepare_store(uri)
    with pytest.raises(TrackingError, match="must be in a writable directory"):
        check_store(uri)


def test_check_changes_nothing_and_says_how_the_store_is(tmp_path: Path, tracking_uri: str) -> None:
    before = _names(tmp_path)
    assert check_store(tracking_uri).endswith("mlflow.db is in order")
    assert check_store(default_tracking_uri(tmp_path / "other")).endswith("will be created by the first run")
    assert _names(tmp_path) == before


def test_the_uri_comes_from_the_argument_the_environment_or_the_output_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("SMARTMIXED_OUTPUT_DIR", raising=False)
    assert resolve_tracking_uri() == f"sqlite:///{tmp_path}/smartmixed-runs/mlflow.db"
    assert resolve_tracking_uri(output_dir="out") == f"sqlite:///{tmp_path}/out/mlflow.db"
    monkeypatch.setenv("SMARTMIXED_OUTPUT_DIR", "/elsewhere")
    assert resolve_tracking_uri() == "sqlite:////elsewhere/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000/")
    assert resolve_tracking_uri() == "http://server:5000"
    assert resolve_tracking_uri("sqlite:///mine.db") == f"sqlite:///{tmp_path}/mine.db"


def test_an_output_directory_on_other_storage_needs_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for output in ("memory://runs", UPath("memory://runs")):
        with pytest.raises(TrackingError, match=r"but got 'memory://runs'; give an MLflow server's address"):
            resolve_tracking_uri(output_dir=output)
    assert resolve_tracking_uri("http://server:5000", "memory://runs") == "http://server:5000"


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("https://me:secret@host:5000/", "https://host:5000"),
        ("http://host", "http://host"),
        ("sqlite:///a/../b@c/mlflow.db", f"sqlite:///{Path.cwd()}/a/../b@c/mlflow.db"),
    ],
)
def test_a_store_goes_by_its_address_without_who_asks(uri: str, name: str) -> None:
    assert store_name(uri) == name


def test_a_store_whose_writer_was_killed_is_rolled_back(store_template: Path, tmp_path: Path) -> None:
    shutil.copy(store_template, tmp_path)
    store = tmp_path / store_template.name
    program = (
        "import os, sqlite3, sys\n"
        "database = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "database.execute('PRAGMA cache_size = 1')\n"
        "database.execute('BEGIN EXCLUSIVE')\n"
        "for number in range(2000):\n"
        "    row = (str(number) * 50,)\n"
        "    database.execute(\"INSERT INTO experiments (name, lifecycle_stage) VALUES (?, 'active')\", row)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(store)], check=False, timeout=50)
    assert store.with_name(f"{store.name}-journal").exists(), "the writer must die in the middle, or this shows nothing"
    prepare_store(default_tracking_uri(tmp_path))
    assert [e.name for e in open_store(default_tracking_uri(tmp_path)).search_experiments()] == ["Default"]
