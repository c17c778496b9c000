"""SmartMixed's best networks as registered models, in a real store; most tests write a stand-in for the model."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from smartmixed_search.datasets.prepared import preparation_of
from smartmixed_search.errors import TrackingError
from smartmixed_search.export.served import served
from smartmixed_search.export.weights import TrainedNetwork, named_layers, read_network
from smartmixed_search.method.activations import register_activation, unregister_activation
from smartmixed_search.tracking.models import models
from smartmixed_search.tracking.models.model_files import write_model
from smartmixed_search.tracking.models.models import model_name, sweep_alias
from smartmixed_search.tracking.store.store import connect, default_tracking_uri
from tests.helpers.models import record, results, stand_in, trial
from tests.helpers.networks import draw, drop_in
from tests.helpers.tracked import Faulty, all_runs, make_tracker

NAME = "smartmixed-digits"
INPUTS, CLASSES = 6, 4


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exporting takes half a second."""
    monkeypatch.setattr(models, "write_model", stand_in)


def versions(uri: str) -> dict[str, int]:
    """Number of the version of each trial, by its key; fails where a trial has two."""
    found = list(connect(uri).search_model_versions(f"name = '{NAME}'"))
    assert len({version.run_id for version in found}) == len(found)
    return {version.tags["smartmixed.trial"]: int(version.version) for version in found}


def best_version(uri: str, alias: str = "mine") -> Any:
    return connect(uri).get_model_version_by_alias(NAME, alias)


@pytest.mark.usefixtures("quick")
def test_the_registry_is_the_store_whatever_the_environment_says(
    tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"sqlite:///{tmp_path}/elsewhere.db")
    (made,) = results(tmp_path, 0.1)
    assert record(tracking_uri, made).register_networks() == []
    assert not (tmp_path / "elsewhere.db").exists()
    monkeypatch.delenv("MLFLOW_REGISTRY_URI")
    assert versions(tracking_uri) == {made.key: 1}


@pytest.mark.usefixtures("quick")
def test_the_three_best_trials_by_validation_have_their_best_replicate_registered(
    tracking_uri: str, tmp_path: Path
) -> None:
    made = results(tmp_path, 0.1, 0.4, 0.2, 0.3)
    assert record(tracking_uri, *made).register_networks() == []
    assert versions(tracking_uri) == {made[1].key: 1, made[3].key: 2, made[2].key: 3}
    best = best_version(tracking_uri)
    (run,) = (run for run in all_runs(tracking_uri)["trial"] if run.data.tags["smartmixed.key"] == made[1].key)
    assert (int(best.version), best.run_id) == (1, run.info.run_id)
    assert best.tags == {
        "smartmixed.schema": "2",
        "smartmixed.sweep": "mine",
        "smartmixed.trial": made[1].key,
        "smartmixed.dataset": "digits",
        "smartmixed.checksum": "c" * 16,
        "smartmixed.architecture": "40-24",
        "smartmixed.phase_fraction": "0.125",
        "smartmixed.temperature": "0.3",
        "smartmixed.replicate": "2",
        "smartmixed.val_loss": "0.1",
        "smartmixed.test_accuracy": "0.7",
    }
    assert "Replicate 2 of trial" in best.description
    assert Path(best.source.removeprefix("file://"), "MLmodel").read_text() == "2"


@pytest.mark.usefixtures("quick")
def test_models_are_outputs_of_their_trial_and_of_the_sweep(tracking_uri: str, tmp_path: Path) -> None:
    record(tracking_uri, *results(tmp_path, 0.1, 0.2)).register_networks()
    found = all_runs(tracking_uri)
    outputs = [run.outputs.model_outputs for run in (*found["sweep"], *found["trial"]) if run.outputs]
    ids = [[output.model_id for output in one] for one in outputs]
    assert sorted(map(len, ids)) == [1, 1, 2]
    assert {*ids[0]} == {*ids[1], *ids[2]}


@pytest.mark.usefixtures("quick")
def test_the_sweep_s_description_says_where_they_are(tracking_uri: str, tmp_path: Path) -> None:
    made = results(tmp_path, 0.1)
    record(tracking_uri, *made).register_networks()
    note = all_runs(tracking_uri)["sweep"][0].data.tags["mlflow.note.content"]
    assert "**SmartMixed sweep** mine" in note
    assert "models:/smartmixed-digits@mine" in note
    record(tracking_uri, *made).register_networks()
    assert all_runs(tracking_uri)["sweep"][0].data.tags["mlflow.note.content"] == note


