import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from smartmixed_search.tracking.store.store import connect
from smartmixed_search.tracking.writing.datasets import dataset_input
from smartmixed_search.trials.result import TrialResult
from tests.helpers.factories import SEVEN, diverged_network, make_result
from tests.helpers.tracked import SMALL, all_runs, make_tracker

WITH_CONTROLS = {**SEVEN, "selective": 0.955, "random-mixed": 0.9}


@pytest.fixture(scope="module")
def recorded(store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, TrialResult]:
    """A store with one sweep of one trial, controls included, and its result."""
    folder = tmp_path_factory.mktemp("recorded")
    shutil.copy(store_template, folder)
    uri = f"sqlite:///{folder}/mlflow.db"
    for name in ("space.yaml", "resolved.json", "some-weights"):
        (folder / name).write_text(name)
    result = make_result(
        architecture=(512, 256),
        accuracies=WITH_CONTROLS | {"smartmixed": [0.97, 0.99]},
        phase_fraction=0.125,
        weights_path=str(folder / "some-weights"),
    )
    tracker = make_tracker(uri, artifacts=[folder / "space.yaml", folder / "resolved.json"])
    tracker.record_trial(result)
    tracker.close_sweep("finished", {"settled": 1, "seconds": 2.5})
    return uri, result


def run_of(recorded: tuple[str, TrialResult], kind: str, strategy: str | None = None) -> Any:
    (run,) = [r for r in all_runs(recorded[0])[kind] if strategy in (None, r.data.tags.get("smartmixed.strategy"))]
    return run


def test_experiment_is_that_of_the_dataset_and_keeps_artifacts_beside_the_store(recorded: Any) -> None:
    experiment = connect(recorded[0]).get_experiment_by_name("smartmixed/digits")
    assert (
        experiment.artifact_location == (Path(recorded[0].removeprefix("sqlite:///")).parent / "mlartifacts").as_uri()
    )


def test_sweep_run_has_the_schema(recorded: Any) -> None:
    run = run_of(recorded, "sweep")
    assert run.info.run_name == "mine"
    assert run.info.status == "FINISHED"
    tags = {name: value for name, value in run.data.tags.items() if name.startswith("smartmixed.")}
    assert tags.pop("smartmixed.opened")
    assert [one["name"] for one in json.loads(tags.pop("smartmixed.metrics"))] == ["accuracy", "loss"]
    assert tags == {
        "smartmixed.schema": "2",
        "smartmixed.task": "classification",
        "smartmixed.metric": "accuracy",
        "smartmixed.direction": "max",
        "smartmixed.unit": "share",
        "smartmixed.kind": "sweep",
        "smartmixed.sweep": "mine",
        "smartmixed.key": "k",
        "smartmixed.dataset": "digits",
        "smartmixed.checksum": "c" * 16,
        "smartmixed.status": "finished",
        "smartmixed.tables": '{"trials": 1, "strategies": 9}',
    }
    assert run.data.params == {
        "dataset": "digits",
        "architecture.depth.low": "1",
        "architecture.depth.high": "4",
        "architecture.shape": "free",
        "trials": "36",
        "temperature_final": "none",
        "controls": "none",
        "strategies": "smartmixed, relu",
        "seed": "7",
    }
    assert run.data.metrics == {"trials": 36, "settled": 1, "seconds": 2.5}
    artifacts = {artifact.path for artifact in connect(recorded[0]).list_artifacts(run.info.run_id)}
    assert artifacts == {"space.yaml", "resolved.json", "environment.json", "tables"}


