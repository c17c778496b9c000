"""What a sweep would cost."""

import dataclasses

import pytest
import torch

from smartmixed_search.engine import estimate as estimates
from smartmixed_search.engine.estimate import estimate
from smartmixed_search.engine.stack import Stack
from smartmixed_search.engine.stack.layout import StackLayout
from smartmixed_search.errors import ResourceError
from tests.helpers.reference import toy_dataset
from tests.helpers.training import BASE


def test_counts_and_sizes_are_exact() -> None:
    small, large = dataclasses.replace(BASE, architecture=(4,)), dataclasses.replace(BASE, architecture=(200, 100))
    cost = estimate([small, large], 3, toy_dataset())
    assert cost.trials == 3
    assert cost.networks == 18
    assert cost.network_epochs == 3 * 18 * 5
    assert cost.parameters == (6 * 4 + 4 + 4 * 3 + 3, 6 * 200 + 200 + 200 * 100 + 100 + 100 * 3 + 3)
    assert cost.memory > 18 * cost.parameters[1] * 6 * 4


def test_time_grows_with_epochs() -> None:
    once = estimate([BASE], 1, toy_dataset())
    assert estimate([dataclasses.replace(BASE, epochs=5000)], 1, toy_dataset()).seconds > 20 * once.seconds > 0


def test_a_stack_that_does_not_fit_is_timed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = StackLayout.initial_stack

    def limited(layout: StackLayout) -> Stack:
        if layout.part.networks > 9:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return draw(layout)

    whole = estimate([BASE], 1, toy_dataset())
    monkeypatch.setattr(StackLayout, "initial_stack", limited)
    halves = estimate([BASE], 1, toy_dataset())
    assert (whole.parts, halves.parts) == (1, 2)
    assert halves.seconds > 0
    assert halves.memory == whole.memory


def test_a_network_that_cannot_fit_is_refused_without_an_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "TwoPhaseTraining", None)
    with pytest.raises(ResourceError, match=r"fit into memory by itself, .* GiB, but one of 1048576-1048576 "):
        estimate([BASE, dataclasses.replace(BASE, architecture=(2**20, 2**20))], 2, toy_dataset())


def test_what_is_huge_is_estimated_from_a_smaller_stack() -> None:
    huge = dataclasses.replace(BASE, replicates=10**6, epochs=10**6, batch_size=10**6)
    cost = estimate([huge], 1, toy_dataset())
    assert cost.networks == 9 * 10**6
    assert cost.memory > 9 * 10**6 * cost.parameters[0] * 4
    assert cost.seconds > 10**4 * estimate([BASE], 1, toy_dataset()).seconds


@pytest.mark.parametrize("architecture", [(2**15, 2**15), (64,) * 1000, (2**20,)])
def test_a_stand_in_keeps_within_the_most_work(architecture: tuple[int, ...]) -> None:
    config = dataclasses.replace(BASE, architecture=architecture)
    smaller, times = estimates._stand_in(config, toy_dataset(), 2**26)
    assert estimates._work(smaller, toy_dataset()) <= 2**26
    assert times == estimates._work(config, toy_dataset()) / estimates._work(smaller, toy_dataset())


def test_what_is_quick_to_time_is_timed_itself() -> None:
    assert estimates._stand_in(BASE, toy_dataset(), 2**26) == (BASE, 1.0)


def test_memory_decides_the_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = estimate([BASE], 1, toy_dataset())
    monkeypatch.setattr(estimates, "machine_memory", lambda: whole.memory * 2 // 3)
    assert (whole.parts, estimate([BASE], 1, toy_dataset()).parts) == (1, 2)