@pytest.mark.usefixtures("quick")
def test_a_description_of_the_user_s_own_is_kept(tracking_uri: str, tmp_path: Path) -> None:
    tracker = make_tracker(tracking_uri)
    connect(tracking_uri).set_tag(tracker._opened.info.run_id, "mlflow.note.content", "mine alone")
    record(tracking_uri, *results(tmp_path, 0.1)).register_networks()
    assert all_runs(tracking_uri)["sweep"][0].data.tags["mlflow.note.content"] == "mine alone"


@pytest.mark.usefixtures("quick")
def test_a_sweep_that_goes_on_registers_what_is_new_and_moves_the_alias(tracking_uri: str, tmp_path: Path) -> None:
    made = results(tmp_path, 0.1, 0.2, 0.3, 0.4)
    record(tracking_uri, *made[:3]).register_networks()
    before = versions(tracking_uri)
    record(tracking_uri, *made).register_networks()
    assert versions(tracking_uri) == before | {made[3].key: 4}
    assert int(best_version(tracking_uri).version) == 4


@pytest.mark.usefixtures("quick")
def test_sweeps_on_one_dataset_share_the_model_and_have_an_alias_each(tracking_uri: str, tmp_path: Path) -> None:
    first, second = results(tmp_path, 0.1, 0.2)
    record(tracking_uri, first, sweep="one").register_networks()
    record(tracking_uri, second, sweep="two.5").register_networks()
    assert best_version(tracking_uri, "one").tags["smartmixed.trial"] == first.key
    assert best_version(tracking_uri, sweep_alias("two.5")).tags["smartmixed.trial"] == second.key


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("earlier", [False, True], ids=["tagged", "of an earlier version"])
def test_other_data_of_one_name_have_a_model_of_their_own(tracking_uri: str, tmp_path: Path, earlier: bool) -> None:
    first, second, third = results(tmp_path, 0.1, 0.2, 0.3)
    record(tracking_uri, first, sweep="one").register_networks()
    client = connect(tracking_uri)
    if earlier:
        client.delete_registered_model_tag(NAME, "smartmixed.checksum")
        for run in (run for kind in all_runs(tracking_uri).values() for run in kind):
            client.delete_tag(run.info.run_id, "smartmixed.checksum")
    other = {"name": "digits", "checksum": "3f2a9188c0ffee00"}
    for _ in range(2):
        tracker = make_tracker(tracking_uri, "two", environment={"dataset": other})
        tracker.record_trial(second)
        tracker.register_networks()
    record(tracking_uri, third, sweep="three").register_networks()
    trials = {
        name: sorted(found.tags["smartmixed.trial"] for found in client.search_model_versions(f"name = '{name}'"))
        for name in (model.name for model in client.search_registered_models())
    }
    assert trials == {NAME: sorted([first.key, third.key]), f"{NAME}-3f2a91": [second.key]}
    assert best_version(tracking_uri, "one").tags["smartmixed.trial"] == first.key
    assert client.get_model_version_by_alias(f"{NAME}-3f2a91", "two").tags["smartmixed.checksum"] == other["checksum"]


def test_any_name_becomes_one_that_mlflow_takes_and_none_becomes_another_s() -> None:
    names = ["digits", "it's", "it-s", "a/b:c", "a.b", "latest", "v3", "V3", "名", "%2F", "x" * 300]
    for of in (model_name, sweep_alias):
        plain = [of(name) for name in names]
        assert len({*plain}) == len(names)
        assert all(
            set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") for name in plain
        )
        assert max(map(len, plain)) < 250
    assert not {"latest", "v3", "V3"} & {*map(sweep_alias, names)}


@pytest.mark.usefixtures("quick")
def test_a_trial_without_a_network_is_left_out_with_a_sentence(tracking_uri: str, tmp_path: Path) -> None:
    made = results(tmp_path, 0.3, 0.2, 0.1)
    Path(made[0].weights_path or "").write_bytes(b"damaged")
    made[1] = replace(made[1], weights_path=None)
    left_out = record(tracking_uri, *made).register_networks()
    assert left_out[0].startswith(
        f"trial {made[0].key} has no model in MLflow (a network must be a whole safetensors file"
    )
    assert left_out[1].startswith(f"trial {made[1].key} has no model in MLflow (run ")
    assert [*versions(tracking_uri)] == [made[2].key]
    assert int(best_version(tracking_uri).version) == 1


def test_a_sweep_without_a_finished_trial_registers_nothing(tracking_uri: str) -> None:
    assert record(tracking_uri).register_networks() == []
    assert not connect(tracking_uri).search_registered_models()


