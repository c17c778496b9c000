"""The stack trains what the plain per-network loop trains."""

import dataclasses

import pytest
import torch

from smartmixed_search.config import CONTROLS, RANDOM_MIXED, SMARTMIXED, TrialConfig
from smartmixed_search.handoff import original_order
from smartmixed_search.stack.freeze import neuron_orders
from smartmixed_search.training import TwoPhaseTraining
from tests.reference import ReferenceTraining, toy_dataset

CPU = torch.device("cpu")
BASE = TrialConfig(
    dataset="toy",
    architecture=(9, 7),
    epochs=5,
    phase_fraction=0.4,
    learning_rate=0.02,
    logit_learning_rate=0.3,
    batch_size=16,
    replicates=2,
    controls=CONTROLS,
    clip_norm=0.5,
)
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
    reference = ReferenceTraining(trained.config, toy_dataset(), strategy, replicate)
    reference.run()
    column = trained.layout.columns[strategy]
    orders = [torch.arange(width).expand(BASE.replicates, -1) for width in BASE.architecture]
    if strategy == SMARTMIXED:
        orders = trained.selected.orders
    elif strategy == RANDOM_MIXED:
        orders = neuron_orders(trained.layout.tilts)
    weights, biases = original_order(trained.stack.parameters, column, orders)
    for layer, linear in enumerate(reference.linear()):
        torch.testing.assert_close(weights[layer][replicate], linear.weight.data, rtol=0, atol=1e-7)
        torch.testing.assert_close(biases[layer][replicate], linear.bias.data, rtol=0, atol=1e-7)
    losses = torch.stack(trained.curves["val_loss"])[:, replicate, column]
    torch.testing.assert_close(losses, torch.tensor(reference.val_losses), rtol=0, atol=1e-7, check_dtype=False)
