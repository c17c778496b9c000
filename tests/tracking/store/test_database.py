"""The SQLite file of a store: of which MLflow it is, where its artifacts are after it was moved, and how fast it is."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from smartmixed_search.cli.diagnosis import diagnose
from smartmixed_search.datasets import load_dataset
from smartmixed_search.errors import TrackingError
from smartmixed_search.search.keeping.directory import SweepDirectory
from smartmixed_search.search.keeping.resolved import Resolved
from smartmixed_search.search.sweep import run_sweep
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.tracking.models import models
from smartmixed_search.tracking.models.networks import fetch_network
from smartmixed_search.tracking.questions.choices import choices
from smartmixed_search.tracking.questions.queries import trials
from smartmixed_search.tracking.store.database import analyze, has_statistics
from smartmixed_search.tracking.store.store import (
    advice,
    check_store,
    connect,
    default_tracking_uri,
    open_store,
    prepare_store,
    require_schema,
)
from smartmixed_search.tracking.store.uris import artifact_location
from tests.helpers.factories import make_result
from tests.helpers.models import record, results, stand_in
from tests.helpers.tracked import make_tracker

OLDER = "0584bdc529eb"
"""A revision of MLflow 2's schema."""


@contextmanager
def database(folder: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(folder / "mlflow.db")) as opened, opened:
        yield opened


def files(folder: Path) -> dict[str, bytes]:
    """All files of a folder's artifacts."""
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("mlartifacts/**/*") if path.is_file()
    }


def addresses(folder: Path) -> list[str]:
    """Every address of an artifact that a store holds."""
    columns = {
        "experiments": "artifact_location",
        "runs": "artifact_uri",
        "logged_models": "artifact_location",
        "model_versions": "storage_location",
    }
    with database(folder) as opened:
        found = [row[0] for table, column in columns.items() for row in opened.execute(f"SELECT {column} FROM {table}")]
    return [address for address in found if "mlartifacts/0" not in address]  # of MLflow's own experiment


@pytest.mark.parametrize("ask", [open_store, check_store, prepare_store, require_schema])
def test_an_older_database_is_left_as_it_is(tracking_uri: str, tmp_path: Path, ask: Callable[[str], object]) -> None:
    with database(tmp_path) as opened:
        opened.execute("DROP TABLE webhooks")  # MLflow makes again whatever is missing
        opened.execute("UPDATE alembic_version SET version_num = ?", (OLDER,))
    before = (tmp_path / "mlflow.db").read_bytes()
    with pytest.raises(TrackingError, match=f"has {OLDER}, an older one's; copy the file, then run `mlflow db upgrade"):
        ask(tracking_uri)
    assert (tmp_path / "mlflow.db").read_bytes() == before


def test_a_sweep_that_is_continued_does_not_change_it_either(tracking_uri: str, tmp_path: Path) -> None:
    space = SearchSpace.from_dict({"dataset": "digits", "architecture": "8", "trials": 1})
    directory = SweepDirectory.of(tmp_path, "begun")
    with directory.claim(Resolved.of("begun", space, load_dataset("digits")), space.to_yaml()):
        pass
    with database(tmp_path) as opened:
        opened.execute("UPDATE alembic_version SET version_num = ?", (OLDER,))
    with pytest.raises(TrackingError, match="mlflow db upgrade"):
        run_sweep(space, name="begun", output_dir=tmp_path, tracking_uri=tracking_uri)


def test_a_newer_database_is_one_of_a_newer_mlflow(tracking_uri: str, tmp_path: Path) -> None:
    with database(tmp_path) as opened:
        opened.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    with pytest.raises(TrackingError, match="has ffffffffffff, which it does not know; install the newer MLflow"):
        open_store(tracking_uri)


