"""Confirmations in MLflow, and `confirm` from the store to the store."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from smartmixed_search import confirm_sweep
from smartmixed_search.analysis.confirmed import Confirmed
from smartmixed_search.analysis.statistics import Interval, mean_interval
from smartmixed_search.cli import cli, main
from smartmixed_search.cli.confirm import print_confirmed
from smartmixed_search.errors import ConfigError, SweepError, TrackingError
from smartmixed_search.reports.report import report
from smartmixed_search.search.keeping.directory import SweepDirectory
from smartmixed_search.search.keeping.ledger import count_settled, read_configs
from smartmixed_search.search.recording.sync import find_sweeps, sync_sweep
from smartmixed_search.search.summary import SweepSummary
from smartmixed_search.tracking.questions import queries
from smartmixed_search.tracking.questions.confirmations import confirmation_columns, confirmations
from smartmixed_search.tracking.store.store import connect, default_tracking_uri, prepare_store
from smartmixed_search.tracking.writing.writer import Tracker
from smartmixed_search.trials.result import TrialResult
from tests.helpers import trials
from tests.helpers.factories import make_result
from tests.helpers.placing import placed_here
from tests.helpers.sweeps import run_demo
from tests.helpers.tracked import all_runs, make_tracker, opening

ACCURACIES = {"smartmixed": 0.95, "relu": 0.9, "tanh": 0.8}
RECORDED = [make_result(accuracies=ACCURACIES, temperature=temperature) for temperature in (0.3, 0.5)]


def confirmation(original: TrialResult, accuracies: dict[str, Any], replicates: int, objective: float) -> TrialResult:
    """What a confirmation of a trial might measure."""
    confirms = Confirmed.of("mine", original.config)
    config = replace(original.config, seed=confirms.fresh_seed, replicates=replicates)
    result = make_result(accuracies=accuracies, replicates=replicates, objective=objective)
    return replace(result, config=config, key=config.key)


def record(uri: str, *results: TrialResult, replicates: int = 7) -> Tracker:
    """Record confirmations of a sweep called `mine`, of two replicates and seed 0."""
    confirms = Confirmed(sweep="mine", seed=0, replicates=2)
    tracker = Tracker(uri, sweep=f"mine-confirmed-{replicates}", dataset="digits", confirms=confirms)
    tracker.open_sweep(**opening(key=f"c{replicates}"))
    for result in results:
        tracker.record_trial(result)
    return tracker


def record_sweep(uri: str) -> None:
    tracker = make_tracker(uri)
    for result in RECORDED:
        tracker.record_trial(result)


@pytest.fixture
def recorded(copy_of: Callable[..., str]) -> str:
    """A store with a sweep of two trials."""
    return copy_of(record_sweep)


def test_a_confirmation_is_told_beside_what_the_sweep_had_promised(recorded: str) -> None:
    own, rival = [0.90, 0.91, 0.92, 0.90, 0.93, 0.91, 0.90], [0.90, 0.90, 0.89, 0.91, 0.90, 0.90, 0.90]
    record(recorded, confirmation(RECORDED[0], {"smartmixed": own, "relu": rival, "tanh": 0.7}, 7, 0.01))
    (row,) = confirmations(tracking_uri=recorded).to_dict("records")
    interval = mean_interval(pd.Series(np.subtract(own, rival)))
    assert isinstance(interval, Interval)
    assert row["objective"] == RECORDED[0].objective
    assert row["confirmed_objective"] == 0.01
    assert (row["replicates"], row["best_fixed"], row["smartmixed_rank"]) == (7, "relu", 1)
    assert row["margin"] == pytest.approx(np.mean(own) - np.mean(rival))
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
    assert row["trial"] == RECORDED[0].key != row["confirmation"]


def test_compare_prefers_confirmed_figures(recorded: str) -> None:
    record(recorded, confirmation(RECORDED[0], {"smartmixed": 0.7, "relu": 0.75, "tanh": 0.6}, 7, -0.05))
    (found,) = queries.compare(tracking_uri=recorded)
    assert found.leaderboard.set_index("strategy").loc["smartmixed", "test_accuracy"] == pytest.approx(0.7)
    answer = CliRunner().invoke(cli, ["compare", "--tracking-uri", recorded])
    assert "* 8-4" in " ".join(answer.stdout.split())
    assert "Figures are confirmed everywhere" in " ".join(answer.stdout.split())


def test_sweeps_that_differ_in_their_replicates_alone_are_both_confirmed(tracking_uri: str) -> None:
    for sweep, replicates in (("mine", 2), ("other", 3)):
        original = make_result(accuracies=ACCURACIES, replicates=replicates)
        make_tracker(tracking_uri, sweep).record_trial(original)
        confirmed = Confirmed.of(sweep, original.config)
        tracker = Tracker(tracking_uri, sweep=f"{sweep}-again", dataset="digits", confirms=confirmed)
        tracker.open_sweep(**opening(key=f"c{replicates}"))
        again = replace(original.config, seed=confirmed.fresh_seed, replicates=4)
        result = make_result(accuracies={"smartmixed": 0.7, "relu": 0.75, "tanh": 0.6}, replicates=4)
        tracker.record_trial(replace(result, config=again, key=again.key))
    (found,) = queries.compare(all_sweeps=True, tracking_uri=tracking_uri)
    assert found.architectures["confirmed"].all()
    assert found.leaderboard.set_index("strategy").loc["smartmixed", "test_accuracy"] == pytest.approx(0.7)


def test_a_confirmation_is_no_sweep(recorded: str) -> None:
    record(recorded, confirmation(RECORDED[0], ACCURACIES, 7, 0.0))
    assert queries.sweeps(recorded)["sweep"].to_list() == ["mine"]
    assert queries.status(all_sweeps=True, tracking_uri=recorded)["finished"].to_list() == [2]
    assert len(queries.trials(all_sweeps=True, tracking_uri=recorded)) == 2
    assert queries.top(by="trial", tracking_uri=recorded)["sweep"].unique().tolist() == ["mine"]


def test_a_sweep_without_confirmations_has_none(recorded: str) -> None:
    found = confirmations(tracking_uri=recorded)
    assert found.empty
    assert list(found) == confirmation_columns()


def test_a_single_replicate_gives_a_margin_without_interval(recorded: str) -> None:
    record(recorded, confirmation(RECORDED[0], {"smartmixed": 0.7, "relu": 0.75, "tanh": 0.6}, 1, 0.0), replicates=1)
    (row,) = confirmations(tracking_uri=recorded).to_dict("records")
    assert row["margin"] == pytest.approx(-0.05)
    assert np.isnan(row["low"])


def confirm(output_dir: Path, **options: Any) -> SweepSummary:
    options = {"k": 2, "replicates": 4, "run": trials.instant, "concurrency": 1, "progress": False} | options
    return confirm_sweep("demo", output_dir=output_dir, **options)


def kept_page(uri: str) -> str:
    (sweep,) = all_runs(uri)["sweep"]
    return Path(connect(uri).download_artifacts(sweep.info.run_id, "report/report.html")).read_text()


@pytest.fixture(scope="module")
def confirmed(finished: SweepSummary, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished sweep's output directory, whose two best trials are confirmed."""
    output_dir = tmp_path_factory.mktemp("confirmed")
    shutil.copytree(finished.directory.parent, output_dir, dirs_exist_ok=True)
    with placed_here():
        confirm(output_dir)
    return output_dir


