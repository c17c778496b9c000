"""A sweep that was begun before a default changed is continued by the same command with the default it had."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from smartmixed_search.datasets import load_dataset
from smartmixed_search.search.driving.progress import ProgressPrinter
from smartmixed_search.search.keeping.directory import SweepDirectory
from smartmixed_search.search.keeping.resolved import Resolved
from smartmixed_search.search.proposing.proposals import Proposer
from smartmixed_search.search.session import Plan
from smartmixed_search.search.sweep import as_begun, say_outlook
from smartmixed_search.space.space import SearchSpace

PLAIN = {"name": "mine", "dataset": "digits", "architecture": {"choices": [64, "64-32"]}, "trials": 12}
HASH = "a294593e968a4049fd4f3034649766fe24374e1ffb99bf63aaaa8d44092f222d"
"""Of this space at revision 898b56d."""
SAID_THEN = {"phase_fraction": 0.125, "temperature": 0.3, "logit_learning_rate": None}


def begin(folder: Path, name: str, space: SearchSpace) -> None:
    dataset = {"name": "digits", "checksum": "c" * 16}
    resolved = Resolved(name=name, hash=space.hash, seed=0, dataset=dataset, space=space.to_dict())
    with SweepDirectory.of(folder, name).claim(resolved, space.to_yaml()):
        pass


@pytest.mark.parametrize("name", [None, "t1"])
def test_a_sweep_begun_with_the_former_defaults_keeps_them(tmp_path: Path, name: str | None) -> None:
    begin(tmp_path, name or f"mine-{HASH[:6]}", SearchSpace.from_dict(PLAIN | SAID_THEN))
    found = as_begun(SearchSpace.from_dict(PLAIN), name, tmp_path)
    assert (found.hash, found.default_sweep_name, found.trials) == (HASH, f"mine-{HASH[:6]}", 12)


@pytest.mark.parametrize("name", [None, "t1"])
def test_a_new_sweep_and_one_begun_since_have_the_new_defaults(tmp_path: Path, name: str | None) -> None:
    space = SearchSpace.from_dict(PLAIN)
    assert as_begun(space, name, tmp_path).hash == space.hash != HASH
    begin(tmp_path, name or space.default_sweep_name, space)
    assert as_begun(space, name, tmp_path).hash == space.hash


def test_of_two_that_were_begun_the_newer_goes_on(tmp_path: Path) -> None:
    space = SearchSpace.from_dict(PLAIN)
    for one in (space.former, space):
        begin(tmp_path, one.default_sweep_name, one)
    assert as_begun(space, None, tmp_path).hash == space.hash


def test_more_trials_extend_a_former_sweep_and_another_space_is_compared_with_its_defaults(tmp_path: Path) -> None:
    begin(tmp_path, "t1", SearchSpace.from_dict(PLAIN | SAID_THEN))
    space = SearchSpace.from_dict(PLAIN)
    assert as_begun(replace(space, trials=20), "t1", tmp_path).trials == 20
    other = as_begun(SearchSpace.from_dict(PLAIN | {"epochs": 8}), "t1", tmp_path)
    assert other.settings["temperature"].to_plain() == 0.3, "so that the message names the epochs alone"


def test_a_space_that_says_all_is_what_it_says(tmp_path: Path) -> None:
    begin(tmp_path, "t1", SearchSpace.from_dict(PLAIN | SAID_THEN))
    said = SearchSpace.from_dict(PLAIN | {"phase_fraction": 0.5, "temperature": 0.3, "logit_learning_rate": "auto"})
    assert as_begun(said, "t1", tmp_path) == said


def test_a_sweep_that_goes_on_with_former_defaults_says_so_before_the_first_trial(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = SearchSpace.from_dict(PLAIN)
    data = load_dataset("digits")
    resolved = Resolved.of("t1", wanted.former, data)
    directory = SweepDirectory.of(tmp_path, "t1")
    plan = Plan(
        space=wanted.former,
        dataset=data,
        directory=directory,
        resolved=resolved,
        tracking_uri="",
        proposer=Proposer(wanted.former),
    )
    say_outlook(plan, wanted, ProgressPrinter(sys.stderr, "margin", quiet=True))
    lines = capsys.readouterr().err.splitlines()
    told = "phase_fraction 0.125, temperature 0.3, logit_learning_rate none"
    assert lines[0] == f"t1 goes on with the defaults of when it was begun: {told}"
    assert lines[1].startswith("trials: 12 asked, 2 possible")
    assert lines[2].startswith("selection: 44 steps at logit_learning_rate 0.001 move a logit by 0.044 at most: too ")
    say_outlook(replace(plan, space=wanted), wanted, ProgressPrinter(sys.stderr, "margin", quiet=True))
    assert capsys.readouterr().err == "", "nothing a user should change"
