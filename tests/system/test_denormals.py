"""Denormal numbers are taken for zero while a trial trains, in every thread."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from smartmixed_search.datasets import load_dataset
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.system.denormals import DENORMAL, flushed_denormals, flushing
from smartmixed_search.trials.config import TrialConfig

pytestmark = pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this CPU cannot flush denormal numbers")


def test_a_trial_flushes_them_and_leaves_the_thread_as_it_was() -> None:
    seen = []
    config = TrialConfig(dataset="digits", architecture=(4,), epochs=2, strategies=("smartmixed", "relu"))
    run_trial(config, load_dataset("digits"), report=lambda epoch, metrics: seen.append(flushing()))
    assert seen == [True, True]
    assert not flushing()


def test_threads_that_torch_starts_inherit_it() -> None:
    def share_of_zeros() -> float:
        with flushed_denormals():
            return float((torch.full((1_000_000,), DENORMAL).mul(0.5) == 0).float().mean())

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with ThreadPoolExecutor(1) as fresh:  # a thread whose helpers torch has not started yet
            assert fresh.submit(share_of_zeros).result() == 1
    finally:
        torch.set_num_threads(before)
    assert not flushing()


def test_nested_it_ends_with_the_outermost() -> None:
    with flushed_denormals():
        with flushed_denormals():
            pass
        assert flushing()
    assert not flushing()
