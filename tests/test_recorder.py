import json
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from smartmixed_search.config import TrialConfig
from smartmixed_search.errors import SweepError
from smartmixed_search.search.directory import Resolved, SweepDirectory
from smartmixed_search.search.ledger import Event, Proposed, Settled
from smartmixed_search.search.recorder import Recorder, check_name
from smartmixed_search.tracking.writer import Tracker
from tests.trials import synthetic_result

CONFIGS = [TrialConfig(dataset="digits", architecture=(width,), epochs=4) for width in (4, 8)]
RESOLVED = Resolved(
    name="demo", hash="a" * 64, seed=0, dataset={"name": "digits", "checksum": "c" * 16}, space={"dataset": "digits"}
)


@pytest.fixture
def directory(tmp_path: Path) -> SweepDirectory:
    """A sweep with one finished and one failed trial."""
    directory = SweepDirectory(tmp_path / "demo")
    with directory.claim(RESOLVED, "dataset: digits\n"):
        files = directory.trial(CONFIGS[0].key)
        files.path.mkdir()
        files.result.write_text(json.dumps(synthetic_result(CONFIGS[0]).to_dict()))
    return directory


def events() -> list[Event]:
    proposed = [Proposed(number=number, config=one.to_dict(), params={}) for number, one in enumerate(CONFIGS)]
    return [
        *proposed,
        Settled(number=0, key=CONFIGS[0].key, status="finished", objective=0.5),
        Settled(number=1, key=CONFIGS[1].key, status="failed", reason="ValueError: no"),
    ]


def trial_status(uri: str) -> dict[str, str]:
    client = MlflowClient(uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    tags = [run.data.tags for run in client.search_runs(experiments)]
    return {tag["smartmixed.key"]: tag["smartmixed.status"] for tag in tags if tag["smartmixed.kind"] == "trial"}


def test_settled_trials_reach_mlflow_and_are_marked(directory, tracking_uri):
    recorder = Recorder(directory, RESOLVED, tracking_uri)
    recorder.follow(events())
    recorder.drain(lambda: True)
    assert recorder.undelivered == 0
    assert trial_status(tracking_uri) == {CONFIGS[0].key: "finished", CONFIGS[1].key: "failed"}
    assert all(directory.trial(config.key).delivered.exists() for config in CONFIGS)


def test_following_again_delivers_nothing_twice(directory, tracking_uri, monkeypatch):
    recorder = Recorder(directory, RESOLVED, tracking_uri)
    recorder.follow(events())
    recorder.follow(events())
    recorder.drain(lambda: True)
    monkeypatch.setattr(Tracker, "record_trial", lambda *_: pytest.fail("delivered twice"))
    again = Recorder(directory, RESOLVED, tracking_uri)
    again.follow(events())
    assert again.undelivered == 0
    again.drain(lambda: True)


def test_store_that_is_away_keeps_nobody_waiting_who_is_impatient(directory, tracking_uri, monkeypatch):
    def away(*_: object) -> None:
        raise ConnectionError("away")

    recorder = Recorder(directory, RESOLVED, tracking_uri)
    monkeypatch.setattr(Tracker, "record_trial", away)
    monkeypatch.setattr(Tracker, "record_failure", away)
    recorder.follow(events())
    start = time.monotonic()
    recorder.drain(lambda: False)
    assert time.monotonic() - start < 10
    assert recorder.undelivered == 2
    assert not any(directory.trial(config.key).delivered.exists() for config in CONFIGS)


def test_name_of_another_sweep_in_the_store_is_refused(directory, tracking_uri):
    Recorder(directory, RESOLVED, tracking_uri).drain(lambda: True)
    check_name(tracking_uri, RESOLVED)
    other = Resolved(**(RESOLVED.to_dict() | {"seed": 1}))
    with pytest.raises(SweepError, match="'demo' is there with another space, seed or dataset"):
        check_name(tracking_uri, other)