def test_the_best_trials_are_trained_on_fresh_seeds_and_a_larger_k_adds_some(
    demo: Path, here: None, undrawn: None
) -> None:
    tracking_uri = default_tracking_uri(demo)
    best = queries.top(k=3, by="trial", tracking_uri=tracking_uri)["trial"].to_list()
    report("demo", tracking_uri=tracking_uri)
    assert "No trial was confirmed" in kept_page(tracking_uri)
    summary = confirm(demo)
    assert "No trial was confirmed" not in kept_page(tracking_uri)
    assert (summary.name, summary.confirms, summary.settled["finished"]) == ("demo-confirmed-4", "demo", 2)
    assert confirmations("demo", tracking_uri)["trial"].to_list() == best[:2]

    assert confirm(demo, k=3).settled["finished"] == 3
    directory = SweepDirectory.of(demo, "demo-confirmed-4")
    configs = read_configs(directory.ledger)
    assert {(config.seed, config.replicates) for config in configs} == {(1_000_000_007, 4)}
    attempts = [(directory.trials / config.key / "attempts").read_text().count("\n") for config in configs]
    assert attempts == [1, 1, 1]
    assert confirmations("demo", tracking_uri)["trial"].to_list() == best
    assert not directory.study.exists()

    # Nothing is left to do, also for fewer.
    assert confirm(demo, k=1, run=trials.deaf).settled["finished"] == 3