@pytest.fixture
def original(store_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a sweep of two trials, both registered as models."""
    monkeypatch.setattr(models, "write_model", stand_in)
    folder = tmp_path / "original"
    folder.mkdir()
    shutil.copy(store_template, folder)
    made = results(tmp_path, 0.1, 0.2)
    assert record(default_tracking_uri(folder), *made).register_networks() == []
    return folder


def go_on(folder: Path) -> str:
    """Record and register a further trial, as a sweep that is continued does, and return its key."""
    uri = default_tracking_uri(folder)
    prepare_store(uri)
    (_, _, further) = results(folder.parent, 0.1, 0.2, 0.3)
    assert record(uri, further).register_networks() == []
    return further.key


def test_what_was_moved_is_read_where_it_is(original: Path, tmp_path: Path) -> None:
    moved = original.rename(tmp_path / "moved")
    uri = default_tracking_uri(moved)
    known = trials(tracking_uri=uri)
    assert len(known) == 2
    assert choices(tracking_uri=uri)["trial"].nunique() == 2
    assert fetch_network(known["trial"][0], tracking_uri=uri).trial == known["trial"][0]
    assert {artifact_location(default_tracking_uri(original))} == {
        one.partition("/mlartifacts")[0] + "/mlartifacts" for one in addresses(moved)
    }, "who reads changes nothing"
    assert not original.exists()


def test_what_was_moved_goes_on_where_it_is(original: Path, tmp_path: Path) -> None:
    moved = original.rename(tmp_path / "moved")
    key = go_on(moved)
    uri = default_tracking_uri(moved)
    assert len(choices(tracking_uri=uri)["trial"].unique()) == 3
    assert fetch_network(key, tracking_uri=uri).trial == key
    location = artifact_location(uri)
    assert location is not None
    assert all(address.startswith(location) for address in addresses(moved)), "MLflow's page goes by them"
    for version in connect(uri).search_model_versions():
        assert Path(version.source.removeprefix("file://"), "MLmodel").exists()
    assert not original.exists()


def test_copy_and_original_go_on_apart(original: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(original, copy)
    before = files(original)
    go_on(copy)
    assert files(original) == before
    after = files(copy)
    for seed in (5, 6):
        make_tracker(default_tracking_uri(original)).record_trial(make_result(architecture=(seed, 4)))
    assert files(copy) == after
    assert len(trials(tracking_uri=default_tracking_uri(copy))) == 3
    assert len(trials(tracking_uri=default_tracking_uri(original))) == 4


def test_a_writer_that_was_open_before_the_addresses_changed_stays_in_its_folder(
    original: Path, tmp_path: Path
) -> None:
    tracker = make_tracker(default_tracking_uri(original))
    with database(original) as opened:  # as one does who sees this folder under another path
        opened.execute("UPDATE runs SET artifact_uri = replace(artifact_uri, '/original/', '/elsewhere/')")
        opened.execute(
            "UPDATE experiments SET artifact_location = replace(artifact_location, '/original/', '/elsewhere/')"
        )
    tracker.record_trial(make_result(architecture=(5, 4)))
    assert not (tmp_path / "elsewhere").exists()
    assert len(choices(tracking_uri=default_tracking_uri(original))["trial"].unique()) == 3


def test_a_link_to_the_folder_is_no_move(original: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(original)
    before = addresses(original)
    prepare_store(default_tracking_uri(tmp_path / "link"))
    assert addresses(original) == before


def test_artifacts_that_stayed_behind_are_named(original: Path, tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    shutil.move(original / "mlflow.db", tmp_path / "alone")
    uri = default_tracking_uri(tmp_path / "alone")
    expected = f"but there is no folder {tmp_path}/alone/mlartifacts; bring {original}/mlartifacts there"
    for ask in (prepare_store, lambda uri: choices(tracking_uri=uri)):
        with pytest.raises(TrackingError, match=expected):
            ask(uri)


def test_a_store_is_analyzed_unless_somebody_writes(original: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smartmixed_search.tracking.store.database._FEW_RUNS", 2)
    path, uri = original / "mlflow.db", default_tracking_uri(original)
    assert not has_statistics(path)
    assert "sqlite3 " in (advice(uri) or "")
    (check,) = (check for check in diagnose(original, uri, None) if check.name == "tracking store")
    assert (check.status, "never analyzed" in check.detail) == ("warning", True)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        analyze(path)
    assert not has_statistics(path)
    analyze(path)
    assert advice(uri) is None
    with database(original) as opened:
        opened.execute("UPDATE sqlite_stat1 SET stat = '1 1' WHERE tbl = 'runs'")
    assert advice(uri) is not None, "statistics of a few runs do not serve for many"


def test_a_store_of_a_few_runs_has_no_statistics(original: Path) -> None:
    analyze(original / "mlflow.db")
    with database(original) as opened:
        assert not opened.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchall()
    assert advice(default_tracking_uri(original)) is None
