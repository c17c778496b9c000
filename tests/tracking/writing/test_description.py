"""The Markdown of the MLflow page, from tables."""

from collections.abc import Sequence

import pandas as pd
import pytest

from smartmixed_search.analysis.conclusion import CAVEAT
from smartmixed_search.tracking.writing.description import is_sweep_note, models_note, sweep_note, trial_note
from smartmixed_search.trials.ranking import rank_networks
from tests.helpers.factories import make_network
from tests.helpers.synthetic import make_blocks, make_row, make_rows

NOTHING = pd.DataFrame(columns=list(make_rows(1)))


def trials(*statuses: str, architectures: Sequence[str] = ("8",)) -> pd.DataFrame:
    return pd.DataFrame(
        {"status": statuses, "architecture": [architectures[n % len(architectures)] for n in range(len(statuses))]}
    )


def table_of(note: str, heading: str) -> list[list[str]]:
    """The cells of the table whose first heading that is, without the line under the headings."""
    lines = note.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    assert set(rows.pop(1)) == {"---"}
    return rows


def test_a_joint_search_is_said_to_have_no_fair_sample() -> None:
    for joint in (False, True):
        note = sweep_note("mine", "mnist", trials("finished"), make_rows(2), joint=joint)
        assert ("The search was joint" in note) is joint


def test_a_confirmation_s_note_says_what_it_confirms() -> None:
    note = sweep_note("mine-confirmed-10", "mnist", trials("finished"), make_rows(2), confirms="mine")
    assert note.startswith("**SmartMixed confirmation** mine-confirmed-10 on mnist: 1 trial settled")
    assert "The best trials of sweep mine, trained again on seeds" in note
    assert "compare --sweep mine`" in note
    assert is_sweep_note(note)


def test_a_sweep_s_note_says_what_ran() -> None:
    note = sweep_note(
        "mine", "mnist", trials("finished", "finished", "failed", architectures=("8", "16")), make_rows(2)
    )
    first = note.splitlines()[0]
    assert first == ("**SmartMixed sweep** mine on mnist: 3 trials settled (2 finished, 1 failed) of 2 architectures.")
    assert is_sweep_note(note)
    assert not is_sweep_note("my own words")


def test_the_leaderboard_is_a_table() -> None:
    rows = make_blocks({"smartmixed": [0.9, 0.8], "relu": [0.7, 0.8], "tanh": [0.6, 0.7]})
    rows["test_accuracy_std"] = 0.01
    assert table_of(sweep_note("mine", "mnist", trials("finished"), rows), "place") == [
        ["place", "strategy", "mean rank", "MRR", "wins", "top-3 rate", "test accuracy", "architectures"],
        ["1", "**smartmixed**", "1.25", "0.833", "1.5", "1.00", "0.8500 ± 0.0100", "2"],
        ["2", "relu", "1.75", "0.583", "0.5", "1.00", "0.7500 ± 0.0100", "2"],
        ["3", "tanh", "3.00", "0.333", "0", "1.00", "0.6500 ± 0.0100", "2"],
    ]


def test_controls_are_below_the_leaderboard_and_without_places() -> None:
    rows = pd.DataFrame([make_row("8", name, 0.9) for name in ("smartmixed", "relu", "selective")])
    note = sweep_note("mine", "mnist", trials("finished"), rows)
    assert [row[1] for row in table_of(note, "place")[1:]] == ["relu", "**smartmixed**"]
    assert table_of(note, "control") == [["control", "test accuracy", "architectures"], ["selective", "0.9000", "1"]]
    assert note.index("| control |") > note.index("| place |")


@pytest.mark.parametrize(("confidence", "said"), [(0.8, "The selection has converged"), (0.2, "has not converged")])
def test_the_conclusion_comes_with_its_caveat_and_whether_selection_converged(confidence: float, said: str) -> None:
    note = sweep_note("mine", "mnist", trials("finished"), make_rows(2).assign(choice_confidence=confidence))
    assert "On mnist SmartMixed has mean rank" in note
    assert CAVEAT in note
    assert note.count("converged") == 1
    assert f"{said}: mean choice confidence is {confidence:.2f}" in note


def test_architectures_without_a_converged_selection_are_counted() -> None:
    rows = make_rows(3)
    rows["choice_confidence"] = [0.4 if architecture == "8" else 0.9 for architecture in rows["architecture"]]
    note = sweep_note("mine", "mnist", trials("finished"), rows)
    assert "In 1 of 3 architectures SmartMixed's selection has not converged" in note
    assert "The selection has converged" not in note


def test_a_note_says_on_how_much_data_and_for_how_long() -> None:
    sizes = {"features": 13, "classes": 3, "train": 119, "val": 14, "test": 45}
    settings = {"epochs": "20", "replicates": "3", "seed": "7", "batch_size": "16"}
    note = sweep_note("mine", "wine", trials("finished"), make_rows(2), sizes=sizes, settings=settings)
    assert (
        "Data: 178 examples of 13 features in 3 classes: 119 to train on, 14 to validate, 45 to test. "
        "Settings: epochs 20, replicates 3, seed 7."
    ) in note
    assert "Data: " not in sweep_note("mine", "wine", trials("finished"), make_rows(2))


def test_it_says_how_to_go_on() -> None:
    note = sweep_note("mine", "mnist", trials("finished"), make_rows(2))
    for command in ("report", "compare", "top --by trial"):
        assert f"`smartmixed-search {command} --sweep mine`" in note


def test_without_a_finished_trial_there_is_a_sentence() -> None:
    note = sweep_note("mine", "mnist", trials("failed"), NOTHING)
    assert "1 trial settled (0 finished, 1 failed)" in note
    assert "No trial has finished yet, so there is nothing to rank." in note
    assert "|" not in note


def test_names_are_shown_as_they_are() -> None:
    note = sweep_note("mine", "a|b <i>*x*</i>", trials("failed"), NOTHING)
    assert r"on a\|b &lt;i>\*x\*&lt;/i>:" in note
    rows = pd.DataFrame([make_row("8", name, 0.9) for name in ("smartmixed", "leaky_relu")])
    assert table_of(sweep_note("mine", "mnist", trials("finished"), rows), "place")[1][1] == r"leaky\_relu"


def test_very_many_strategies_stay_below_what_a_tag_may_hold() -> None:
    names = ["smartmixed", *(f"function_{number:03d}_{'x' * 60}" for number in range(100))]
    rows = pd.DataFrame([make_row("8", name, 0.9) for name in names])
    note = sweep_note("mine", "mnist", trials("finished"), rows)
    assert len(note) <= 7000
    assert len(table_of(note, "place")) == 21
    assert "… and 81 more strategies." in note


def test_a_trial_s_note_is_its_ranking() -> None:
    accuracies = {"smartmixed": 0.9, "leaky_relu": 0.95, "selective": 0.8}
    note = trial_note(rank_networks([make_network(strategy=s, test_accuracy=a) for s, a in accuracies.items()]))
    assert table_of(note, "rank") == [
        ["rank", "strategy", "test accuracy", "validation accuracy"],
        ["1", r"leaky\_relu", "0.9500", "0.9000"],
        ["2", "smartmixed", "0.9000", "0.9000"],
        ["–", "selective", "0.8000", "0.9000"],
    ]


def test_models_are_added_with_what_loads_the_best() -> None:
    assert 'load_model("models:/smartmixed-digits@mine")' in models_note("smartmixed-digits", "mine")
