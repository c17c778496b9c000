"""The stack trains what the plain per-network loop trains."""

import dataclasses

import pytest
import torch

from smartmixed_search.engine.stack.parameters import original_order
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.method.activations import register_activation, unregister_activation
from smartmixed_search.trials.config import RANDOM_MIXED, SMARTMIXED, TrialConfig
from tests.helpers.reference import ReferenceTraining, toy_dataset
from tests.helpers.training import BASE, CPU, wavy

TOLERANCE = 5e-8  # the fused Adam takes the clip as a float32 number
VARIANTS = {
    "published": {},
    "soft estimator": {"estimator": "soft"},
    "annealed, clamped": {"temperature": 1.5, "temperature_final": 0.2, "clamp": 0.4},
    "softmax twice": {"output": "softmax"},
    "one learning rate": {"logit_learning_rate": None, "clip_norm": 10.0},
}


def train(config: TrialConfig, dtype: torch.dtype = torch.float64) -> TwoPhaseTraining:
    training = TwoPhaseTraining(config, toy_dataset(), CPU, dtype)
    training.run()
    return training


@pytest.fixture(scope="module", params=VARIANTS, ids=list(VARIANTS))
def trained(request: pytest.FixtureRequest) -> TwoPhaseTraining:
    return train(dataclasses.replace(BASE, **VARIANTS[request.param]))


@pytest.mark.parametrize("strategy", BASE.members)
@pytest.mark.parametrize("replicate", range(BASE.replicates))
def test_every_network_equals_the_plain_loop(trained: TwoPhaseTraining, strategy: str, replicate: int) -> None:
    assert_equals_the_plain_loop(trained, strategy, replicate)


@pytest.mark.parametrize("strategy", ["smartmixed", "selective", "relu"])
def test_a_long_selection_equals_the_plain_loop(strategy: str) -> None:
    config = dataclasses.replace(
        BASE, epochs=9, phase_fraction=0.8, batch_size=6, replicates=1, strategies=("smartmixed", "relu")
    )
    training = train(config)
    assert training.selection_steps > 32, "noise is drawn for 32 steps at a time"
    assert_equals_the_plain_loop(training, strategy, 0)


@pytest.mark.parametrize("strategy", ["smartmixed", "wavy", "selective", "random-mixed"])
def test_a_users_function_equals_the_plain_loop(strategy: str) -> None:
    register_activation("wavy", wavy)
    try:
        config = dataclasses.replace(BASE, pool=("relu", "wavy", "tanh"), strategies=("smartmixed", "wavy"))
        assert_equals_the_plain_loop(train(config), strategy, 1)
    finally:
        unregister_activation("wavy")


def assert_equals_the_plain_loop(trained: TwoPhaseTraining, strategy: str, replicate: int) -> None:
    """Compare final weights and validation losses with one network trained by autograd and torch's optimiser."""
    reference = ReferenceTraining(trained.config, toy_dataset(), strategy, replicate)
    reference.run()
    config = trained.config
    column = trained.layout.columns[strategy]
    choices = [torch.zeros(config.replicates, width) for width in config.architecture]
    if strategy == SMARTMIXED:
        choices = trained.selected.choices
    elif strategy == RANDOM_MIXED:
        choices = trained.layout.tilts
    weights, biases = original_order(trained.networks.stack.parameters, column, choices)
    for layer, linear in enumerate(reference.linear()):
        torch.testing.assert_close(weights[layer][replicate], linear.weight.data, rtol=0, atol=TOLERANCE)
        torch.testing.assert_close(biases[layer][replicate], linear.bias.data, rtol=0, atol=TOLERANCE)
    for curve, expected in (("val_loss", reference.val_losses), ("train_loss", reference.train_losses)):
        losses = torch.stack(trained.curves[curve])[:, replicate, column]
        torch.testing.assert_close(losses, torch.tensor(expected, dtype=losses.dtype), rtol=0, atol=TOLERANCE)
