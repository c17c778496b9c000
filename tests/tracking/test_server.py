"""Recording over HTTP, with a real MLflow server that is killed, and with one that is too slow."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from smartmixed_search.datasets import load_dataset
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.reports.report import report
from smartmixed_search.search.keeping.directory import SweepDirectory
from smartmixed_search.search.keeping.events import Event, Proposed, Settled
from smartmixed_search.search.keeping.resolved import Resolved
from smartmixed_search.search.recording.recorder import Recorder
from smartmixed_search.search.reproduce import reproduce
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.tracking.models.networks import fetch_network
from smartmixed_search.tracking.questions.choices import choices
from smartmixed_search.tracking.questions.confirmations import sweep_to_confirm
from smartmixed_search.tracking.store.store import connect
from smartmixed_search.tracking.writing.writer import Tracker
from smartmixed_search.trials.config import TrialConfig
from tests.chaos.services import MlflowServer, mlflow_server
from tests.helpers.models import record as record_results
from tests.helpers.models import results
from tests.helpers.tracked import contents
from tests.helpers.trials import synthetic_result

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TRIALS = 6
STRATEGIES = ("smartmixed", "relu")


class Outcome:
    trials = TRIALS
    complete = True


@pytest.fixture(scope="module")
def server() -> Iterator[MlflowServer]:
    with mlflow_server() as server:
        yield server


def make_sweep(folder: Path, name: str) -> tuple[SweepDirectory, Resolved, list[Event]]:
    """A sweep with as many finished trials as are recorded here."""
    dataset = {"name": "digits", "checksum": name}
    resolved = Resolved(name=name, hash="a" * 64, seed=0, dataset=dataset, space={"dataset": "digits"})
    directory = SweepDirectory.of(folder, name)
    events: list[Event] = []
    with directory.claim(resolved, "dataset: digits\n"):
        for number in range(TRIALS):
            config = TrialConfig(dataset="digits", architecture=(4 + number,), strategies=STRATEGIES, epochs=4)
            directory.trial(config.key).path.mkdir()
            directory.trial(config.key).result.write_text(json.dumps(synthetic_result(config).to_dict()))
            events.append(Proposed(number=number, config=config.to_dict(), params={}))
            events.append(Settled(number=number, key=config.key, status="finished", objective=0.5, confidence=0.6))
    return directory, resolved, events


def record(folder: Path, name: str, uri: str, meanwhile: Callable[[Recorder], None] = lambda recorder: None) -> None:
    """Record a sweep to its end, whatever happens in between."""
    directory, resolved, events = make_sweep(folder, name)
    recorder = Recorder(directory, resolved, uri)
    recorder.follow(events)
    meanwhile(recorder)
    recorder.drain(lambda: True)
    recorder.close(Outcome())
    assert recorder.undelivered == 0, recorder.problem


def check(uri: str, name: str) -> None:
    """Make sure that the store has every run of the sweep once, and all of it finished."""
    found = list(contents(uri, name).items())
    assert sorted(kind for (kind, _), _ in found) == ["strategy"] * 2 * TRIALS + ["sweep"] + ["trial"] * TRIALS
    assert {tags["smartmixed.status"] for _, (_, tags, *_) in found} == {"finished"}
    assert {status for _, (*_, status, _) in found} == {"FINISHED"}


def test_a_server_that_is_killed_and_started_again(server: MlflowServer, tmp_path: Path) -> None:
    dice = random.Random(0)

    def disturb(recorder: Recorder) -> None:
        for _ in range(3):
            delivered = recorder.delivered
            while recorder.delivered == delivered and recorder.undelivered:
                time.sleep(0.01)
            time.sleep(dice.uniform(0, 0.5))
            server.kill()
            while recorder.problem is None and recorder.undelivered:
                time.sleep(0.01)
            server.start()

    record(tmp_path, "killed", server.uri, disturb)
    check(server.uri, "killed")


@contextmanager
def slow_proxy(uri: str, late: Callable[[int], str | None]) -> Iterator[str]:
    """A server in front of another one; `late` says of each request whether it, or its answer, is late, by number."""
    lock, count = threading.Lock(), [0]

    class Handler(BaseHTTPRequestHandler):
        def handle_request(self) -> None:
            with lock:
                number = count[0]
                count[0] += 1
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
            what = late(number)
            if what == "request":
                time.sleep(LATE_SECONDS)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            try:
                with urlopen(Request(uri + self.path, body, headers, method=self.command), timeout=60) as answer:
                    status, content, kind = answer.status, answer.read(), answer.headers.get("Content-Type")
            except HTTPError as error:
                status, content, kind = error.code, error.read(), error.headers.get("Content-Type")
            if what == "answer":
                time.sleep(LATE_SECONDS)
            try:
                self.send_response(status)
                self.send_header("Content-Type", kind or "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except OSError:  # nobody waits for it any more
                pass

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_request  # noqa: N815  the base class looks for these

        def log_message(self, *_: Any) -> None:
            pass

    front = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    front.daemon_threads = True
    threading.Thread(target=front.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{front.server_port}"
    finally:
        front.shutdown()
        front.server_close()


LATE_SECONDS = 3.0


@pytest.mark.parametrize("what", ["request", "answer"])
def test_a_server_that_answers_after_nobody_waits_any_more(
    server: MlflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    dice = random.Random(0)
    with slow_proxy(server.uri, lambda number: what if dice.random() < 0.06 else None) as uri:
        record(tmp_path, f"slow-{what}", uri)
        time.sleep(LATE_SECONDS + 1)
    record(tmp_path, f"slow-{what}", server.uri)  # what took effect after the end is put right by the next session
    check(server.uri, f"slow-{what}")


def test_whatever_reads_artifacts_does_so_from_a_server(server: MlflowServer, tmp_path: Path) -> None:
    dataset = load_dataset("digits")
    space = SearchSpace.from_dict({"dataset": "digits", "architecture": "8", "epochs": 3, "strategies": STRATEGIES})
    resolved = Resolved.of("read", space, dataset)
    config = space.config((8,), {})
    result = run_trial(config, dataset, weights_path=tmp_path / "weights.safetensors")
    (tmp_path / "resolved.json").write_text(json.dumps(resolved.to_dict()))
    tracker = Tracker(server.uri, sweep="read", dataset="digits")
    tracker.open_sweep(
        key=resolved.key,
        space=resolved.space,
        seed=0,
        environment={"git": None},
        artifacts=[tmp_path / "resolved.json"],
    )
    tracker.record_trial(result)

    assert choices("read", tracking_uri=server.uri)["count"].sum() == 8
    assert "<h2" in report("read", tracking_uri=server.uri)
    assert fetch_network(result.key, sweep="read", tracking_uri=server.uri).trial == result.key
    assert reproduce(result.key, "read", tracking_uri=server.uri).identical
    found = sweep_to_confirm("read", 1, server.uri)
    assert (list(found.best), found.space["architecture"]) == ([config], resolved.space["architecture"])


def test_networks_are_registered_once_and_loaded_over_http(
    server: MlflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    (made,) = results(tmp_path, 0.1)
    for _ in range(2):
        assert record_results(server.uri, made, sweep="registered").register_networks() == []
    (version,) = connect(server.uri).search_model_versions("name = 'smartmixed-digits'")
    assert version.tags["smartmixed.trial"] == made.key
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    model = mlflow.pyfunc.load_model("models:/smartmixed-digits@registered")
    assert model.predict(model.input_example).shape == (2, 4)