def test_a_confirmation_reaches_another_store_as_one(confirmed: Path, tmp_path: Path) -> None:
    elsewhere = f"sqlite:///{tmp_path}/elsewhere/mlflow.db"
    prepare_store(elsewhere)
    for directory in find_sweeps(confirmed):
        with directory.hold():
            assert sync_sweep(directory, elsewhere, print).missing == 0
    assert len(confirmations("demo", elsewhere)) == 2
    assert queries.sweeps(elsewhere)["sweep"].to_list() == ["demo"]


def test_what_cannot_be_confirmed_is_told_in_a_line_and_nothing_is_written(demo: Path, tmp_path: Path) -> None:
    other = tmp_path / "digits2.npz"
    np.savez(other, x=np.random.default_rng(0).normal(size=(60, 3)), y=np.arange(60) % 2)
    with pytest.raises(SweepError, match=r"on the data of its sweep, digits \(.*but got digits2 \("):
        confirm(demo, dataset=str(other))
    for changes in ({"k": 0}, {"replicates": 0}, {"concurrency": 0}):
        with pytest.raises(ConfigError, match="must be at least 1, but got 0"):
            confirm(demo, **changes)
    with pytest.raises(TrackingError, match="did you mean 'demo'"):
        confirm_sweep("dmo", output_dir=demo)
    assert [path.name for path in demo.glob("demo*")] == ["demo"]


def test_a_sweep_of_the_default_name_is_no_obstacle_if_the_confirmation_has_another(demo: Path, here: None) -> None:
    run_demo(demo, name="demo-confirmed-4", trials=1)
    with pytest.raises(SweepError, match="--name"):
        confirm(demo)
    again = confirm(demo, name="again")
    assert (again.name, again.settled["finished"]) == ("again", 2)
    confirm(demo, name="once-more")
    assert len(confirmations("demo", default_tracking_uri(demo))) == 2, "the same seeds count once"
    for name in ("", "demo"):
        with pytest.raises(SweepError, match="--name"):
            confirm(demo, name=name)


def test_a_name_is_a_sweep_s_or_a_confirmation_s(recorded: str) -> None:
    confirmed = Confirmed.of("mine", RECORDED[0].config)
    tracker = Tracker(recorded, sweep="mine", dataset="digits", confirms=confirmed)
    with pytest.raises(SweepError, match=r"'mine' is taken .* or by a confirmation; choose another --name"):
        tracker.open_sweep(**opening(key="another"))


def test_a_sweep_without_a_finished_trial_cannot_be_confirmed(tracking_uri: str, capsys: Any) -> None:
    tracker = make_tracker(tracking_uri)
    tracker.record_failure(make_result().config, "abc", "ValueError: too wide")
    with pytest.raises(SystemExit) as ended:
        main(["confirm", "--tracking-uri", tracking_uri])
    assert ended.value.code == 2
    assert "sweep 'mine' has no finished trial to confirm" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["margin", "accuracy"])
def test_a_table_names_split_and_seeds_of_every_figure(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    row = dict.fromkeys(confirmation_columns(), 0.5) | {"dataset": "digits", "objective_kind": kind}
    row |= {"metric": "accuracy", "direction": "max", "unit": "share"}
    print_confirmed(pd.DataFrame([row]), "table")
    output = capsys.readouterr()
    names = output.out.splitlines()[1].split()
    assert names[-5:] == [f"val_{kind}_in_sweep", f"val_{kind}", "test_margin", "test_margin_low", "test_margin_high"]
    assert not {"objective", "confirmed_objective", "margin"} & set(names)
    assert f"val_{kind} the same again" in output.err


def test_the_command_prints_what_was_confirmed(confirmed: Path) -> None:
    arguments = ["confirm", "-k", "2", "--replicates", "4", "--output-dir", str(confirmed), "--format", "json"]
    answer = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert answer.return_value == 0
    rows = json.loads(answer.stdout)
    assert [list(row) for row in rows] == [confirmation_columns()] * 2
    assert count_settled(SweepDirectory.of(confirmed, "demo-confirmed-4").ledger) == 2
