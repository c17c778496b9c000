"""Differences over folds and repeats, as a store holds them."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from smartmixed_search.analysis.resampling import corrected_test, over_splits
from smartmixed_search.cli.splits import splits_text
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.tracking.questions.queries import compare, trials
from smartmixed_search.tracking.questions.splits import SPLIT_COLUMNS, Splits, by_replicate, split_differences
from smartmixed_search.tracking.store.store import default_tracking_uri
from smartmixed_search.trials.result import TrialResult
from tests.helpers.folds import FOLDED, whole
from tests.helpers.reference import toy_dataset
from tests.helpers.tracked import SPACE, all_runs, make_tracker


@pytest.fixture(scope="module")
def uri(store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store of a sweep with two repeats of two folds."""
    folder = tmp_path_factory.mktemp("splits")
    shutil.copy(store_template, folder)
    address = default_tracking_uri(folder)
    worse = replace(whole(), config=replace(FOLDED, temperature=2.0), objective=-1.0)
    for sweep, space, results in (
        ("plain", {**SPACE, "strategies": ["smartmixed", "relu", "tanh"]}, [_plain()]),
        ("folded", {**SPACE, "folds": 2, "repeats": 2}, [replace(worse, key=worse.config.key), whole()]),
    ):
        tracker = make_tracker(address, sweep, "toy", space=space, key=sweep)
        for result in results:
            tracker.record_trial(result)
    return address


def _plain() -> TrialResult:
    return run_trial(replace(FOLDED, folds=None, repeats=1), toy_dataset())


def test_smartmixed_is_compared_with_each_rival_in_the_best_trial(uri: str) -> None:
    table = split_differences("folded", uri)
    assert list(table) == SPLIT_COLUMNS
    assert table[["architecture", "rival", "splits", "trial"]].to_numpy().tolist() == [
        ["9-7", "relu", 4, whole().key],
        ["9-7", "tanh", 4, whole().key],
    ]


def test_differences_are_over_splits_and_corrected(uri: str) -> None:
    row = split_differences("folded", uri).set_index("rival").loc["relu"]
    runs = {
        run.data.tags["smartmixed.strategy"]: by_replicate(run, "test_accuracy")
        for run in all_runs(uri)["strategy"]
        if run.data.tags["smartmixed.trial"] == whole().key
    }
    expected = corrected_test(over_splits(runs["smartmixed"] - runs["relu"], 4), folds=2)
    assert row[["mean", "low", "high", "p"]].tolist() == pytest.approx(
        [expected[k] for k in ("mean", "low", "high", "p")]
    )
    assert row["p_holm"] >= row["p"]


def test_data_that_are_split_once_have_no_such_differences(uri: str) -> None:
    assert split_differences("plain", uri).empty


def test_a_trials_replicates_are_all_networks_of_a_strategy(uri: str) -> None:
    assert trials("folded", tracking_uri=uri)["replicates"].tolist() == [8, 8]


def test_the_examples_of_all_folds_test(uri: str) -> None:
    tested = {name: compare(name, tracking_uri=uri)[0].test_examples for name in ("plain", "folded")}
    assert tested == {"plain": len(toy_dataset().x_test), "folded": 61}


def test_runs_from_before_there_were_folds_are_of_one_split() -> None:
    assert Splits.of({"replicates": "3"}) == Splits(None, 1)


def test_the_terminal_says_what_is_tested_and_what_it_does_not_tell(uri: str) -> None:
    text = splits_text(split_differences("folded", uri))
    assert "corrected resampled t-test" in text
    assert "tells of no other data" in text
    assert len([line for line in text.splitlines() if " relu " in line or " tanh " in line]) == 2
