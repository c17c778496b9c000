"""A trial: a pure function from configuration and dataset to a measured stack."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from smartmixed_search.datasets import Dataset
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.errors import ConfigError
from smartmixed_search.method.activations import get_activation
from smartmixed_search.method.randomness import GumbelNoise
from smartmixed_search.method.selection import temperatures
from smartmixed_search.trials.result import TrialResult
from tests.helpers.reference import toy_dataset
from tests.helpers.training import BASE


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> TrialResult:
    return run_trial(BASE, toy_dataset(), weights_path=tmp_path_factory.mktemp("trial") / "weights.safetensors")


def numbers(result: TrialResult) -> dict[str, object]:
    return dataclasses.replace(result, seconds=0.0, weights_path=None, weights_checksum=None).to_dict()


def test_one_network_result_per_strategy_and_replicate(result: TrialResult) -> None:
    names = [(n.replicate, n.strategy) for n in result.networks]
    assert names == [(replicate, name) for replicate in range(2) for name in BASE.members]
    assert {n.role for n in result.networks if n.strategy in ("selective", "random-mixed")} == {"control"}
    assert {n.epochs for n in result.networks} == {5}
    assert {n.steps for n in result.networks} == {15}
    assert {n.parameters for n in result.networks} == {6 * 9 + 9 + 9 * 7 + 7 + 7 * 3 + 3}
    assert result.selection_steps == 6


def test_figures_are_consistent(result: TrialResult) -> None:
    for network in result.networks:
        assert network.val["accuracy"] == network.val["correct"] / 19
        assert network.test["accuracy"] == network.test["correct"] / 23
        assert network.best_epoch is not None
        assert network.val["loss"] == network.curves["val_loss"][network.best_epoch]
        assert network.val_last["loss"] == network.curves["val_loss"][-1]
        assert all(len(curve) == 5 for curve in network.curves.values())
        assert (network.test_at_handoff is None) == (network.strategy == "smartmixed")
        assert bool(network.phase1) == (network.strategy == "smartmixed")


def test_the_same_call_gives_the_same_numbers(result: TrialResult) -> None:
    assert numbers(run_trial(BASE, toy_dataset())) == numbers(result)


def test_choices_are_counted_at_every_selection_epoch(result: TrialResult) -> None:
    for choice in result.choices:
        assert len(choice.counts) == result.selection_epochs
        assert [[sum(layer) for layer in epoch] for epoch in choice.counts] == [[9, 7]] * result.selection_epochs
        at_handoff = [[layer.count(name) for name in BASE.pool] for layer in choice.functions]
        assert choice.counts[-1] == at_handoff, "the handoff is from the last epoch"


def test_a_result_survives_json(result: TrialResult) -> None:
    assert TrialResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_saved_weights_are_the_frozen_network(result: TrialResult) -> None:
    data = toy_dataset()
    with safe_open(result.weights_path, "pt") as file:
        choices = json.loads(file.metadata()["choices"])
        for network in (n for n in result.networks if n.strategy == "smartmixed"):
            x = data.x_test
            for layer in range(3):
                name = f"replicate{network.replicate}.layer{layer}"
                x = x @ file.get_tensor(f"{name}.weight").T + file.get_tensor(f"{name}.bias")
                if layer < 2:
                    functions = choices[str(network.replicate)][layer]
                    x = torch.stack([get_activation(f).function(x[:, i]) for i, f in enumerate(functions)], 1)
            assert (x.argmax(1) == data.y_test).sum() == network.test["correct"]
            assert torch.nn.functional.cross_entropy(x, data.y_test).item() == pytest.approx(
                network.test["loss"], abs=1e-6
            )


def test_choices_describe_every_neuron(result: TrialResult) -> None:
    for choice in result.choices:
        assert [len(layer) for layer in choice.functions] == [9, 7]
        assert all(1 / 6 < confidence <= 1 for confidence in choice.confidence)
        assert all(0 <= entropy <= 1.8 for entropy in choice.entropy)
        assert all(0 <= share <= 1 for share in choice.changed)


def test_the_objective_never_touches_test_data(result: TrialResult) -> None:
    data = toy_dataset()
    arrays = data.arrays()
    arrays["x_test"], arrays["y_test"] = -7 * arrays["x_test"], arrays["y_test"][::-1].copy()
    other = run_trial(BASE, Dataset.from_arrays(arrays, name="toy", checksum="1" * 16, task=data.task))
    assert other.objective == result.objective
    assert [n.val["loss"] for n in other.networks] == [n.val["loss"] for n in result.networks]
    assert [n.test["correct"] for n in other.networks] != [n.test["correct"] for n in result.networks]


@pytest.mark.parametrize("kind", ["margin", "accuracy"])
def test_every_epoch_is_reported(kind: str) -> None:
    reports: list[dict[str, float]] = []
    config = dataclasses.replace(BASE, objective=kind)
    result = run_trial(config, toy_dataset(), report=lambda epoch, metrics: reports.append(metrics))
    assert [report["epoch"] for report in reports] == list(range(5))
    curves = {(n.strategy, n.replicate): n.curves["val_accuracy"] for n in result.networks}

    def mean(strategy: str) -> float:
        return sum(curves[strategy, replicate][-1] for replicate in range(2)) / 2

    rival = max(mean(name) for name in BASE.fixed_strategies) if kind == "margin" else 0
    assert reports[-1][kind] == pytest.approx(mean("smartmixed") - rival)


@pytest.mark.parametrize("evaluation", ["argmax", "sampled"])
def test_phase_1_records_both_evaluations(evaluation: str) -> None:
    config = dataclasses.replace(BASE, evaluation=evaluation, controls=())
    result = run_trial(config, toy_dataset())
    for network in (n for n in result.networks if n.strategy == "smartmixed"):
        phase1 = network.phase1
        assert phase1["val_loss_argmax"] != phase1["val_loss_sampled"]
        assert phase1["best_epoch"] in (0, 1)
        recorded = network.curves["val_loss"][int(phase1["best_epoch"])]
        assert recorded == pytest.approx(phase1[f"val_loss_{evaluation}"], rel=1e-6)


def test_sampled_evaluation_is_the_mean_of_eight_draws_at_the_epochs_temperature() -> None:
    config = dataclasses.replace(
        BASE, controls=("selective",), estimator="soft", temperature=2.0, temperature_final=0.1, evaluation="sampled"
    )
    training = TwoPhaseTraining(config, toy_dataset(), torch.device("cpu"), torch.float64)
    seen: list[list[torch.Tensor]] = []
    training.run(lambda epoch, _: seen.append([t[0, 0].clone() for t in training.networks.stack.parameters.tensors()]))
    state, data = seen[0], toy_dataset()
    weights, biases, logits = state[:3], state[3:6], state[6:]
    temperature = temperatures(2.0, 0.1, 6)[2]
    noise = GumbelNoise(0, (0, 1), (9, 7), 6, stream="sampled", device=torch.device("cpu"), dtype=torch.float64).block(
        0, 8
    )
    losses = []
    for draw in range(8):
        x = data.x_val.double()
        for layer in range(2):
            x = x @ weights[layer].T + biases[layer]
            mix = ((logits[layer] + noise[layer][draw, 0]) / temperature).softmax(-1)
            x = (torch.stack([get_activation(name).function(x) for name in config.pool], -1) * mix).sum(-1)
        losses.append(torch.nn.functional.cross_entropy(x @ weights[2].T + biases[2], data.y_val))
    expected = torch.stack(losses).mean().item()
    assert training.curves["val_loss"][0][0, 0].item() == pytest.approx(expected, rel=1e-9)


def test_at_handoff_is_of_the_best_selection_epoch(result: TrialResult) -> None:
    data = toy_dataset()
    training = TwoPhaseTraining(BASE, data, torch.device("cpu"))
    training.run()
    for network in (n for n in result.networks if n.strategy in ("relu", "tanh")):
        at = network.replicate, training.layout.columns[network.strategy]
        x = data.x_test
        for layer in range(3):
            parameters = training.early.parameters
            x = x @ parameters.weights[layer][at].T + parameters.biases[layer][at]
            x = get_activation(network.strategy).function(x) if layer < 2 else x
        expected = (x.argmax(1) == data.y_test).double().mean().item()
        assert network.test_at_handoff == pytest.approx(expected)


def test_a_network_that_never_had_a_finite_loss_is_recorded_and_the_objective_is_finite() -> None:
    result = run_trial(dataclasses.replace(BASE, learning_rate=1e37, logit_learning_rate=1.0), toy_dataset())
    diverged = [n for n in result.networks if n.status == "diverged"]
    assert diverged
    for network in (n for n in diverged if n.best_epoch is None):
        assert (network.val["loss"], network.test["loss"], network.test["accuracy"]) == (None, None, 0.0)
        assert network.steps < 15
    assert -1 <= result.objective <= 1
    json.dumps(result.to_dict(), allow_nan=False)


def test_the_dataset_must_be_the_configured_one() -> None:
    with pytest.raises(ConfigError, match=r"must be 'digits', as configured, but got 'toy'"):
        run_trial(dataclasses.replace(BASE, dataset="digits"), toy_dataset())


def test_weights_go_to_a_folder_made_for_them(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.safetensors"
    result = run_trial(dataclasses.replace(BASE, epochs=2, controls=()), toy_dataset(), weights_path=path)
    assert result.weights_path == str(path)
    assert path.stat().st_size > 0
