"""Folds and repeats: every network is trained on one split of the data, and all else of a trial holds as before."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from smartmixed_search.datasets import Dataset
from smartmixed_search.datasets.preparation import Preparation
from smartmixed_search.engine.measurement import measure_networks
from smartmixed_search.engine.parts import Part
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.errors import ConfigError, TrialInterrupted
from smartmixed_search.export.weights import read_network
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.ranking import objective
from smartmixed_search.trials.result import TrialResult
from tests.helpers.folds import FOLDED, data, whole
from tests.helpers.training import CPU


def test_every_seed_of_every_split_trains_every_strategy() -> None:
    assert [(n.replicate, n.strategy) for n in whole().networks] == [
        (replicate, member) for replicate in range(8) for member in FOLDED.members
    ]
    assert [choice.replicate for choice in whole().choices] == list(range(8))


@pytest.mark.parametrize("number", [0, 3])
def test_a_replicate_is_trained_on_its_split_from_its_seed(number: int) -> None:
    part = Part(members=FOLDED.members, replicates=(number, number + 4))
    training = TwoPhaseTraining(FOLDED, data().splits[number], CPU, part=part)
    training.run()
    with torch.no_grad():
        alone = {(n.replicate, n.strategy): n.val["loss"] for n in measure_networks(training)}
    together = {(n.replicate, n.strategy): n.val["loss"] for n in whole().networks if n.replicate % 4 == number}
    assert alone == together


def test_each_split_is_prepared_by_its_own_training_rows() -> None:
    for one in data().splits:
        assert one.x_train.double().mean(0).abs().max() < 1e-6
    means = {one.preparation.mean for one in data().splits if isinstance(one.preparation, Preparation)}
    assert len(means) == 4


def test_the_objective_is_the_mean_over_all_splits() -> None:
    assert whole().objective == objective(whole().networks, FOLDED.objective)
    assert {n.val["accuracy"] for n in whole().networks} <= {
        correct / len(one.x_val) for one in data().splits for correct in range(len(one.x_val) + 1)
    }


@pytest.mark.parametrize("epochs", [1, 7, 13], ids="in split {}".format)
def test_a_trial_that_was_interrupted_in_any_split_goes_on_to_the_same_numbers(tmp_path: Path, epochs: int) -> None:
    asked = iter(range(1, 100))
    with pytest.raises(TrialInterrupted):
        run_trial(FOLDED, data(), state_dir=tmp_path, stop=lambda: next(asked) == epochs)
    resumed = run_trial(FOLDED, data(), state_dir=tmp_path, handoff_epochs=range(1, FOLDED.epochs))
    assert [n.curves for n in resumed.networks] == [n.curves for n in whole().networks]
    assert [(n.test["correct"], n.test["loss"]) for n in resumed.networks] == [
        (n.test["correct"], n.test["loss"]) for n in whole().networks
    ]


def test_baselines_of_an_earlier_trial_are_taken_over_on_every_split() -> None:
    other = dataclasses.replace(FOLDED, phase_fraction=0.8)
    earlier = TrialResult.from_dict(json.loads(json.dumps(whole().to_dict())))
    reused = run_trial(other, data(), reuse=earlier)
    assert {n.strategy for n in reused.networks if n.reused_from} == {"relu", "tanh", "random-mixed"}
    trained = [n for n in run_trial(other, data()).networks if n.strategy in ("relu", "tanh")]
    taken = [n for n in reused.networks if n.strategy in ("relu", "tanh")]
    for figure in (lambda n: n.test["loss"], lambda n: n.test_at_handoff):
        assert [figure(n) for n in taken] == pytest.approx([figure(n) for n in trained], rel=1e-5)


@pytest.mark.parametrize("change", [{"folds": 4, "repeats": 1}, {"folds": None, "repeats": 4}])
def test_baselines_of_other_splits_are_not_taken_over(change: dict[str, Any]) -> None:
    assert dataclasses.replace(FOLDED, **change).baseline_key != FOLDED.baseline_key


def test_epochs_are_reported_once_when_the_last_split_has_passed_them() -> None:
    said: list[tuple[int, float]] = []
    run_trial(FOLDED, data(), report=lambda epoch, metrics: said.append((epoch, metrics["margin"])))
    assert [epoch for epoch, _ in said] == list(range(FOLDED.epochs))


def test_weights_go_with_the_preparation_of_their_split(tmp_path: Path) -> None:
    result = run_trial(FOLDED, data(), weights_path=tmp_path / "weights.safetensors")
    assert result.weights_path is not None
    for replicate in (1, 6):
        assert read_network(result.weights_path, replicate).preparation == data().splits[replicate % 4].preparation


@pytest.mark.parametrize("known", [data(2, 1), data(None, 1)], ids=["fewer", "one"])
def test_data_that_are_split_another_number_of_times_are_refused(known: Dataset) -> None:
    with pytest.raises(ConfigError, match=r"must be split 4 times, as configured by folds and repeats, but it is \d"):
        run_trial(FOLDED, known)


def test_splits_are_part_of_the_datas_identity() -> None:
    checksums = {data(folds, repeats).checksum for folds, repeats in ((2, 2), (2, 1), (None, 1), (None, 2))}
    assert len(checksums) == 4


def test_a_trial_without_folds_keeps_its_key() -> None:
    plain = TrialConfig(dataset="digits", architecture=(8,))
    assert plain.key == TrialConfig.from_dict({**plain.to_dict(), "folds": None, "repeats": 1}).key
    assert plain.key != dataclasses.replace(plain, folds=5).key
