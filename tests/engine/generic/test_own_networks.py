"""Trials of a user's own networks: as the network by itself, resumed to the same bits, and as a file elsewhere."""

import dataclasses
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from smartmixed_search.datasets import Dataset
from smartmixed_search.engine.generic.networks import GenericNetworks
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.errors import TrialInterrupted
from smartmixed_search.export.formats import encode
from smartmixed_search.export.weights import load_network, read_network
from smartmixed_search.families import family_of, own
from smartmixed_search.method.modules import FixedActivation
from smartmixed_search.method.randomness import batch_orders, seed_sequence
from smartmixed_search.tasks.classification import Classification
from smartmixed_search.trials.config import SMARTMIXED, TrialConfig
from tests.helpers import own_networks
from tests.helpers.reference import toy_dataset

CONFIG = TrialConfig(
    dataset="toy",
    architecture=own(own_networks.convolutional, width=3),
    phase_fraction=0.5,
    epochs=4,
    learning_rate=0.02,
    logit_learning_rate=0.5,
    batch_size=16,
    replicates=2,
    pool=("relu", "tanh", "elu"),
    strategies=(SMARTMIXED, "relu", "tanh"),
)


def images() -> Dataset:
    """Return the toy data as images of 2 × 3 pixels, [N, 1, 2, 3]."""
    return dataclasses.replace(toy_dataset(), shape=(1, 2, 3))


def test_a_baseline_is_the_network_trained_by_hand() -> None:
    config = dataclasses.replace(CONFIG, architecture=own(own_networks.dense), replicates=1, clip_norm=1e-2)
    training = TwoPhaseTraining(config, images(), torch.device("cpu"))
    training.run()
    column, data = training.layout.columns["relu"], images()
    rng = np.random.default_rng(seed_sequence(config.seed, 0, "weights"))
    network = family_of(config.architecture).build(
        config.architecture, (1, 2, 3), 3, lambda site: FixedActivation("relu"), rng
    )
    plain = network.network
    optimizer = torch.optim.Adam(plain.parameters(), lr=config.learning_rate)
    for epoch in range(config.epochs):
        (order,) = batch_orders(config.seed, [0], epoch, len(data.x_train))
        total = 0.0
        for batch in torch.split(torch.from_numpy(order), config.batch_size):
            loss = nn.functional.cross_entropy(plain(data.x_train[batch].view(-1, 1, 2, 3)), data.y_train[batch])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(plain.parameters(), config.clip_norm)
            optimizer.step()
            total += loss.item() * len(batch)
        recorded = float(training.curves["train_loss"][epoch][0, column])
        assert recorded == pytest.approx(total / len(order), rel=1e-5)


def test_what_networks_do_to_their_inputs_in_place_does_not_reach_the_data() -> None:
    config = dataclasses.replace(CONFIG, architecture=own(own_networks.convolutional))
    arrays = {name: np.repeat(array, 7, 1) if name[0] == "x" else array for name, array in images().arrays().items()}
    data = Dataset.from_arrays(arrays, name="toy", checksum="0" * 16, task=Classification(3), shape=(7, 2, 3))
    before = {name: array.copy() for name, array in data.arrays().items()}
    assert any(np.abs(array).max() > 1 for name, array in before.items() if name[0] == "x"), "hardtanh cuts some"
    run_trial(config, data)
    assert all(np.array_equal(before[name], array) for name, array in data.arrays().items())


def test_a_trial_that_was_stopped_goes_on_to_the_same_numbers(tmp_path: Path) -> None:
    whole = run_trial(CONFIG, images())
    for stops in range(3):
        with pytest.raises(TrialInterrupted, match=f"after {stops + 1} of 4"):
            run_trial(CONFIG, images(), state_dir=tmp_path, stop=lambda: True)
    resumed = run_trial(CONFIG, images(), state_dir=tmp_path)
    assert resumed.networks == whole.networks
    assert resumed.choices == whole.choices


def test_the_file_of_a_trial_holds_the_networks_that_were_tested(tmp_path: Path) -> None:
    data, path = images(), tmp_path / "weights.safetensors"
    result = run_trial(CONFIG, data, weights_path=path)
    for network in (one for one in result.networks if one.strategy == SMARTMIXED):
        loaded = load_network(path, network.replicate)
        with torch.no_grad():
            right = (loaded(data.x_test.view(-1, 1, 2, 3)).argmax(1) == data.y_test).sum()
        assert int(right) == network.test["correct"]


def test_an_exported_program_answers_as_the_network(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    run_trial(dataclasses.replace(CONFIG, replicates=1), images(), weights_path=path)
    network = read_network(path)
    (tmp_path / "program.pt2").write_bytes(encode(network, "torch-export"))
    (tmp_path / "one.safetensors").write_bytes(encode(network, "safetensors"))
    program = torch.export.load(tmp_path / "program.pt2").module()
    x = torch.randn(5, 1, 2, 3)
    with torch.no_grad():
        expected = load_network(tmp_path / "one.safetensors")(x)
        torch.testing.assert_close(program(x), expected)


def test_a_layer_that_stands_in_two_places_is_trained_in_every_epoch() -> None:
    config = dataclasses.replace(CONFIG, architecture=own(own_networks.tied), replicates=1)
    training = TwoPhaseTraining(config, images(), torch.device("cpu"))
    networks = training.networks
    assert isinstance(networks, GenericNetworks)
    place, weights = networks._names.index("network.2.weight"), []
    training.run(lambda epoch, _: weights.append(networks.parameters.shared[place].clone()))
    for before, after in pairwise(weights):
        assert (before != after).flatten(1).any(1).all()
        assert ((before - after).abs().amax((0, 2, 3)) > 1e-3).all(), "no moment that goes on after the gradients"


def test_state_of_a_module_is_kept_and_no_evaluation_changes_it(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, architecture=own(own_networks.stateful), replicates=1)
    training = TwoPhaseTraining(config, images(), torch.device("cpu"))
    networks = training.networks
    assert isinstance(networks, GenericNetworks)
    training.run()
    of = {name: networks.parameters.shared[len(networks._names) + i] for i, name in enumerate(networks._buffers)}
    before = {name: tensor.clone() for name, tensor in of.items()}
    column = training.layout.columns["relu"]
    assert before["network.passes"][0, column] == config.epochs * 3, "batches, and no evaluation"
    assert (before["network.mean"][0, column] > 0).any()
    assert networks.optimizer.alive.all()
    training.evaluate("val")
    training.evaluate("test", training.final)
    assert all(torch.equal(before[name], tensor) for name, tensor in of.items())


def test_replaced_buffers_are_resumed(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, architecture=own(own_networks.stateful), replicates=1)
    whole = run_trial(config, images(), weights_path=tmp_path / "whole")
    for _ in range(2):
        with pytest.raises(TrialInterrupted):
            run_trial(config, images(), state_dir=tmp_path, stop=lambda: True)
    run_trial(config, images(), state_dir=tmp_path, weights_path=tmp_path / "resumed")
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "resumed").read_bytes()
    assert whole.networks[0].status == "finished"
