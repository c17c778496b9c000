import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from smartmixed_search.analysis.leaderboard import leaderboard
from smartmixed_search.cli import cli
from smartmixed_search.errors import ConfigError, TrackingError
from smartmixed_search.tracking.questions import queries
from smartmixed_search.tracking.questions.queries import status, strategies, sweeps, top, trials
from smartmixed_search.tracking.questions.top import top_columns
from smartmixed_search.tracking.runs import runs
from smartmixed_search.tracking.store.store import connect, default_tracking_uri
from smartmixed_search.tracking.tables import tables
from smartmixed_search.tracking.writing.writer import Tracker
from tests.helpers.factories import make_result


def record(uri: str, sweep: str, results: list[Any], dataset: str = "digits") -> Tracker:
    tracker = Tracker(uri, sweep=sweep, dataset=dataset)
    tracker.open_sweep(key=sweep, space={"trials": 5}, seed=0, environment={})
    for result in results:
        tracker.record_trial(result)
    return tracker


# Test accuracies; the validation accuracies decide which trial represents a strategy in its block.
WIDE_PUBLISHED = make_result(
    architecture=(64,),
    accuracies={"smartmixed": 0.90, "relu": 0.92, "elu": 0.91, "selective": 0.99},
    val_accuracies={"smartmixed": 0.80, "relu": 0.85, "elu": 0.82, "selective": 0.99},
    objective=-0.05,
    confidence=0.3,
)
WIDE_TUNED = make_result(
    architecture=(64,),
    accuracies={"smartmixed": 0.95, "relu": 0.92, "elu": 0.91, "selective": 0.99},
    val_accuracies={"smartmixed": 0.88, "relu": 0.85, "elu": 0.82, "selective": 0.99},
    objective=0.03,
    phase_fraction=0.5,
    temperature=1.5,
    confidence=0.7,
)
NARROW = make_result(
    architecture=(8, 4),
    accuracies={"smartmixed": 0.80, "relu": 0.70, "elu": 0.80, "selective": 0.99},
    objective=0.01,
    confidence=0.4,
)


