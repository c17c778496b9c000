"""What a sweep says at its end, on stdout."""

from dataclasses import replace
from pathlib import Path

import click
import pytest

from smartmixed_search.cli.answer import print_answer
from tests.helpers.summaries import SUMMARY
from tests.helpers.top_sweeps import full_store

FINISHED = {"finished": 4, "failed": 0, "stopped": 0}


def answer(uri: str, *arguments: str, **changes: object) -> None:
    command = click.Command("run", params=[click.Option(["--output-dir"]), click.Option(["--tracking-uri"])])
    with command.make_context("run", list(arguments)):
        print_answer(replace(SUMMARY, name="new", tracking_uri=uri, **({"settled": FINISHED} | changes)))


@pytest.fixture(scope="module")
def uri(store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return full_store(store_template, tmp_path_factory.mktemp("answer"))


def test_the_top_3_a_sentence_and_the_next_commands(uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer(uri, "--output-dir", "my runs")
    table, sentence, commands = capsys.readouterr().out.split("\n\n")
    assert table.splitlines()[0] == "digits:"
    assert "smartmixed" in table
    assert "SmartMixed" in sentence
    assert sentence.count("\n") == 0
    assert sentence.endswith(".")
    where = " --output-dir 'my runs'"
    assert commands.split("\n") == [
        f"next: smartmixed-search compare{where}",
        f"      smartmixed-search confirm{where}",
        f"      smartmixed-search report{where}",
        "",
    ]


def test_the_next_commands_hold_no_password(uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer(uri, "--tracking-uri", "http://me:secret@host:5000")
    assert "smartmixed-search compare --tracking-uri 'http://…@host:5000'\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    "changes", [{"interrupted": True}, {"undelivered": 1}, {"settled": FINISHED | {"finished": 0}}]
)
def test_there_is_none_where_the_sweep_has_none(
    uri: str, capsys: pytest.CaptureFixture[str], changes: dict[str, object]
) -> None:
    answer(uri, **changes)
    assert capsys.readouterr().out == ""


def test_a_store_that_cannot_be_read_takes_nothing_from_the_sweep(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(f"sqlite:///{tmp_path}/gone.db")
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("the answer cannot be read from MLflow now: ")
