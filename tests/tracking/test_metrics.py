"""A store of sweeps by accuracy, of either schema, and by RMSE: each dataset is asked and told in its own metric."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner
from pandas.testing import assert_frame_equal

from smartmixed_search.cli import cli
from smartmixed_search.errors import ConfigError
from smartmixed_search.reports.report import report
from smartmixed_search.tracking.questions.curves import curves
from smartmixed_search.tracking.questions.effects import effects
from smartmixed_search.tracking.questions.queries import compare, status, strategies, top, trials
from smartmixed_search.tracking.store.store import connect, default_tracking_uri
from smartmixed_search.tracking.tables import stored
from tests.helpers.factories import make_result
from tests.helpers.regression import make_regression
from tests.helpers.tracked import SMALL, SPACE, all_runs, make_tracker

HOUSES = {"smartmixed": [0.90, 0.88], "relu": [0.86, 0.88], "elu": [0.7, 0.7], "tanh": [0.0, 0.9]}
"""RMSE 11, 13, 30; one network of tanh has diverged, the other has 10."""


@pytest.fixture(scope="module")
def uri(store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two sweeps on digits by accuracy, the older one as schema 1 has it; one on houses by RMSE in units of price."""
    folder = tmp_path_factory.mktemp("metrics")
    shutil.copy(store_template, folder)
    address = default_tracking_uri(folder)
    old = make_tracker(address, "old")
    old.record_trial(make_result(accuracies=SMALL, architecture=(8,)))
    as_schema_1(address)
    make_tracker(address, "new", key="new").record_trial(make_result(accuracies=SMALL, architecture=(16,)))
    tracker = make_tracker(address, "houses", "houses", space=SPACE | {"target": "price"})
    tracker.record_failure(make_result(dataset="houses", seed=3).config, "f1", "memory")
    for handoff in ("inherit", "reinitialize"):
        for width in (8, 16):
            shift = 0.01 * (handoff == "reinitialize")
            cells = {name: [value - shift if value else value for value in of] for name, of in HOUSES.items()}
            tracker.record_trial(
                make_regression(accuracies=cells, architecture=(width,), handoff=handoff, objective=2.0 - shift)
            )
    tracker.close_sweep("finished", {})
    return address


def as_schema_1(uri: str) -> None:
    """Take from runs what schema 1 does not have."""
    client = connect(uri)
    new = [f"smartmixed.{name}" for name in ("task", "metric", "metrics", "direction", "unit")]
    for run in (run for kind in all_runs(uri).values() for run in kind):
        for tag in set(new).intersection(run.data.tags):
            client.delete_tag(run.info.run_id, tag)
        client.set_tag(run.info.run_id, "smartmixed.schema", "1")


def ask(uri: str, *arguments: object) -> tuple[int, str, str]:
    answer = CliRunner().invoke(cli, [*map(str, arguments), "--tracking-uri", uri], standalone_mode=False)
    assert answer.exception is None, answer.exception
    return answer.exit_code, answer.stdout, answer.stderr


# --- what runs say ---


def test_every_run_of_a_regression_says_what_was_learned_and_measured(uri: str) -> None:
    found = [run for kind in all_runs(uri).values() for run in kind if run.data.tags["smartmixed.sweep"] == "houses"]
    told = {"task": "regression", "metric": "rmse", "direction": "min", "unit": "price", "target_deviation": "50.0"}
    measured = [run for run in found if run.data.tags["smartmixed.status"] == "finished"]
    for run in measured:
        assert {name: run.data.tags[f"smartmixed.{name}"] for name in told} == told
    assert len(measured) == 1 + 4 + 4 * 4


def test_a_strategy_s_run_has_every_metric_and_how_many_networks_lack_it(uri: str) -> None:
    (tanh, *_) = [
        run.data.metrics for run in all_runs(uri)["strategy"] if run.data.tags["smartmixed.strategy"] == "tanh"
    ]
    assert tanh["test_rmse"] == pytest.approx(tanh["test_rmse_r1"])
    assert "test_rmse_r0" not in tanh
    assert {name: tanh[f"test_{name}_lacking"] for name in ("rmse", "mae", "r2")} == {"rmse": 1, "mae": 1, "r2": 1}
    assert not [name for name in tanh if "accuracy" in name or "correct" in name]


