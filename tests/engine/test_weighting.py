"""What examples count in the loss: weights of rows and of classes, in training and in the choice of a checkpoint."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn

from smartmixed_search.datasets import Dataset, load_dataset
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.engine.weighting import weighted
from smartmixed_search.errors import ConfigError, DatasetError
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.tasks.classification import Classification
from smartmixed_search.tasks.regression import Regression
from smartmixed_search.trials.config import TrialConfig
from tests.engine.contract import ENGINES
from tests.helpers.reference import toy_dataset
from tests.helpers.training import BASE, CPU

CONFIG = dataclasses.replace(BASE, replicates=1, controls=(), strategies=("smartmixed", "tanh"))


def repeated(data: Dataset, times: Tensor) -> Dataset:
    """Return the data with training examples as often as is said."""
    return dataclasses.replace(
        data, x_train=data.x_train.repeat_interleave(times, 0), y_train=data.y_train.repeat_interleave(times)
    )


def with_weights(data: Dataset, train: Tensor) -> Dataset:
    ones = {f"w_{name}": torch.ones(len(getattr(data, f"y_{name}"))) for name in ("val", "test")}
    return dataclasses.replace(data, w_train=train / train.mean(), **ones)


def trained(engine: str, data: Dataset, config: TrialConfig = CONFIG) -> TwoPhaseTraining:
    made = TwoPhaseTraining(config, data, CPU, torch.float64, engine=ENGINES[engine])
    made.run()
    return made


@pytest.mark.parametrize("engine", ENGINES)
def test_a_row_that_counts_three_times_is_as_three_rows(engine: str) -> None:
    """In batches of all examples, that is."""
    data, times = toy_dataset(), torch.arange(44) % 3 + 1
    config = dataclasses.replace(CONFIG, batch_size=1000)
    one = trained(engine, with_weights(data, times.float()), config)
    other = trained(engine, repeated(data, times), config)
    for mine, theirs in zip(one.networks.parameters.tensors(), other.networks.parameters.tensors(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(one.curves["train_loss"][-1], other.curves["train_loss"][-1], rtol=1e-6, atol=0)


def test_both_engines_train_alike_with_weights() -> None:
    data = with_weights(toy_dataset(), torch.arange(44) % 5 + 0.5)
    config = dataclasses.replace(CONFIG, class_weight="balanced")
    one, other = (trained(engine, data, config) for engine in ENGINES)
    for name in ("train_loss", "val_loss"):
        torch.testing.assert_close(torch.stack(one.curves[name]), torch.stack(other.curves[name]), rtol=1e-6, atol=0)


def test_balanced_classes_have_scikit_learns_weights() -> None:
    data = toy_dataset().limited(20)
    _, found = weighted(Classification(3), data, balanced=True)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=data.y_train.numpy())
    for name in ("y_train", "y_val", "y_test"):
        labels = getattr(data, name).numpy()
        np.testing.assert_allclose(getattr(found, name)[:, 1], expected[labels])


def test_balanced_classes_count_alike_by_their_weights() -> None:
    data = with_weights(toy_dataset(), torch.arange(44) % 5 + 1.0)
    _, found = weighted(Classification(3), data, balanced=True)
    sums = torch.zeros(3, dtype=torch.float64).index_add_(0, data.y_train, found.y_train[:, 1])
    torch.testing.assert_close(sums, torch.full((3,), 44 / 3, dtype=torch.float64))


def test_the_loss_is_torchs_over_the_examples_not_over_their_weights() -> None:
    data = toy_dataset()
    task, found = weighted(Classification(3), data, balanced=True)
    output = torch.randn(3, 44, generator=torch.Generator().manual_seed(0))
    weights = torch.tensor(compute_class_weight("balanced", classes=np.arange(3), y=data.y_train.numpy())).float()
    summed = nn.CrossEntropyLoss(weight=weights, reduction="sum")(output.T, data.y_train)
    assert task.loss(output, found.y_train).mean().item() == pytest.approx(summed.item() / 44, rel=1e-6)


def test_what_an_example_counts_does_not_depend_on_its_batch() -> None:
    task, found = weighted(Classification(3), toy_dataset(), balanced=True)
    output = torch.randn(3, 44, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    _, whole = task.loss_gradient(output.clone(), found.y_train)
    _, alone = task.loss_gradient(output[:, 7:8].clone(), found.y_train[7:8])
    torch.testing.assert_close(whole[:, 7:8] * 44, alone)


def test_the_checkpoint_is_of_lowest_weighted_loss_and_accuracy_counts_every_example_once() -> None:
    data = toy_dataset()
    skewed = dataclasses.replace(data, y_train=torch.where(torch.arange(44) < 30, 0, data.y_train))
    result = run_trial(dataclasses.replace(CONFIG, class_weight="balanced"), skewed)
    plain = run_trial(CONFIG, skewed)
    assert [n.curves["val_loss"] for n in result.networks] != [n.curves["val_loss"] for n in plain.networks]
    for network in result.networks:
        assert network.best_epoch is not None
        assert network.val["loss"] == network.curves["val_loss"][network.best_epoch]
        assert network.test["accuracy"] == network.test["correct"] / 23


def test_equal_weights_change_nothing_but_rounding() -> None:
    weighty, plain = (run_trial(CONFIG, data) for data in (with_weights(toy_dataset(), torch.ones(44)), toy_dataset()))
    for one, other in zip(weighty.networks, plain.networks, strict=True):
        assert one.curves["val_loss"] == pytest.approx(other.curves["val_loss"], rel=1e-4)


def test_numbers_have_no_classes_to_balance() -> None:
    with pytest.raises(ConfigError, match="class_weight must be none for a regression, but got 'balanced'"):
        weighted(Regression(1), toy_dataset(), balanced=True)


def test_a_space_that_balances_is_refused_before_numbers_are_learned() -> None:
    plain = {"dataset": "diabetes", "architecture": "8", "class_weight": {"choices": ["none", "balanced"]}}
    space = SearchSpace.from_dict(plain)
    assert space.metric_for(Classification(2)).name == "accuracy"
    with pytest.raises(ConfigError, match="class_weight must be none for a regression"):
        space.metric_for(Regression(1))


def test_where_classes_count_alike_keys_stay_and_else_baselines_are_others() -> None:
    balanced = dataclasses.replace(CONFIG, class_weight="balanced")
    assert CONFIG.key == TrialConfig.from_dict({**CONFIG.to_dict(), "class_weight": "none"}).key
    assert balanced.key != CONFIG.key
    assert balanced.baseline_key != CONFIG.baseline_key


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    lines = [f"{rng.normal():.3f},{row % 2},{row % 7 + 1},{row % 9 - 1}" for row in range(120)]
    path = tmp_path / "survey.csv"
    path.write_text("\n".join(["size,kind,household_weight,debt", *lines]), encoding="utf-8")
    return path


def test_a_column_says_what_rows_count(table: Path) -> None:
    plain, data = (
        load_dataset(str(table), target="kind", weight=name, columns={"debt": "ignore"})
        for name in (None, "household_weight")
    )
    assert data.w_train is not None
    assert data.w_test is not None
    assert data.w_train.mean().item() == pytest.approx(1, rel=1e-6)
    assert (data.w_test / data.w_test.min()).round().unique().tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert (plain.features, data.features) == (2, 1)
    assert "  household_weight: left out, it says what the rows count" in data.notes
    assert plain.checksum != data.checksum
    assert Dataset.from_arrays(data.arrays(), **data.facts).w_val is not None


def test_a_negative_weight_is_refused(table: Path) -> None:
    with pytest.raises(DatasetError, match=r"weights of 'survey' must be finite, 0 or more, .* but the least is -1 "):
        load_dataset(str(table), target="kind", weight="debt", columns={"debt": "number"})
