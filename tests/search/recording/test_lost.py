from pathlib import Path

import pytest

from smartmixed_search.search.keeping.directory import SweepDirectory
from smartmixed_search.search.recording.lost import lost_results
from smartmixed_search.search.recording.sync import sync_sweep
from tests.helpers.sweeps import make_sweep

NOWHERE = "http://127.0.0.1:9"


def damage(directory: SweepDirectory, name: str = "result.json") -> str:
    """Cut a file of one trial, and return the trial's key."""
    path = sorted(directory.trials.glob(f"*/{name}"))[0]
    path.write_bytes(path.read_bytes()[:-3])
    return path.parent.name


def lost(directory: SweepDirectory, uri: str) -> set[str]:
    return set(lost_results(directory, directory.load_resolved(), uri))


@pytest.mark.parametrize("name", ["result.json", "weights.safetensors"])
def test_what_a_store_does_not_have_is_lost_with_its_files(tmp_path: Path, tracking_uri: str, name: str) -> None:
    directory = make_sweep(tmp_path)
    assert lost(directory, tracking_uri) == set()
    assert lost(directory, tracking_uri) | {damage(directory, name)} == lost(directory, tracking_uri) != set()


def test_what_a_store_has_is_not_lost(tmp_path: Path, tracking_uri: str) -> None:
    directory = make_sweep(tmp_path)
    sync_sweep(directory, tracking_uri, print)
    key = damage(directory)
    assert lost(directory, tracking_uri) == set()
    assert lost(directory, NOWHERE) == {key}, "another one, which was given nothing"


def test_what_was_delivered_to_a_store_that_is_away_is_not_lost(tmp_path: Path) -> None:
    directory = make_sweep(tmp_path)
    key = damage(directory)
    assert lost(directory, NOWHERE) == {key}
    directory.deliveries.write_text(f'{{"key": "{key}", "store": "{NOWHERE}"}}\n')
    assert lost(directory, NOWHERE) == set()


def test_what_a_store_was_given_that_is_gone_is_lost(tmp_path: Path, tracking_uri: str, store_template: Path) -> None:
    directory = make_sweep(tmp_path)
    sync_sweep(directory, tracking_uri, print)
    key = damage(directory)
    (tmp_path / "mlflow.db").write_bytes(store_template.read_bytes())
    assert lost(directory, tracking_uri) == {key}
