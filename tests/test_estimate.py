"""What a sweep would cost."""

import dataclasses

import pytest
import torch

from smartmixed_search.estimate import estimate
from smartmixed_search.layout import Layout
from smartmixed_search.stack import Stack
from tests.reference import toy_dataset
from tests.test_training import BASE


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
    draw = Layout.initial_stack

    def limited(layout: Layout) -> Stack:
        if layout.part.networks > 9:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return draw(layout)

    whole = estimate([BASE], 1, toy_dataset())
    monkeypatch.setattr(Layout, "initial_stack", limited)
    halves = estimate([BASE], 1, toy_dataset())
    assert (whole.parts, halves.parts) == (1, 2)
    assert halves.seconds > 0
    assert halves.memory == whole.memory
