"""What chooses: every unit, all units of a site together, or all of the network."""

import dataclasses

import numpy as np
import pytest
import torch

from smartmixed_search.engine.engines import engine_of
from smartmixed_search.engine.generic.networks import GenericNetworks
from smartmixed_search.engine.measurement import Measured, measure
from smartmixed_search.engine.stack.networks import StackNetworks
from smartmixed_search.engine.state import dump, load
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.method.modules import FixedActivation, SelectiveActivation
from smartmixed_search.trials.config import RANDOM_MIXED, SMARTMIXED, TrialConfig
from tests.engine.contract import CONFIG
from tests.helpers.reference import toy_dataset


def training(granularity: str, **changes: object) -> TwoPhaseTraining:
    config = dataclasses.replace(CONFIG, granularity=granularity, **changes)
    return TwoPhaseTraining(config, toy_dataset(), torch.device("cpu"), torch.float64, engine=GenericNetworks)


def measured(granularity: str, **changes: object) -> Measured:
    made = training(granularity, **changes)
    made.run()
    return measure(made)


@pytest.mark.parametrize("granularity", ["layer", "network"])
def test_units_that_choose_together_have_one_function(granularity: str) -> None:
    for choice in measured(granularity).choices:
        assert [len(functions) for functions in choice.functions] == [7, 5]
        assert all(len(set(functions)) == 1 for functions in choice.functions)
        assert [sum(layer) for layer in choice.counts[0]] == [7, 5]
        if granularity == "network":
            assert len({functions[0] for functions in choice.functions}) == 1
            assert choice.confidence[0] == pytest.approx(choice.confidence[1])


@pytest.mark.parametrize("changes", [{}, {"estimator": "soft", "clamp": 0.4}, {"evaluation": "sampled"}])
def test_where_layers_have_one_unit_a_layer_chooses_as_its_unit(changes: dict[str, object]) -> None:
    by_layer, by_unit = (measured(granularity, architecture=(1, 1), **changes) for granularity in ("layer", "unit"))
    assert [choice.functions for choice in by_layer.choices] == [choice.functions for choice in by_unit.choices]
    losses = ([network.val["loss"] for network in made.networks] for made in (by_layer, by_unit))
    np.testing.assert_allclose(*losses, rtol=1e-9)


def test_where_there_is_one_layer_the_network_chooses_as_it() -> None:
    by_network, by_layer = (measured(granularity, architecture=(6,)) for granularity in ("network", "layer"))
    assert (by_network.networks, by_network.choices) == (by_layer.networks, by_layer.choices)


def test_random_mixed_has_one_function_for_what_chooses_together() -> None:
    made = training("layer")
    column = made.layout.columns[RANDOM_MIXED]
    network = made.networks._modules[0][column]
    assert [len({*network.get_submodule(f"activation{layer}").choices}) for layer in (0, 1)] == [1, 1]


def test_training_goes_on_from_a_state_of_either_phase() -> None:
    whole = measured("network")
    made, states = training("network"), []
    made.run(lambda epoch, _: states.append(dump(made, 0.0)))
    for state in states[:-1]:
        again = training("network")
        load(again, state)
        again.run()
        assert measure(again).networks == whole.networks


def test_a_sample_for_all_units_weighs_the_sum_of_their_gradients() -> None:
    together, apart = SelectiveActivation(None, hard=False).double(), SelectiveActivation(5, hard=False).double()
    logits = torch.randn(1, 6, dtype=torch.float64)
    together.logits.data, apart.logits.data = logits.clone(), logits.repeat(5, 1)
    x = torch.randn(3, 5, dtype=torch.float64)
    for module in (together, apart):
        module.eval()
        module.mix = lambda module=module: module.logits.softmax(-1)
        (module(x) ** 2).sum().backward()
    torch.testing.assert_close(together.logits.grad[0], apart.logits.grad.sum(0))


def test_units_that_chose_together_are_frozen_as_one_function() -> None:
    frozen = SelectiveActivation(None).freeze()
    assert isinstance(frozen, FixedActivation)


def test_a_perceptron_whose_units_choose_by_themselves_is_trained_as_a_stack() -> None:
    assert engine_of(CONFIG) is StackNetworks
    assert engine_of(dataclasses.replace(CONFIG, granularity="layer")) is GenericNetworks


def test_trials_that_do_not_use_it_keep_their_keys() -> None:
    plain = TrialConfig(dataset="digits", architecture=(8,), strategies=(SMARTMIXED, "relu"))
    assert dataclasses.replace(plain, granularity="unit").key == plain.key
    assert dataclasses.replace(plain, granularity="layer").key != plain.key
