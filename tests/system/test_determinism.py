"""Deterministic algorithms: switched on for a trial, and off again."""

import os
from dataclasses import replace

import pytest
import torch

from smartmixed_search.datasets import load_dataset
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.system.determinism import deterministic
from smartmixed_search.trials.config import TrialConfig

CONFIG = TrialConfig(dataset="digits", architecture=(8,), epochs=2, strategies=("smartmixed", "relu"))


def test_every_step_of_a_trial_has_a_deterministic_algorithm_and_the_result_says_so() -> None:
    digits = load_dataset("digits")
    plain = run_trial(CONFIG, digits)
    with deterministic(True):
        strict = run_trial(CONFIG, digits)
    assert strict.networks == plain.networks
    assert (plain.environment["deterministic"], strict.environment["deterministic"]) == ("false", "true")
    assert plain.environment == strict.environment | {"deterministic": "false"}


def test_it_is_as_before_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with deterministic(True):
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert not torch.are_deterministic_algorithms_enabled()
    with deterministic(False):
        assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_a_trial_comes_out_twice() -> None:
    config = replace(CONFIG, architecture=(64, 32), replicates=2, controls=("selective", "random-mixed"))
    with deterministic(True):
        first, second = (run_trial(config, load_dataset("digits"), "cuda") for _ in range(2))
    assert first.networks == second.networks
