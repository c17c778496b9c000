"""What a sweep would cost."""

import dataclasses

from smartmixed_search.estimate import estimate
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
