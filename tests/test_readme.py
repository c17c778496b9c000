"""README keeps its word: its Python runs, its space file loads, its commands and their options are there."""

import re
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import matplotlib as mpl
import pytest
import yaml
from matplotlib import pyplot

import smartmixed_search as sms
from smartmixed_search.cli import cli
from smartmixed_search.space import files
from smartmixed_search.space.networks import parse_networks
from smartmixed_search.space.space import SearchSpace
from tests.helpers.own_networks import MODULE

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
PROGRAM = "smartmixed-search"
SMALL: dict[str, Any] = {
    "dataset": "digits",
    "architecture": {"choices": ["8", "8-4"]},
    "trials": 3,
    "epochs": 2,
    "phase_fraction": 0.5,
    "strategies": ["smartmixed", "relu"],
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Every command line in README, of its table and elsewhere."""
    lines = [line.partition("#")[0] for block in blocks("sh") for line in block.splitlines()]
    quoted = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", README, flags=re.MULTILINE | re.DOTALL))
    return sorted({line.strip() for line in lines + quoted if line.startswith(f"{PROGRAM} ")})


def options_of_rows() -> list[tuple[str, str]]:
    """Every option that a row of README's table of commands names beside its command."""
    found = []
    for command, text in re.findall(rf"^\| `{PROGRAM} (\S+)[^`]*` \|(.*)\|$", README, re.MULTILINE):
        found += [(command, option) for option in re.findall(r"`(--?[a-z][a-z-]*)[^`]*`", text)]
    return found


def known_options(command: click.Command) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize("line", commands())
def test_a_command_takes_its_arguments(line: str) -> None:
    name, *arguments = shlex.split(line)[1:]
    if name.startswith("-"):
        assert name in known_options(cli) | {"--help"}
    else:
        cli.commands[name].make_context(name, arguments)


@pytest.mark.parametrize(("command", "option"), options_of_rows())
def test_a_command_has_the_option(command: str, option: str) -> None:
    assert option in known_options(cli.commands[command])


def test_every_command_is_in_the_table() -> None:
    table = set(re.findall(rf"^\| `{PROGRAM} (\S+?)[ `]", README, re.MULTILINE))
    assert table == set(cli.commands)


def test_the_space_file_is_valid() -> None:
    (text,) = (block for block in blocks("yaml") if block.startswith("dataset:"))
    assert SearchSpace.from_dict(yaml.safe_load(text)).trials == 36


def test_the_families_of_its_lines_are_valid() -> None:
    (text,) = (block for block in blocks("yaml") if "family:" in block)
    families = [yaml.safe_load(line.lstrip("# ").partition("    #")[0]) for line in text.splitlines()]
    for one in families:
        assert SearchSpace.from_dict({"dataset": "digits", **one}).trials > 0
    assert [one["architecture"]["family"] for one in families] == ["conv", "mixer", "transformer"]


def test_the_lines_of_a_network_are_keys_of_a_space() -> None:
    (text,) = (block for block in blocks("yaml") if block.startswith("network:"))
    keys = yaml.safe_load(text) | {"network": f"{MODULE}:convolutional"}
    assert parse_networks(keys).sites == ("!head*",)


@pytest.mark.ray
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("ray_session")
@pytest.mark.usefixtures("undrawn")
def test_the_python_examples_run(tmp_path: Path, store_template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "quickstart.yaml").write_text(yaml.safe_dump(SMALL))
    (tmp_path / "smartmixed-runs").mkdir()
    (tmp_path / "smartmixed-runs" / "mlflow.db").write_bytes(store_template.read_bytes())
    monkeypatch.setattr(files, "shipped_spaces", lambda: {"quickstart": tmp_path / "quickstart.yaml"})
    for name in ("SMARTMIXED_OUTPUT_DIR", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    module = ModuleType("readme")  # networks of one's own are found in their module
    monkeypatch.setitem(sys.modules, "readme", module)
    names: dict[str, Any] = vars(module)
    with mpl.rc_context({"backend": "agg"}):
        for block in blocks("python"):
            exec(compile(block, "README.md", "exec"), names)
    pyplot.close("all")
    assert names["summary"].settled == {"finished": 3, "failed": 0, "stopped": 0}
    assert len(sms.confirmations()) == 3
