"""Effects of crossed settings: worked by hand, and from the store to the terminal."""

import json
from itertools import product

import pandas as pd
import pytest
from click.testing import CliRunner

from smartmixed_search.analysis.effects import (
    EFFECT_COLUMNS,
    level_columns,
    level_means,
    measures,
    paired_effects,
    trial_measures,
    varying_settings,
)
from smartmixed_search.cli import cli
from smartmixed_search.tracking.questions.effects import effects
from tests.helpers.factories import make_result
from tests.helpers.synthetic import make_row
from tests.helpers.tracked import make_tracker

SETTINGS = pd.DataFrame(
    [(str(8 * n), handoff, output) for n in (1, 2, 3) for handoff in ("a", "b") for output in ("x", "y")],
    columns=["architecture", "handoff", "output"],
    index=[f"t{n}" for n in range(12)],
)


def measured(accuracies: "pd.Series[float]") -> pd.DataFrame:
    return pd.DataFrame(dict.fromkeys(measures(), accuracies))


def test_the_effect_of_a_setting_is_what_it_changes_all_else_being_equal() -> None:
    worth = {"a": 0.0, "b": 0.02, "x": 0.0, "y": -0.01}
    base = SETTINGS["architecture"].astype("float64") / 100
    found = paired_effects(SETTINGS, measured(base + SETTINGS["handoff"].map(worth) + SETTINGS["output"].map(worth)))
    accuracy = found[found["measure"] == "test_accuracy"].set_index("setting")
    assert accuracy.loc["handoff", ["value", "against", "blocks"]].to_list() == ["b", "a", 6]
    assert accuracy.loc["handoff", ["mean", "low", "high"]].to_list() == pytest.approx([0.02] * 3)
    assert accuracy.loc["output", "mean"] == pytest.approx(-0.01)


def test_trials_without_a_counterpart_are_left_out() -> None:
    found_in_trials = measured(pd.Series(range(12), index=SETTINGS.index, dtype="float64")).drop("t0")
    found = paired_effects(SETTINGS, found_in_trials).set_index(["setting", "measure"])
    # handoff: t2 − t0 is gone; t3 − t1, t6 − t4, … are all 2.
    assert found.loc[("handoff", "margin"), "blocks"] == 5
    assert found.loc[("handoff", "margin"), "mean"] == 2
    assert found.loc[("handoff", "margin"), "reason"] == "5 of at least 6 blocks"


def test_means_are_over_all_trials_with_a_value() -> None:
    found_in_trials = measured(pd.Series(range(12), index=SETTINGS.index, dtype="float64"))
    found = level_means(SETTINGS, found_in_trials, ["handoff", "output"]).set_index(["setting", "value"])
    assert found.loc[("output", "x"), "margin"] == 5
    assert found.loc[("output", "y"), "margin"] == 6
    assert found["trials"].to_list() == [6] * 4


def test_what_was_searched_beside_is_never_taken_for_the_effect_of_a_setting() -> None:
    temperatures = [str(n) for n in range(12)]  # another one in every trial, and all that matters
    searched = SETTINGS.assign(temperature=temperatures)
    found_in_trials = measured(pd.Series(range(12), index=SETTINGS.index, dtype="float64"))
    assert paired_effects(searched, found_in_trials).empty


def test_settings_vary_if_trials_differ_in_them() -> None:
    same = {"architecture": "8", "epochs": "4", "seed": "0"}
    configs = {f"t{n}": same | {"clamp": ("none", "10.0")[n % 2], "temperature": str(n)} for n in range(8)}
    assert list(varying_settings(configs)) == ["architecture", "clamp", "temperature"]
    assert list(varying_settings({})) == ["architecture"]
    older = {"t0": same, "t1": same | {"train_examples": "100"}}
    assert varying_settings(older)["train_examples"].to_list() == ["none", "100"]


def test_numbers_are_compared_with_the_smallest_one() -> None:
    settings = pd.DataFrame({"architecture": "8", "batch_size": ["128", "32", "64", "none"]}, index=list("abcd"))
    found = paired_effects(settings, measured(pd.Series([1.0, 2.0, 3.0, 4.0], index=list("abcd"))))
    accuracy = found[found["measure"] == "test_accuracy"]
    assert accuracy["against"].to_list() == ["32"] * 3
    assert accuracy[["value", "mean"]].to_numpy().tolist() == [["64", 1.0], ["128", -1.0], ["none", 2.0]]


def test_a_trial_s_measures() -> None:
    known = {"phase1_test_accuracy_argmax": 0.8, "phase1_test_accuracy_sampled": 0.7, "choice_confidence": 0.6}
    rows = pd.DataFrame(
        [
            make_row("8", "smartmixed", 0.9) | known,
            make_row("8", "relu", 0.95, 0.5) | {"test_accuracy_at_handoff": 0.94},
            make_row("8", "tanh", 0.92, 0.6) | {"test_accuracy_at_handoff": 0.91},
            make_row("8", "selective", 0.99, 0.99),
        ]
    )
    (of_one,) = trial_measures(rows).to_dict("records")
    expected = {"test_accuracy": 0.9, "margin": -0.02, "phase1_argmax": 0.8, "phase1_sampled": 0.7}
    expected |= {"gross_argmax": 0.1, "gross_sampled": 0.2, "net_argmax": 0.09, "net_sampled": 0.19}
    assert of_one == pytest.approx(expected | {"choice_confidence": 0.6})


@pytest.fixture
def crossed(tracking_uri: str) -> str:
    """A store with a grid of two settings on two architectures, in which reinitialising costs a point."""
    tracker = make_tracker(tracking_uri)
    for widths, handoff, clamp in product(((8,), (16,)), ("inherit", "reinitialize"), (None, 10.0)):
        accuracy = 0.95 - 0.01 * (handoff == "reinitialize")
        result = make_result(
            architecture=widths, accuracies={"smartmixed": accuracy, "relu": 0.9}, handoff=handoff, clamp=clamp
        )
        tracker.record_trial(result)
    return tracking_uri


def test_a_grid_in_the_store_is_told_in_words_and_tables(crossed: str) -> None:
    answer = CliRunner().invoke(cli, ["effects", "--tracking-uri", crossed])
    assert answer.exit_code == 0, answer.output
    out = " ".join(answer.stdout.split())
    assert "handoff: reinitialize instead of inherit (4 blocks) -1.00 test accuracy of SmartMixed" in out
    assert "clamp: none instead of 10.0 (4 blocks) +0.00 test accuracy of SmartMixed" in out
    assert "handoff inherit 4 0.9500 0.0500 0.9300 0.9100 0.0400 0.0300 0.6000" in out


def test_machines_get_the_paired_differences(crossed: str) -> None:
    for form in ("json", "csv"):
        answer = CliRunner().invoke(cli, ["effects", "--tracking-uri", crossed, "--format", form])
        text = answer.stdout
        found = list(json.loads(text)[0]) if form == "json" else text.splitlines()[0].split(",")
        assert found == EFFECT_COLUMNS


def test_a_sweep_that_crosses_nothing_has_no_effects(tracking_uri: str) -> None:
    make_tracker(tracking_uri)
    found = effects(tracking_uri=tracking_uri)
    assert (list(found.levels), list(found.paired)) == (level_columns(), EFFECT_COLUMNS)
    answer = CliRunner().invoke(cli, ["effects", "--tracking-uri", tracking_uri])
    assert answer.exit_code == 0
    assert "no setting is crossed" in answer.stderr
