"""The report of a tracked sweep, through the command line."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from smartmixed_search.cli import cli
from smartmixed_search.errors import ConfigError, TrackingError
from smartmixed_search.reports import report as reporting
from smartmixed_search.reports.report import report
from smartmixed_search.tracking.store.store import connect
from tests.helpers.tracked import all_runs, make_tracker, record_two_trials

pytestmark = pytest.mark.timeout(180)


def ask(uri: str, *arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["report", "--tracking-uri", uri, *map(str, arguments)])


@pytest.fixture
def recorded(copy_of: Callable[..., str]) -> str:
    return copy_of(record_two_trials)


def test_report_is_written_and_kept_with_the_sweep(recorded: str, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    answer = ask(recorded, "--sweep", "mine", "--out", out)
    assert answer.exit_code == 0, answer.output
    assert answer.stdout.startswith(f"{out}: ")
    page = out.read_text()
    for said in (
        *("Sweep mine", "5-4", "7-4", "not enough data", "Share of neurons that chose each function"),
        "Data: 108 examples of 64 features in 10 classes: 80 to train on, 8 to validate, 20 to test.",
        "epochs unknown, replicates unknown, seed 7",
        "temperature_final",
        "Equal in practice is what differs by less than 0.5 points: 5 of the 1,000 test examples.",
    ):
        assert said in page, said
    (sweep,) = all_runs(recorded)["sweep"]
    kept = {artifact.path for artifact in connect(recorded).list_artifacts(sweep.info.run_id, "report")}
    assert "report/report.html" in kept
    assert any(name.endswith(".png") for name in kept)


@pytest.mark.usefixtures("undrawn")
def test_report_replaces_an_older_one_and_need_not_be_kept(recorded: str, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    out.write_text("older")
    assert ask(recorded, "--out", out, "--no-keep").exit_code == 0
    assert "older" not in out.read_text()[:10]
    (sweep,) = all_runs(recorded)["sweep"]
    assert not connect(recorded).list_artifacts(sweep.info.run_id, "report")


@pytest.mark.usefixtures("undrawn")
def test_a_page_is_renewed_where_one_is_kept_and_a_store_that_is_gone_fails_nothing(
    recorded: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (sweep,) = all_runs(recorded)["sweep"]

    def kept() -> list[str]:
        return [artifact.path for artifact in connect(recorded).list_artifacts(sweep.info.run_id, "report")]

    reporting.renew("mine", recorded, progress=False)
    assert kept() == []
    reporting.report("mine", tracking_uri=recorded, progress=False)
    path = Path(connect(recorded).download_artifacts(sweep.info.run_id, "report/report.html"))
    path.write_text("older")
    reporting.renew("mine", recorded, progress=False)
    assert "Sweep mine" in path.read_text()
    assert capsys.readouterr().err == ""
    reporting.renew("mine", "sqlite:////nowhere/mlflow.db")
    assert "`smartmixed-search report` renews it" in capsys.readouterr().err


def test_a_sweep_without_a_finished_trial_has_a_page_too(tracking_uri: str, tmp_path: Path) -> None:
    make_tracker(tracking_uri)
    assert ask(tracking_uri, "--out", tmp_path / "page.html").exit_code == 0


def test_what_cannot_be_is_said(recorded: str, tmp_path: Path) -> None:
    unknown = ask(recorded, "--sweep", "mime", "--out", tmp_path / "page.html")
    assert isinstance(unknown.exception, TrackingError)
    assert "did you mean 'mine'" in str(unknown.exception)
    assert list(tmp_path.glob("*.html")) == []


@pytest.mark.parametrize(
    ("out", "told"),
    [
        ("{folder}/none/page.html", "in a folder that exists"),
        ("/proc/page.html", "in a folder that takes files, but got '/proc/page.html' (No such file or directory)"),
        ("{folder}/pipe", "must be a file"),
    ],
)
def test_where_the_page_cannot_be_written_is_told_before_the_work(tmp_path: Path, out: str, told: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    before = list(tmp_path.iterdir())
    answer = ask(f"sqlite:///{tmp_path}/never-opened.db", "--out", out.format(folder=tmp_path))
    assert isinstance(answer.exception, ConfigError)
    assert told in str(answer.exception)
    assert answer.stderr == ""
    assert list(tmp_path.iterdir()) == before


@pytest.mark.usefixtures("undrawn")
def test_what_is_being_done_is_said_and_only_the_page_is_on_stdout(recorded: str, tmp_path: Path) -> None:
    answer = ask(recorded, "--out", tmp_path / "page.html")
    assert answer.stderr.splitlines() == [
        "loading MLflow and matplotlib",
        "opening the store",
        "reading sweep mine",
        "drawing the page",
        "drawing its figures for MLflow, and keeping both there (--no-keep leaves that out)",
    ]
    assert answer.stdout.count("\n") == 1


@pytest.mark.usefixtures("undrawn")
def test_a_page_that_mlflow_does_not_take_is_written(
    recorded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(uri: str) -> None:
        raise TrackingError("it may only be read")

    monkeypatch.setattr("smartmixed_search.reports.report.prepare_store", refuse)
    out = tmp_path / "page.html"
    answer = ask(recorded, "--out", out)
    assert answer.exit_code == 0, answer.output
    assert out.read_text().endswith("</html>\n")
    assert (
        answer.stderr.splitlines()[-1] == "the page is not kept in MLflow (it may only be read); --no-keep does not try"
    )
    with pytest.warns(UserWarning, match="it may only be read"):
        again = report(tracking_uri=recorded)
    written = re.compile(r"\d+-\d+-\d+ \d+:\d+ UTC")
    assert written.sub("", again) == written.sub("", out.read_text())
