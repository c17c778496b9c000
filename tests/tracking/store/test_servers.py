"""What a user is told of a server that does not answer as it should, with stand-ins for servers and proxies."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from click.testing import CliRunner

from smartmixed_search.cli import cli, local
from smartmixed_search.errors import ConfigError, TrackingError
from smartmixed_search.tracking.store.servers import without_models
from smartmixed_search.tracking.store.store import check_store, connect, store_errors
from tests.helpers.tracked import make_tracker

Answer = Callable[[str], tuple[int, str]]
"""Of a path: status and content."""


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """A server that answers every request alike; its address."""

    class Handler(BaseHTTPRequestHandler):
        def handle_request(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, content = answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content.encode())

        do_GET = do_POST = handle_request  # noqa: N815  the base class looks for these

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def refusal(uri: str) -> str:
    with pytest.raises(TrackingError) as caught:
        check_store(uri)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("status", "content", "said"),
    [
        (401, "You are not authenticated.", "does not let you in: {uri} answers 401 (You are not authenticated.); "
         "give MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"),
        (403, "Permission denied", "does not let you in: {uri} answers 403 (Permission denied); give MLFLOW_"),
        (500, "oops", "is out of order: {uri} answers 500 (oops); its log says more"),
        (404, "<html>\nno</html>", "no MLflow server at the tracking URI: {uri} answers 404 (<html> no</html>)"),
        (200, "<html>", "no MLflow server at the tracking URI: {uri} answers 200 (<html>); give another"),
    ],
)  # fmt: skip
def test_every_answer_has_its_own_remedy(status: int, content: str, said: str) -> None:
    with answering(lambda path: (status, content)) as uri:
        assert said.format(uri=uri) in refusal(uri)


@pytest.mark.parametrize("name", ["http_proxy", "ALL_PROXY"])
def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "http://me:secret@127.0.0.1:9")
    said = refusal("http://mlflow.example:5000")
    assert f"it was asked through the proxy http://…@127.0.0.1:9 ({name}): add mlflow.example to no_proxy" in said
    assert "start it" not in said
    assert "secret" not in said


def test_a_proxy_that_leads_nowhere_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(lambda path: (502, "bad gateway")) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        assert f"answers 502 (bad gateway); it was asked through the proxy {proxy} (http_proxy)" in refusal(
            "http://mlflow.example:5000"
        )
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert "its log says more" in refusal(proxy)


def test_whoever_may_read_and_not_write_learns_the_variables() -> None:
    def answer(path: str) -> tuple[int, str]:
        return (200, "{}") if path.endswith("/search") else (403, "Permission denied")

    with answering(answer) as uri:
        check_store(uri)
        with pytest.raises(TrackingError, match=r"Permission denied.*MLFLOW_TRACKING_TOKEN"), store_errors(uri):
            connect(uri).create_experiment("x")


def test_links_to_a_server_hold_no_password() -> None:
    experiment = {"experiment_id": "7", "name": "smartmixed/digits", "lifecycle_stage": "active"}
    with answering(lambda path: (200, json.dumps({"experiments": [experiment]}))) as uri:
        answer = CliRunner().invoke(cli, ["ui", "--tracking-uri", uri.replace("//", "//me:secret@")])
    assert f"rankings on digits: {uri}/#/experiments/7/runs" in answer.stdout
    assert "secret" not in answer.output


def test_a_page_is_never_announced_on_a_port_that_is_taken(tracking_uri: str) -> None:
    with answering(lambda path: (200, "{}")) as other:
        answer = CliRunner().invoke(cli, ["ui", "--tracking-uri", tracking_uri, "--port", other.rpartition(":")[2]])
    assert answer.stdout == ""
    assert isinstance(answer.exception, ConfigError)
    assert "cannot listen on" in str(answer.exception)


def test_a_store_that_may_only_be_read_has_a_page(tracking_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tracker(tracking_uri)
    started: list[list[str]] = []
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    monkeypatch.setattr(os, "execv", lambda program, arguments: started.append(arguments))
    monkeypatch.setattr(local, "_require_free", lambda host, port: None)
    answer = CliRunner().invoke(cli, ["ui", "--tracking-uri", tracking_uri], catch_exceptions=False)
    assert answer.stdout.startswith("rankings on digits: http://127.0.0.1:5000/#/experiments/")
    assert answer.stderr.startswith("the store can only be read")
    assert tracking_uri in started[0]


@pytest.mark.parametrize(
    ("status", "version", "old"),
    [(200, "2.22.5", True), (200, "1.30.0.dev0", True), (200, "3.17.2", False), (200, "10.0", False), (404, "", False)],
)
def test_a_server_older_than_registered_networks_is_told_apart(status: int, version: str, old: bool) -> None:
    with answering(lambda path: (status, version)) as uri:
        said = without_models(uri)
    assert (said is not None) == old
    assert not old or f"the tracking server is MLflow {version}, and that needs MLflow 3" in (said or "")


def test_a_sweep_says_so_once_and_registers_nothing(tracking_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = make_tracker(tracking_uri)
    monkeypatch.setattr("smartmixed_search.tracking.writing.writer.without_models", lambda uri: "too old")
    assert tracker.register_networks() == ["too old"]
    assert connect(tracking_uri).search_registered_models() == []
