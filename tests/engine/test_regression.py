"""A trial that predicts numbers: its figures in the target's unit, and all that a trial of classes can do."""

import dataclasses
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from sklearn import metrics

from smartmixed_search.datasets import Dataset, load_dataset
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.errors import ConfigError, TrialInterrupted
from smartmixed_search.method.modules import MixedActivation
from smartmixed_search.tasks.metric import RMSE
from smartmixed_search.tasks.regression import Regression
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.ranking import rank_networks
from smartmixed_search.trials.result import TrialResult
from tests.helpers.reference import toy_numbers

CONFIG = TrialConfig(
    dataset="diabetes",
    architecture=(8, 6),
    epochs=4,
    replicates=2,
    batch_size=64,
    strategies=("smartmixed", "relu", "tanh"),
    controls=("selective", "random-mixed"),
)


@cache
def diabetes() -> Dataset:
    return load_dataset("diabetes")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("regression")


@pytest.fixture(scope="module")
def result(folder: Path) -> TrialResult:
    return run_trial(CONFIG, diabetes(), weights_path=folder / "weights", handoff_epochs=[1, 2])


def figures(result: TrialResult) -> list[dict[str, Any]]:
    return [{**dataclasses.asdict(network), "reused_from": None, "test_at": {}} for network in result.networks]


def test_numbers_are_ranked_by_rmse(result: TrialResult) -> None:
    assert (result.task, result.metric) == ("regression", RMSE)
    assert all(network.test.keys() == {"loss", "rmse", "mae", "r2"} for network in result.networks)
    ranking = rank_networks(result.networks, result.metric)
    assert ranking.query("role == 'ranked'")["test_rmse"].is_monotonic_increasing
    assert result.target_deviation == pytest.approx(diabetes().y_test.double().std(correction=0).item() * 78.0001, 1e-4)


def test_the_margin_is_how_much_smaller_smartmixeds_rmse_is(result: TrialResult) -> None:
    val = {(n.strategy, n.replicate): n.val["rmse"] or 0.0 for n in result.networks}
    rivals = {name: val[name, 0] + val[name, 1] for name in ("relu", "tanh")}
    own = val["smartmixed", 0] + val["smartmixed", 1]
    assert result.objective == pytest.approx((min(rivals.values()) - own) / 2)


def test_exported_weights_predict_what_was_measured(result: TrialResult, folder: Path) -> None:
    """In the target's unit, by scikit-learn."""
    weights, data = load_file(folder / "weights"), diabetes()
    task = data.task
    assert isinstance(task, Regression)
    for choice in result.choices:
        x = data.x_test
        for layer in range(3):
            prefix = f"replicate{choice.replicate}.layer{layer}"
            x = x @ weights[f"{prefix}.weight"].T + weights[f"{prefix}.bias"]
            x = MixedActivation(choice.functions[layer])(x) if layer < 2 else x
        targets, answers = (task.restored(tensor).numpy() for tensor in (data.y_test, x))
        (own,) = (n for n in result.networks if (n.strategy, n.replicate) == ("smartmixed", choice.replicate))
        assert own.test["rmse"] == pytest.approx(metrics.root_mean_squared_error(targets, answers), rel=1e-5)
        assert own.test["mae"] == pytest.approx(metrics.mean_absolute_error(targets, answers), rel=1e-5)
        assert own.test["r2"] == pytest.approx(metrics.r2_score(targets, answers), abs=1e-5)


def test_it_comes_out_again_and_travels_as_json(result: TrialResult) -> None:
    assert figures(run_trial(CONFIG, diabetes())) == figures(result)
    assert TrialResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result


@pytest.mark.parametrize("epochs", [1, 3])
def test_one_that_was_interrupted_goes_on_to_the_same_numbers(result: TrialResult, tmp_path: Path, epochs: int) -> None:
    asked = iter(range(1, 100))
    with pytest.raises(TrialInterrupted):
        run_trial(CONFIG, diabetes(), state_dir=tmp_path, stop=lambda: next(asked) == epochs)
    reports: list[dict[str, float]] = []
    again = run_trial(CONFIG, diabetes(), report=lambda _, known: reports.append(known), state_dir=tmp_path)
    assert figures(again) == figures(result)
    assert [known["epoch"] for known in reports] == [0, 1, 2, 3]


def test_baselines_are_taken_over(result: TrialResult) -> None:
    other = dataclasses.replace(CONFIG, phase_fraction=0.5)
    reused = run_trial(other, diabetes(), reuse=result)
    assert {n.strategy for n in reused.networks if n.reused_from} == {"relu", "tanh", "random-mixed"}
    alone = run_trial(other, diabetes())
    assert [n.test_at_handoff for n in reused.networks] == pytest.approx([n.test_at_handoff for n in alone.networks])


def test_what_an_epoch_reports_is_oriented(result: TrialResult) -> None:
    reports: list[dict[str, float]] = []
    config = dataclasses.replace(CONFIG, objective="metric", metric="mae")
    by_mae = run_trial(config, diabetes(), report=lambda _, known: reports.append(known))
    last = [n.curves["val_mae"][-1] or 0.0 for n in by_mae.networks if n.strategy == "smartmixed"]
    assert reports[-1]["metric"] == pytest.approx(-sum(last) / 2)
    assert by_mae.objective < 0


def test_a_network_without_a_value_counts_in_the_objective_as_one_that_knows_nothing() -> None:
    changes = {"learning_rate": 1e37, "logit_learning_rate": 1.0, "objective": "metric", "epochs": 2, "controls": ()}
    config = dataclasses.replace(CONFIG, dataset="toy", **changes)
    diverged = run_trial(config, toy_numbers())
    assert {value for n in diverged.networks for value in n.test.values()} == {None}
    y = toy_numbers().y_val.double() * 20
    assert diverged.objective == pytest.approx(-y.std(correction=0).item())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output": "softmax"}, "output must be logits for a regression, but got 'softmax'"),
        ({"metric": "accuracy"}, r"metric must be one of rmse, mae, r2, or module:function, but got 'accuracy', which"),
        ({"objective": "accuracy"}, "objective must be margin or metric where rmse ranks, but got 'accuracy'"),
    ],
)
def test_what_is_of_classes_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}"):
        run_trial(dataclasses.replace(CONFIG, **changes), diabetes())


def test_losses_are_of_standardised_targets(result: TrialResult) -> None:
    task, network = diabetes().task, result.networks[0]
    assert isinstance(task, Regression)
    loss, rmse = network.test["loss"], network.test["rmse"]
    assert loss is not None
    assert rmse == pytest.approx(loss**0.5 * task.deviation[0])
    assert torch.tensor(network.curves["train_loss"]).isfinite().all()