# --- a store that fails ---


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("lost", ["request", "answer"])
def test_what_failed_is_completed_and_nothing_is_there_twice(
    store_template: Path, tmp_path: Path, tracking_uri: str, lost: str
) -> None:
    (made,) = results(tmp_path, 0.1)
    counted = record(tracking_uri, made)
    counted._client = Faulty(counted._client, 10**9, "request")
    counted.register_networks()
    writes = 10**9 - counted._client._left
    recorded = tmp_path / "recorded"
    recorded.mkdir()
    shutil.copy(store_template, recorded)
    record(default_tracking_uri(recorded), made)
    for number in range(writes):
        shutil.copytree(recorded, tmp_path / str(number))
        uri = default_tracking_uri(tmp_path / str(number))
        tracker = make_tracker(uri)
        client = tracker._client
        tracker._client = Faulty(client, number, lost)
        with pytest.raises(TrackingError, match="no answer"):
            tracker.register_networks()
        tracker._client = client
        assert tracker.register_networks() == []
        assert versions(uri) == {made.key: 1}
        (model,) = client.search_logged_models([all_runs(uri)["sweep"][0].info.experiment_id])
        assert json.loads(model.tags["mlflow.modelVersions"]) == [{"name": NAME, "version": 1}]
        assert int(best_version(uri).version) == 1


# --- what is written ---


def network() -> TrainedNetwork:
    weights, biases, choices = draw((INPUTS, 16, 8, CLASSES))
    return TrainedNetwork(
        replicate=1,
        tensors=named_layers(weights, biases),
        choices=choices,
        config={},
        preparation=preparation_of("digits"),
    )


@pytest.fixture
def written(tmp_path: Path) -> Callable[[TrainedNetwork], Path]:
    def written(network: TrainedNetwork) -> Path:
        write_model(network, tmp_path / "model")
        return tmp_path / "model"

    return written


def test_the_model_is_loaded_by_mlflow_alone_and_computes_the_same(
    written: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    path, x = written(network()), torch.randn(3, INPUTS)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # it stays on the CPU also where there is a GPU
    model = mlflow.pyfunc.load_model(str(path))
    for count in (1, 3):
        expected = drop_in(*draw((INPUTS, 16, 8, CLASSES)))(x[:count] / 16).softmax(1).detach().numpy()
        np.testing.assert_allclose(model.predict(x[:count].numpy()), expected, rtol=1e-5, atol=1e-6)
    signature = model.metadata.signature
    assert [spec.shape for spec in (*signature.inputs.inputs, *signature.outputs.inputs)] == [(-1, 6), (-1, 4)]
    assert model.predict(model.input_example).shape == (2, CLASSES)
    assert mlflow.pytorch.load_model(str(path))(x).shape == (3, CLASSES)


def test_the_model_names_no_machine_and_needs_torch_and_mlflow_alone(written: Any, tmp_path: Path) -> None:
    path = written(network())
    requirements = (path / "requirements.txt").read_text().splitlines()
    assert [requirement.partition("==")[0] for requirement in requirements] == ["mlflow", "torch", "numpy"]
    assert all("==" in requirement and "+" not in requirement for requirement in requirements)
    for file in (file for file in path.rglob("*") if file.is_file()):
        content = file.read_bytes()
        assert str(tmp_path).encode() not in content
        assert str(Path(__file__).parents[3]).encode() not in content


def test_a_user_s_function_needs_no_plugin(written: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    register_activation("softsign", torch.nn.functional.softsign)
    try:
        weights, biases, choices = draw((INPUTS, 16, CLASSES), ["softsign", "relu"])
        own = TrainedNetwork(
            replicate=0,
            tensors=named_layers(weights, biases),
            choices=choices,
            config={},
            preparation=preparation_of("digits"),
        )
        path, x = written(own), torch.randn(3, INPUTS)
        expected = served(own)(x).detach().numpy()
    finally:
        unregister_activation("softsign")
    np.testing.assert_allclose(mlflow.pyfunc.load_model(str(path)).predict(x.numpy()), expected, rtol=1e-5, atol=1e-6)


def test_a_plugin_that_is_gone_leaves_the_trial_out(tracking_uri: str, tmp_path: Path) -> None:
    made = trial(tmp_path, 0, plugins=["no_such_plugin"])
    (sentence,) = record(tracking_uri, made).register_networks()
    assert "no_such_plugin" in sentence


def test_the_registered_version_is_found_by_its_alias(
    tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    (made,) = results(tmp_path, 0.1)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")  # nothing may go where it points to
    record(tracking_uri, made).register_networks()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    x = torch.randn(2, 6)
    predicted = mlflow.pyfunc.load_model("models:/smartmixed-digits@mine").predict(x.numpy())
    expected = served(read_network(made.weights_path or "", 2))(x).detach().numpy()
    np.testing.assert_allclose(predicted, expected, rtol=1e-5, atol=1e-6)