@pytest.fixture(scope="module")
def uri(store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with an older sweep over other data; the latest has three trials, a failed and a half-recorded one."""
    folder = tmp_path_factory.mktemp("queries")
    shutil.copy(store_template, folder)
    address = default_tracking_uri(folder)
    mnist = make_result(
        dataset="mnist", architecture=(64,), accuracies={"smartmixed": 0.5, "relu": 0.6}, objective=-0.1
    )
    record(address, "older", [mnist], dataset="mnist").close_sweep("finished", {})
    tracker = record(address, "it's", [WIDE_PUBLISHED, WIDE_TUNED, NARROW])
    failed = make_result(seed=1).config
    tracker.record_failure(failed, failed.key, "MemoryError")
    half = make_result(seed=2, accuracies={"smartmixed": 1.0, "relu": 0.1}, objective=0.9)
    tracker._client = _NoArtifacts(tracker._client)
    with pytest.raises(RuntimeError):
        tracker.record_trial(half)
    return address


class _NoArtifacts:
    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        if name == "log_dict":
            raise RuntimeError
        return getattr(self._client, name)


def records(table: pd.DataFrame, *columns: str) -> list[list[Any]]:
    """The values of some columns, row by row, with None for what is missing."""
    return [[None if pd.isna(value) else value for value in row] for row in table[list(columns)].values.tolist()]


# --- top ---


def test_top_by_strategy_is_the_leaderboard_of_the_tuned_view(uri: str) -> None:
    board = top(tracking_uri=uri)
    # 64: smartmixed, relu, elu. 8-4: smartmixed and elu tied, relu.
    assert records(board, "place", "strategy", "mean_rank", "wins", "blocks", "trials", "draws") == [
        [1, "smartmixed", 1.25, 1.5, 2, 3, 3],
        [2, "elu", 2.25, 0.5, 2, 3, 2],
        [3, "relu", 2.5, 0.0, 2, 3, 2],
    ]
    assert board["test_accuracy"].tolist() == pytest.approx([0.875, 0.855, 0.81])
    assert board["top3_rate"].tolist() == [1, 1, 1]


def test_top_by_strategy_shows_the_k_best_and_whether_the_selection_converged(uri: str) -> None:
    board = top(2, tracking_uri=uri)
    # The chosen trials' confidences are 0.7 and 0.4.
    assert records(board, "strategy", "selection_converged") == [["smartmixed", True], ["elu", None]]
    assert board["choice_confidence"].iloc[0] == pytest.approx(0.55)
    assert records(board, "strategy", "unconverged") == [["smartmixed", 1], ["elu", None]]


def test_top_by_architecture_shows_each_one_s_best_and_keeps_a_tied_place(uri: str) -> None:
    table = top(1, by="architecture", tracking_uri=uri)
    assert records(table, "architecture", "rank", "strategy", "test_accuracy", "phase_fraction", "temperature") == [
        ["64", 1, "smartmixed", pytest.approx(0.95), 0.5, 1.5],
        ["8-4", 1, "elu", pytest.approx(0.8), None, None],
        ["8-4", 1, "smartmixed", pytest.approx(0.8), 0.125, 0.3],
    ]
    assert records(table, "selection_converged") == [[True], [None], [False]]


def test_top_by_trial_is_ordered_by_the_validation_objective(uri: str) -> None:
    table = top(2, by="trial", tracking_uri=uri)
    assert records(table, "architecture", "objective", "smartmixed_rank", "best_fixed", "status", "trial") == [
        ["64", 0.03, 1, "relu", "finished", WIDE_TUNED.key],
        ["8-4", 0.01, 1, "elu", "finished", NARROW.key],
    ]
    assert records(table, "phase_fraction", "temperature", "selection_converged") == [
        [0.5, 1.5, True],
        [0.125, 0.3, False],
    ]
    assert table["smartmixed_test_accuracy"].tolist() == pytest.approx([0.95, 0.8])
    assert table["best_fixed_test_accuracy"].tolist() == pytest.approx([0.92, 0.8])


@pytest.mark.parametrize("by", ["strategy", "architecture", "trial"])
def test_all_sweeps_are_listed_by_dataset_and_never_mixed(uri: str, by: str) -> None:
    alone = pd.concat([top(by=by, sweep=sweep, tracking_uri=uri) for sweep in ("it's", "older")], ignore_index=True)
    pd.testing.assert_frame_equal(top(by=by, all_sweeps=True, tracking_uri=uri), alone)


def test_sweeps_over_one_dataset_are_one_leaderboard(tracking_uri: str) -> None:
    record(tracking_uri, "one", [WIDE_PUBLISHED])
    record(tracking_uri, "two", [WIDE_TUNED])
    board = top(1, all_sweeps=True, tracking_uri=tracking_uri)
    assert records(board, "strategy", "blocks", "trials") == [["smartmixed", 1, 2]]


def test_trials_with_different_objectives_are_not_ordered_together(tracking_uri: str) -> None:
    accuracies = {"smartmixed": 0.9, "relu": 0.8}
    record(tracking_uri, "one", [make_result(accuracies=accuracies, objective=0.1)])
    other = make_result(accuracies=accuracies, objective=0.9)
    config = replace(other.config, objective="accuracy")
    record(tracking_uri, "two", [replace(other, config=config, key=config.key)])
    table = top(1, by="trial", all_sweeps=True, tracking_uri=tracking_uri)
    assert records(table, "objective_kind", "objective", "sweep") == [["accuracy", 0.9, "two"], ["margin", 0.1, "one"]]


@pytest.mark.parametrize("by", ["strategy", "architecture", "trial"])
def test_top_has_its_columns_also_without_a_finished_trial(uri: str, tracking_uri: str, by: str) -> None:
    record(tracking_uri, "empty", [])
    assert list(top(by=by, tracking_uri=uri).columns) == top_columns(by)
    empty = top(by=by, tracking_uri=tracking_uri)
    assert empty.empty
    assert list(empty.columns) == top_columns(by)


@pytest.mark.parametrize("by", ["strategy", "architecture", "trial"])
def test_top_reads_no_run_but_the_sweep_s(uri: str, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    read: list[int] = []
    search = runs.search

    def counting(*args: Any, **options: Any) -> Any:
        found = list(search(*args, **options))
        read.append(len(found))
        return iter(found)

    monkeypatch.setattr(runs, "search", counting)
    top(1, by=by, tracking_uri=uri)
    assert read == [1, 0], "the sweep's, and none of the trash"


def test_top_refuses_what_it_does_not_know(uri: str) -> None:
    with pytest.raises(ConfigError, match="did you mean 'strategy'"):
        top(by="strategies", tracking_uri=uri)
    with pytest.raises(ConfigError, match="k must be at least 1, but got 0"):
        top(0, tracking_uri=uri)


# --- tables ---


def test_strategies_are_those_of_finished_trials_and_feed_the_leaderboard(uri: str) -> None:
    table = strategies(tracking_uri=uri)
    assert list(table.columns) == tables.strategy_columns()
    assert len(table) == 3 * 4
    assert set(table["trial"]) == {WIDE_PUBLISHED.key, WIDE_TUNED.key, NARROW.key}
    assert set(table.loc[table["published"], "trial"]) == {WIDE_PUBLISHED.key, NARROW.key}
    assert leaderboard(table, "default")["strategy"].tolist() == ["elu", "relu", "smartmixed", "selective"]


def test_trials_are_those_of_the_sweep_with_their_status(uri: str) -> None:
    table = trials(tracking_uri=uri)
    assert list(table.columns) == tables.trial_columns()
    assert sorted(table["status"]) == ["failed", "finished", "finished", "finished", "running"]
    assert table.loc[table["status"] == "failed", "reason"].tolist() == ["MemoryError"]
    assert table["replicates"].dropna().unique().tolist() == [2]


def test_tables_do_not_depend_on_the_size_of_a_page(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = strategies(tracking_uri=uri)
    monkeypatch.setattr(runs, "_PAGE", 3)
    paged = strategies(tracking_uri=uri)
    order = ["trial", "strategy"]
    pd.testing.assert_frame_equal(
        paged.sort_values(order, ignore_index=True), whole.sort_values(order, ignore_index=True)
    )


def test_sweeps_are_listed_with_the_latest_first(uri: str) -> None:
    table = sweeps(tracking_uri=uri)
    assert list(table.columns) == tables.SWEEP_COLUMNS
    assert records(table, "sweep", "dataset", "status", "trials") == [
        ["it's", "digits", "running", 5],
        ["older", "mnist", "finished", 5],
    ]


def test_the_latest_sweep_is_the_one_opened_last(tracking_uri: str) -> None:
    for sweep in ("one", "two", "one"):
        record(tracking_uri, sweep, [])
    assert status(tracking_uri=tracking_uri)["sweep"].tolist() == ["one"]


def test_status_counts_trials_and_names_the_best(uri: str) -> None:
    table = status(all_sweeps=True, tracking_uri=uri)
    assert list(table.columns) == queries.STATUS_COLUMNS
    assert records(table, "sweep", "trials", "finished", "failed", "stopped", "running") == [
        ["it's", 5, 3, 1, 0, 1],
        ["older", 5, 1, 0, 0, 0],
    ]
    assert records(table, "best_objective", "best_architecture") == [[0.03, "64"], [-0.1, "64"]]


def test_status_of_a_sweep_without_trials_has_no_best(tracking_uri: str) -> None:
    record(tracking_uri, "new", [])
    table = status(tracking_uri=tracking_uri)
    assert records(table, "finished", "best_objective", "best_architecture") == [[0, None, None]]


# --- trials that were stopped early ---


@pytest.fixture
def with_stopped(tracking_uri: str) -> str:
    """A store with a finished trial and two that were stopped."""
    tracker = record(tracking_uri, "asha", [NARROW])
    for seed in (1, 2):
        config = make_result(seed=seed).config
        tracker.record_stopped(config, config.key, "stopped after 2 epochs")
    return tracking_uri


def test_stopped_trials_are_counted_and_in_no_ranking(with_stopped: str) -> None:
    assert records(status(tracking_uri=with_stopped), "finished", "failed", "stopped", "running") == [[1, 0, 2, 0]]
    table = trials(tracking_uri=with_stopped)
    assert table.loc[table["status"] == "stopped", "reason"].tolist() == ["stopped after 2 epochs"] * 2
    assert top(by="trial", tracking_uri=with_stopped)["trial"].tolist() == [NARROW.key]
    assert set(top(by="strategy", tracking_uri=with_stopped)["trials"]) == {1}
    assert set(strategies(tracking_uri=with_stopped)["trial"]) == {NARROW.key}


@pytest.mark.parametrize("command", ["top", "status"])
def test_the_user_is_told_that_trials_were_stopped(with_stopped: str, command: str) -> None:
    answer = CliRunner().invoke(cli, [command, "--tracking-uri", with_stopped])
    assert answer.exit_code == 0
    assert (
        "2 of 3 settled trials were stopped early: they are in no leaderboard, and those that finished are a selected "
        "sample\n"
    ) in answer.stderr
    assert "stopped early" not in answer.stdout


@pytest.mark.parametrize("command", ["top", "status"])
def test_nothing_is_said_where_no_trial_was_stopped(uri: str, command: str) -> None:
    assert "stopped early" not in CliRunner().invoke(cli, [command, "--tracking-uri", uri]).stderr


# --- what is not there ---

QUESTIONS = [top, status, sweeps, trials, strategies]


@pytest.mark.parametrize("ask", QUESTIONS)
def test_a_store_that_does_not_exist_is_not_created(tmp_path: Path, ask: Any) -> None:
    with pytest.raises(TrackingError, match=r"no sweeps recorded yet in .*; run `smartmixed-search run quickstart`"):
        ask(tracking_uri=default_tracking_uri(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ask", QUESTIONS)
def test_a_store_without_sweeps_says_so(tracking_uri: str, ask: Any) -> None:
    connect(tracking_uri).create_experiment("somebody else's")
    with pytest.raises(TrackingError, match="no sweeps recorded yet"):
        ask(tracking_uri=tracking_uri)


@pytest.mark.parametrize("ask", [top, status, trials, strategies])
def test_an_unknown_sweep_is_refused_with_the_nearest(uri: str, ask: Any) -> None:
    with pytest.raises(
        TrackingError, match=r"a sweep must be one of it's, older, but got 'oldr'; did you mean 'older'"
    ):
        ask(sweep="oldr", tracking_uri=uri)
