"""Networks of a stack do not touch each other, and a strategy alone trains as it does in company."""

import dataclasses

import pytest
import torch

from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.method.activations import register_activation, unregister_activation
from smartmixed_search.trials.config import SMARTMIXED
from tests.helpers.reference import toy_dataset
from tests.helpers.training import BASE, CPU

FINAL = ("weights", "biases")


def run(poison: tuple[int, int] | None = None, **changes: object) -> TwoPhaseTraining:
    training = TwoPhaseTraining(dataclasses.replace(BASE, **changes), toy_dataset(), CPU)
    if poison is not None:
        training.networks.stack.parameters.weights[1][poison][0, 0] = torch.inf
    training.run()
    return training


def columns(training: TwoPhaseTraining, names: tuple[str, ...]) -> list[torch.Tensor]:
    indices = [training.layout.columns[name] for name in names]
    final = training.final
    tensors = [t[:, indices] for group in FINAL for t in getattr(final.parameters, group)]
    return [*tensors, final.loss[:, indices], final.quantities["correct"][:, indices], final.epoch[:, indices]]


@pytest.mark.parametrize("name", ["smartmixed", "elu", "selective", "random-mixed"])
def test_a_diverged_network_leaves_its_neighbours_unchanged(name: str) -> None:
    calm = run()
    column = calm.layout.columns[name]
    disturbed = run(poison=(1, column))
    assert disturbed.networks.optimizer.alive.logical_not().nonzero().tolist() == [[1, column]]
    others = torch.ones_like(calm.networks.optimizer.alive)
    others[1, column] = False
    for group in FINAL:
        for before, after in zip(
            getattr(calm.final.parameters, group), getattr(disturbed.final.parameters, group), strict=True
        ):
            assert torch.equal(before[others], after[others])
    assert torch.equal(calm.final.loss[others], disturbed.final.loss[others])


def test_a_diverged_network_stops_and_keeps_its_best_checkpoint() -> None:
    training = TwoPhaseTraining(BASE, toy_dataset(), CPU)
    column = training.layout.columns["tanh"]
    kept: list[torch.Tensor] = []

    def poison(epoch: int, _: object) -> None:
        if epoch == 2:
            kept.append(training.final.parameters.weights[0][0, column].clone())
            training.networks.stack.parameters.weights[1][0, column, 0, 0] = torch.nan
        elif epoch > 2:
            kept.append(training.networks.stack.parameters.weights[0][0, column].clone())

    training.run(poison)
    assert not training.networks.optimizer.alive[0, column]
    assert training.networks.optimizer.steps[0, column] == 9
    assert training.epochs_alive[0, column] == 3
    assert torch.equal(training.final.parameters.weights[0][0, column], kept[0])
    assert torch.equal(kept[1], kept[2])


@pytest.mark.parametrize("name", ["relu", "selu"])
def test_a_strategy_alone_equals_itself_in_a_stack(name: str) -> None:
    alone = run(strategies=(SMARTMIXED, name), controls=(), replicates=1)
    together = run()
    for a, b in zip(columns(alone, (SMARTMIXED, name)), columns(together, (SMARTMIXED, name)), strict=True):
        torch.testing.assert_close(a, b[:1], rtol=1e-5, atol=1e-6)


def test_smartmixed_and_selective_are_one_until_the_handoff() -> None:
    training = run()
    losses = torch.stack(training.curves["val_loss"])
    first, second = (losses[:, :, training.layout.columns[name]] for name in (SMARTMIXED, "selective"))
    handoff = training.config.selection_epochs
    torch.testing.assert_close(first[:handoff], second[:handoff], rtol=1e-5, atol=0)
    assert (first[handoff:] != second[handoff:]).any()


def test_initial_weights_and_logits_are_equal_for_all_strategies_of_a_replicate() -> None:
    parameters = TwoPhaseTraining(
        dataclasses.replace(BASE, controls=("selective",)), toy_dataset(), CPU
    ).networks.parameters
    for tensor in parameters.tensors():
        assert (tensor == tensor[:, :1]).all()
        assert (tensor[0] != tensor[1]).any()


def test_a_users_function_is_a_baseline_and_a_candidate() -> None:
    register_activation("softsign", torch.nn.functional.softsign)
    try:
        pool = (*BASE.pool, "softsign")
        training = run(pool=pool, strategies=(SMARTMIXED, "softsign", "relu"))
        assert training.networks.optimizer.alive.all()
        assert training.networks.stack.parameters.logits[0].shape[-1] == 7
        losses = torch.stack(training.curves["train_loss"])
        assert (losses[-1] < losses[0]).all()
    finally:
        unregister_activation("softsign")


def test_best_epochs_respect_the_phases() -> None:
    training = run()
    handoff, column = training.config.selection_epochs, training.layout.smartmixed
    assert (training.final.epoch[:, column] >= handoff).all()
    assert (training.early.epoch < handoff).all()
    losses = torch.stack(training.curves["val_loss"])
    fixed = training.layout.columns["relu"]
    assert torch.equal(training.final.epoch[:, fixed], losses[:, :, fixed].argmin(0))
    assert torch.equal(training.final.epoch[:, column], handoff + losses[handoff:, :, column].argmin(0))


def test_the_earliest_of_equally_good_epochs_is_kept() -> None:
    training = run(learning_rate=1e-30, logit_learning_rate=1e-30)
    assert (training.final.epoch[:, training.layout.columns["relu"]] == 0).all()
    assert (training.final.epoch[:, training.layout.smartmixed] == training.config.selection_epochs).all()


@pytest.mark.parametrize("group", ["biases", "logits"])
def test_a_weight_that_is_not_finite_is_divergence(group: str) -> None:
    training = TwoPhaseTraining(BASE, toy_dataset(), CPU)
    tensor = getattr(training.networks.stack.parameters, group)[0]
    tensor[1, 0].view(-1)[0] = -torch.inf
    training.run()
    assert training.networks.optimizer.alive.logical_not().nonzero().tolist() == [[1, 0]]


def test_evaluation_does_not_depend_on_its_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run()
    monkeypatch.setattr("smartmixed_search.engine.evaluation.EVALUATION_BATCH", 8)
    parts = run()
    torch.testing.assert_close(whole.final.loss, parts.final.loss, rtol=1e-5, atol=0)
    assert torch.equal(whole.final.quantities["correct"], parts.final.quantities["correct"])