def test_trial_run_has_the_schema(recorded: Any) -> None:
    run, sweep, result = run_of(recorded, "trial"), run_of(recorded, "sweep"), recorded[1]
    assert run.info.run_name == "512-256 · φ 0.12 · τ 0.30"
    assert run.info.status == "FINISHED"
    assert run.info.end_time - run.info.start_time == 12_500
    assert {name: v for name, v in run.data.tags.items() if name.startswith("smartmixed.") or "parent" in name} == {
        "smartmixed.schema": "2",
        "smartmixed.task": "classification",
        "smartmixed.metric": "accuracy",
        "smartmixed.direction": "max",
        "smartmixed.unit": "share",
        "smartmixed.kind": "trial",
        "smartmixed.sweep": "mine",
        "smartmixed.key": result.key,
        "smartmixed.trial": result.key,
        "smartmixed.dataset": "digits",
        "smartmixed.checksum": "c" * 16,
        "smartmixed.architecture": "512-256",
        "smartmixed.status": "finished",
        "smartmixed.best_fixed": "relu",
        "mlflow.parentRunId": sweep.info.run_id,
    }
    assert set(run.data.params) == set(result.config.to_dict())
    assert run.data.params["architecture"] == "512-256"
    assert run.data.params["clamp"] == "none"
    choices = {
        f"choice_{name}{of}" for name in ("confidence", "entropy", "changed") for of in ("", "_layer0", "_layer1")
    }
    assert set(run.data.metrics) == choices | {
        "objective",
        "stack_seconds",
        "selection_epochs",
        "selection_steps",
        "logit_learning_rate",
        "smartmixed_rank",
        "smartmixed_test_accuracy",
        "best_fixed_test_accuracy",
    }
    assert run.data.metrics["objective"] == result.objective
    assert run.data.metrics["smartmixed_rank"] == 1


@pytest.mark.parametrize("kind", ["sweep", "trial"])
def test_the_dataset_is_an_input(recorded: Any, kind: str) -> None:
    (given,) = run_of(recorded, kind).inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest, given.dataset.source_type) == ("digits", "c" * 16, "code")
    assert {tag.key: tag.value for tag in given.tags} == {"mlflow.data.context": "training"}
    source = json.loads(given.dataset.source)
    assert source["dataset"] == "digits"
    assert source["split"] == (
        "as the space's split, folds and repeats say, else stratified, seed 42: 20% for testing unless the dataset "
        "brings test examples, then 10% for validation"
    )
    profile = json.loads(given.dataset.profile)
    assert profile == {
        "num_rows": 108,
        "num_elements": 108 * 64,
        "features": 64,
        "classes": 10,
        "train_examples": 80,
        "val_examples": 8,
        "test_examples": 20,
    }
    schema = json.loads(given.dataset.schema)["mlflow_tensorspec"]
    assert json.loads(schema["features"])[0]["tensor-spec"] == {"dtype": "float32", "shape": [-1, 64]}


def test_images_are_described_by_their_shape() -> None:
    sizes = {"features": 12, "shape": [3, 2, 2], "classes": 3, "train": 44, "val": 19, "test": 23}
    given = dataset_input({"name": "toy", "checksum": "c" * 16, **sizes}).dataset
    schema = json.loads(given.schema)["mlflow_tensorspec"]
    assert json.loads(schema["features"])[0]["tensor-spec"] == {"dtype": "uint8", "shape": [-1, 3, 2, 2]}
    assert json.loads(given.profile)["shape"] == [3, 2, 2]


def test_a_dataset_of_unknown_size_is_an_input_too(tracking_uri: str) -> None:
    make_tracker(tracking_uri, environment={"dataset": {"name": "x" * 600, "checksum": "d" * 16}})
    (given,) = all_runs(tracking_uri)["sweep"][0].inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.profile) == ("x" * 500, None)


def test_descriptions_are_the_leaderboard_and_the_trial_s_ranking(recorded: Any) -> None:
    sweep, trial = (run_of(recorded, kind).data.tags["mlflow.note.content"] for kind in ("sweep", "trial"))
    assert sweep.startswith("**SmartMixed sweep** mine on digits: 1 trial settled (1 finished) of 1 architecture.")
    assert "| 1 | **smartmixed** | 1.00 |" in sweep
    assert "| 1 | smartmixed | 0.9800 | 0.9800 |" in trial