def test_the_experiment_s_tables_show_the_metric_that_ranks(uri: str) -> None:
    experiment = connect(uri).get_experiment_by_name("smartmixed/houses")
    columns = json.loads(experiment.tags["mlflow.sharedViewState.rankings"])["selectedColumns"]
    assert columns[:3] == ["metrics.`rank`", "metrics.`test_rmse`", "metrics.`val_rmse`"]


def test_descriptions_are_in_the_metric_s_words(uri: str) -> None:
    kinds = all_runs(uri)
    (sweep,) = [run.data.tags for run in kinds["sweep"] if run.data.tags["smartmixed.sweep"] == "houses"]
    note = sweep["mlflow.note.content"]
    assert "| place | strategy | mean rank | MRR | wins | top-3 rate | test RMSE, price | architectures |" in note
    assert "its trial of lowest validation RMSE" in note
    trial = next(run.data.tags for run in kinds["trial"] if run.data.tags.get("smartmixed.metric") == "rmse")
    assert trial["mlflow.note.content"].startswith(
        "| rank | strategy | test RMSE, price | validation RMSE, price |\n| --- |"
    )


# --- tables ---


@pytest.mark.parametrize("question", [trials, strategies])
def test_tables_are_the_same_by_tables_and_by_runs(uri: str, question: Callable[..., pd.DataFrame]) -> None:
    found = question(sweep="houses", tracking_uri=uri).sort_values("run_id", ignore_index=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "read", lambda *_: None)
        by_runs = question(sweep="houses", tracking_uri=uri).sort_values("run_id", ignore_index=True)
    assert_frame_equal(found, by_runs)


def test_a_table_has_the_columns_of_its_own_metrics(uri: str) -> None:
    houses, digits = (set(strategies(sweep=name, tracking_uri=uri)) for name in ("houses", "old"))
    assert {"test_rmse", "test_mae_std", "val_r2", "phase1_test_rmse_argmax"} < houses - digits
    assert {"test_accuracy", "test_correct"} < digits - houses


def test_a_sweep_of_schema_1_is_read_as_before_and_goes_on(uri: str, tmp_path: Path) -> None:
    shutil.copytree(Path(uri.removeprefix("sqlite:///")).parent, tmp_path / "copy")
    address = default_tracking_uri(tmp_path / "copy")
    before = top(sweep="old", tracking_uri=address)
    assert before["test_accuracy"].tolist() == [0.9, 0.8]
    make_tracker(address, "old").record_trial(make_result(accuracies=SMALL, architecture=(32,)))
    after = strategies(sweep="old", tracking_uri=address)
    assert after["test_accuracy"].notna().all()
    assert sorted(after["architecture"].unique()) == ["32", "8"]


# --- questions ---


def test_top_ranks_by_the_smallest_error_a_diverged_replicate_last(uri: str) -> None:
    found = top(4, sweep="houses", tracking_uri=uri)
    assert found["strategy"].tolist() == ["smartmixed", "relu", "elu", "tanh"]
    assert found["test_rmse"].tolist() == pytest.approx([11, 13, 30, float("nan")], nan_ok=True)
    assert set(found["metric"] + found["direction"] + found["unit"]) == {"rmseminprice"}
    assert found["missing"].tolist() == [0, 0, 0, 2]


def test_top_says_of_which_strategies_a_figure_is_missing(uri: str) -> None:
    said = ask(uri, "top", "-k", 4, "--sweep", "houses")[2]
    assert "houses: test rmse of tanh is missing in 2 of its 2 architectures (a network diverged, or" in said


def test_top_of_all_sweeps_tells_each_dataset_in_its_own_metric(uri: str) -> None:
    _, printed, _ = ask(uri, "top", "--all-sweeps")
    lines = printed.splitlines()
    digits, houses = lines.index("digits:"), lines.index("houses, by rmse (price), lower is better:")
    assert lines[digits + 1].split()[8] == "test_accuracy"
    assert lines[houses + 1].split()[8] == "test_rmse"


