"""A trial's configuration and a search space refuse the same numbers, with the same words."""

from typing import Any

import pytest

from smartmixed_search.errors import ConfigError
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.rules import COUNTS, SETTINGS, SPACE_KEYS


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("learning_rate", 1e-300),
        ("learning_rate", 1e39),
        ("logit_learning_rate", 1e-300),
        ("logit_learning_rate", "automatic"),
        ("temperature", 0.0),
        ("temperature_final", float("inf")),
        ("clip_norm", None),
        ("clamp", -1.0),
        ("epochs", 10**7),
        ("epochs", 1),
        ("epochs", 2.5),
        ("batch_size", True),
        ("train_examples", 0),
        ("phase_fraction", 1.0),
        ("replicates", 10**7),
        ("seed", 2**64),
        ("seed", -1),
    ],
)
def test_what_a_space_refuses_a_trial_refuses(key: str, value: Any) -> None:
    messages = set()
    for refuse in (
        lambda: TrialConfig(dataset="digits", architecture=(8,), **{key: value}),
        lambda: SearchSpace.from_dict({"dataset": "digits", "architecture": 8, key: value}),
    ):
        with pytest.raises(ConfigError, match=f"^{key} must be ") as raised:
            refuse()
        messages.add(str(raised.value))
    assert len(messages) == 1, messages


@pytest.mark.parametrize("architecture", [(2**20 + 1,), (8,) * 1001], ids=["wide", "deep"])
def test_what_a_space_refuses_of_an_architecture_a_trial_refuses(architecture: tuple[int, ...]) -> None:
    for refuse in (
        lambda: TrialConfig(dataset="digits", architecture=architecture),
        lambda: SearchSpace.from_dict({"dataset": "digits", "architecture": "-".join(map(str, architecture))}),
    ):
        with pytest.raises(ConfigError, match="architecture"):
            refuse()


def test_a_trial_reads_numbers_as_a_space_does() -> None:
    config = TrialConfig(dataset="digits", architecture=(8,), learning_rate="1e-2", clamp="none", epochs=10.0)
    assert (config.learning_rate, config.clamp, config.epochs) == (0.01, None, 10)


def test_every_number_of_a_trial_has_its_rule() -> None:
    numbers = {"phase_fraction", "temperature", "temperature_final", "epochs", "learning_rate", "logit_learning_rate"}
    numbers |= {"batch_size", "train_examples", "clip_norm", "clamp", "replicates", "seed"}
    assert {*SETTINGS, *COUNTS} == numbers
    assert numbers < set(SPACE_KEYS)