def test_an_experiment_of_an_earlier_version_gets_the_saved_tables(tracking_uri: str) -> None:
    client = connect(tracking_uri)
    client.create_experiment("smartmixed/digits", tags={"mlflow.sharedViewState.rankings": "as it was"})
    make_tracker(tracking_uri)
    tags = client.get_experiment_by_name("smartmixed/digits").tags
    assert tags["mlflow.sharedViewState.rankings"] != "as it was"
    assert "smartmixed_test_accuracy" in tags["mlflow.sharedViewState.trials"]


def test_trial_s_artifacts_can_be_read_back(recorded: Any, tmp_path: Path) -> None:
    client, run, result = connect(recorded[0]), run_of(recorded, "trial"), recorded[1]
    assert {a.path for a in client.list_artifacts(run.info.run_id)} == {
        "config.json",
        "choices.json",
        "choice_counts.json",
        "environment.json",
        "weights.safetensors",
    }
    folder = Path(client.download_artifacts(run.info.run_id, "", str(tmp_path)))
    assert json.loads((folder / "config.json").read_text()) == result.config.to_dict()
    choices = json.loads((folder / "choices.json").read_text())
    assert choices["1"]["0"] == result.choices[1].functions[0]
    assert (folder / "weights.safetensors").read_text() == "some-weights"
    assert not (folder / "weights.safetensors").is_symlink()


COMMON_METRICS = {
    *(
        f"{split}_{what}{of}"
        for split in ("val", "test")
        for what in ("accuracy", "loss")
        for of in ("", "_std", "_r0", "_r1")
    ),
    *(
        "best_epoch_r0",
        "best_epoch_r1",
        "epochs",
        "optimizer_steps",
        "optimizer_steps_spent",
        "diverged",
        "val_loss_last",
        "val_accuracy_last",
        "val_correct",
        "test_correct",
    ),
    *(f"epoch/{name}" for name in ("train_loss", "val_loss", "val_accuracy")),
}
RANKS = {"rank", "rank_mean", "val_rank"}
PHASE1 = {
    "phase1_best_epoch",
    *(
        f"phase1_{split}_{what}_{kind}"
        for split in ("val", "test")
        for what in ("accuracy", "loss")
        for kind in ("argmax", "sampled")
    ),
}


@pytest.mark.parametrize(
    ("strategy", "role", "rank", "own"),
    [
        ("smartmixed", "ranked", "0001", RANKS | PHASE1),
        ("relu", "ranked", "0002", RANKS | {"test_accuracy_at_handoff"}),
        ("selective", "control", "control", {"test_accuracy_at_handoff"}),
    ],
)
def test_strategy_run_has_the_schema(recorded: Any, strategy: str, role: str, rank: str, own: set[str]) -> None:
    run, trial = run_of(recorded, "strategy", strategy), run_of(recorded, "trial")
    assert run.info.run_name == f"512-256 · {strategy}"
    assert run.info.status == "FINISHED"
    assert {name: v for name, v in run.data.tags.items() if name.startswith("smartmixed.") or "parent" in name} == {
        "smartmixed.schema": "2",
        "smartmixed.task": "classification",
        "smartmixed.metric": "accuracy",
        "smartmixed.direction": "max",
        "smartmixed.unit": "share",
        "smartmixed.kind": "strategy",
        "smartmixed.sweep": "mine",
        "smartmixed.key": f"{recorded[1].key}/{strategy}",
        "smartmixed.trial": recorded[1].key,
        "smartmixed.dataset": "digits",
        "smartmixed.checksum": "c" * 16,
        "smartmixed.architecture": "512-256",
        "smartmixed.status": "finished",
        "smartmixed.strategy": strategy,
        "smartmixed.role": role,
        "smartmixed.ranking": f"{recorded[1].key} {rank}",
        "mlflow.parentRunId": trial.info.run_id,
    }
    assert run.data.params == {"parameters": "123", "depth": "2", "phase_fraction": "0.125", "temperature": "0.3"}
    assert set(run.data.metrics) == COMMON_METRICS | own