def test_top_by_another_metric_says_so(uri: str) -> None:
    _, printed, _ = ask(uri, "top", "--metric", "r2")
    assert printed.splitlines()[0] == "houses, by r2, higher is better:"
    assert printed.splitlines()[1].split()[8] == "test_r2"


@pytest.mark.parametrize("name", ["mae", "r2"])
def test_trials_by_another_metric_have_its_objective_and_outcome(uri: str, name: str) -> None:
    found = top(1, "trial", "houses", tracking_uri=uri, metric=name).iloc[0]
    own, rival = found[f"smartmixed_test_{name}"], found[f"best_fixed_test_{name}"]
    assert found["best_fixed"] == "relu"
    assert found["objective"] == pytest.approx(rival - own if name == "mae" else own - rival)
    assert (found["smartmixed_rank"], found["metric"]) == (1, name)


def test_an_unknown_metric_is_refused_with_the_recorded_ones(uri: str) -> None:
    with pytest.raises(ConfigError, match="metric must be one of rmse, mae, r2, loss, but got 'mea'; did you mean"):
        top(sweep="houses", tracking_uri=uri, metric="mea")


def test_sweeps_that_have_not_recorded_a_metric_are_left_out(uri: str) -> None:
    assert set(top(all_sweeps=True, tracking_uri=uri, metric="mae")["dataset"]) == {"houses"}
    assert set(compare(all_sweeps=True, tracking_uri=uri, metric="loss")[0].leaderboard["dataset"]) == {"digits"}


def test_json_of_top_names_the_metric_its_direction_and_its_unit(uri: str) -> None:
    rows = json.loads(ask(uri, "top", "--format", "json")[1])
    assert [rows[0][name] for name in ("metric", "direction", "unit")] == ["rmse", "min", "price"]


def said_of_houses(uri: str, *arguments: object) -> str:
    _, printed, errors = ask(uri, *arguments, "--sweep", "houses")
    return printed + errors


@pytest.mark.parametrize(
    "arguments",
    [("top",), ("top", "--by", "architecture"), ("top", "--by", "trial"), ("compare",), ("effects",), ("status",)],
)
def test_nothing_says_accuracy_or_points_of_an_error(uri: str, arguments: tuple[str, ...]) -> None:
    said = said_of_houses(uri, *arguments)
    assert "rmse" in said.lower()
    assert not [word for word in ("accurac", "points", "correct") if word in said]


def test_the_report_says_nothing_of_accuracy_either(uri: str) -> None:
    page = report("houses", keep=False, tracking_uri=uri, progress=False)
    assert "ranked by RMSE (price), lower is better" in page
    for words in ("accurac", "minus rival", "margin, points", "mean, points", "objective × 100"):
        assert words not in page


def test_comparisons_know_the_region_of_their_metric_and_what_is_missing(uri: str) -> None:
    (found,) = compare("houses", tracking_uri=uri)
    assert (found.scale.rope, found.scale.metric.unit, found.undefined) == (0.25, "price", 2)
    assert found.margins["margin_best_fixed"].tolist() == pytest.approx([2, 2])


def test_effects_of_a_setting_are_gains(uri: str) -> None:
    found = effects("houses", uri)
    worse = found.paired.set_index("measure").loc["test_rmse"]
    assert (worse["value"], worse["mean"]) == ("reinitialize", pytest.approx(-1))


def test_curves_are_of_the_metric_that_ranks(uri: str) -> None:
    trial = trials("houses", tracking_uri=uri).query("status == 'finished'")["trial"].iloc[0]
    found: dict[str, Any] = curves(trial, "houses", uri)
    assert found["relu"][-1] < found["relu"][0]


def test_status_names_the_metric(uri: str) -> None:
    found = status(all_sweeps=True, tracking_uri=uri).set_index("sweep")["metric"].to_dict()
    assert found == {"houses": "rmse", "new": "accuracy", "old": "accuracy"}