def test_every_member_of_the_stack_has_a_strategy_run(recorded: Any) -> None:
    found = all_runs(recorded[0])["strategy"]
    assert sorted(run.data.tags["smartmixed.strategy"] for run in found) == sorted(WITH_CONTROLS)


def test_means_deviations_and_sums_are_over_the_replicates(recorded: Any) -> None:
    metrics = run_of(recorded, "strategy", "smartmixed").data.metrics
    assert metrics["test_accuracy"] == pytest.approx(0.98)
    assert metrics["test_accuracy_std"] == pytest.approx(0.02 / 2**0.5)
    assert (metrics["test_accuracy_r0"], metrics["test_accuracy_r1"]) == (0.97, 0.99)
    assert metrics["test_correct"] == 1960


def test_curves_are_means_over_the_replicates_by_epoch(recorded: Any) -> None:
    run = run_of(recorded, "strategy", "smartmixed")
    history = connect(recorded[0]).get_metric_history(run.info.run_id, "epoch/val_accuracy")
    assert [(point.step, point.value) for point in history] == [
        (epoch, pytest.approx(0.98 - 0.1 / (epoch + 1))) for epoch in range(4)
    ]


def test_weights_are_copied_from_other_storage(tracking_uri: str, tmp_path: Path) -> None:
    weights = UPath("memory://weights/of-this-test")
    weights.write_bytes(b"far away")
    make_tracker(tracking_uri).record_trial(make_result(accuracies=SMALL, weights_path=str(weights)))
    weights.unlink()
    run_id = all_runs(tracking_uri)["trial"][0].info.run_id
    path = connect(tracking_uri).download_artifacts(run_id, "weights.safetensors", str(tmp_path))
    assert Path(path).read_bytes() == b"far away"


def test_one_replicate_has_no_deviation(tracking_uri: str) -> None:
    make_tracker(tracking_uri).record_trial(make_result(accuracies=SMALL, replicates=1))
    assert not [
        name for run in all_runs(tracking_uri)["strategy"] for name in run.data.metrics if name.endswith("_std")
    ]


def test_what_a_diverged_network_lacks_is_not_recorded(tracking_uri: str) -> None:
    result = make_result(accuracies={"smartmixed": 0.9, "relu": 0.8}, replicates=1)
    result.networks[1] = diverged_network(strategy="relu")
    make_tracker(tracking_uri).record_trial(result)
    (relu,) = [r for r in all_runs(tracking_uri)["strategy"] if r.data.tags["smartmixed.strategy"] == "relu"]
    assert relu.data.metrics["diverged"] == 1
    assert relu.data.metrics["test_accuracy"] == 0
    missing = {"val_loss", "test_loss", "best_epoch_r0", "epoch/train_loss"}
    assert not missing & set(relu.data.metrics)


def test_long_curves_take_several_batches(tracking_uri: str) -> None:
    make_tracker(tracking_uri).record_trial(make_result(accuracies={"smartmixed": 0.9, "relu": 0.8}, epochs=400))
    run = all_runs(tracking_uri)["strategy"][0]
    assert len(connect(tracking_uri).get_metric_history(run.info.run_id, "epoch/val_loss")) == 400


def test_a_space_with_very_many_architectures_is_cut_to_what_a_parameter_may_hold(tracking_uri: str) -> None:
    choices = [f"{width}-256-128" for width in range(1000)]
    make_tracker(tracking_uri, space={"architecture": {"choices": choices}})
    value = all_runs(tracking_uri)["sweep"][0].data.params["architecture.choices"]
    assert len(value) == 6000
    assert value.endswith("…")
