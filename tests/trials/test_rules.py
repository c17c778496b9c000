"""A trial's configuration and a search space accept and refuse the same values, with the same words."""

from typing import Any

import pytest

from smartmixed_search.errors import ConfigError
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.rules import NamedBy, Names, Rule, WordFor
from smartmixed_search.trials.settings import SETTINGS

VALUES: tuple[Any, ...] = (
    *(None, "none", True, [], ["relu"], "relu", "modern", float("nan"), float("inf")),
    *(-1, 0, 1, 2, 2.5, 3.0, "1e-2", 0.5, 1.0, 128, 10**6, 10**7, 2**63 - 1, 2**63, 2**64),
    *(1e-300, 2.0**-126, 1e38, 1e39, "auto", "automatic", "hard", "softmax", "best", "sampled", "accuracy", "bf16"),
)
"""Some of which each setting takes, and some of which it refuses."""
LIMITS = {
    "phase_fraction": (1e-9, 1 - 1e-9),
    "temperature": (2.0**-126, 3.4028234e38),
    "temperature_final": (2.0**-126, 3.4028234e38, None),
    "epochs": (2, 10**6),
    "learning_rate": (2.0**-126, 3.4028234e38),
    "logit_learning_rate": (2.0**-126, 3.4028234e38, None),
    "batch_size": (1, 10**6),
    "train_examples": (1, 10**6, None),
    "clip_norm": (2.0**-126, 3.4028234e38),
    "clamp": (2.0**-126, 3.4028234e38, None),
    "estimator": ("hard", "soft"),
    "output": ("logits", "softmax"),
    "handoff": ("inherit", "reinitialize"),
    "handoff_from": ("last", "best"),
    "evaluation": ("argmax", "sampled"),
    "objective": ("margin", "accuracy"),
    "precision": ("float32", "tf32", "bf16"),
    "replicates": (1, 10**6),
    "seed": (0, 2**63 - 1),
}
"""What spaces took at revision 898b56d, at the utmost."""


def of_trial(key: str, value: Any) -> Any:
    """Return what a trial makes of a value, or says to it."""
    try:
        return getattr(TrialConfig(dataset="digits", architecture=(8,), **{key: value}), key)
    except ConfigError as error:
        return str(error)


def of_space(key: str, value: Any) -> Any:
    """Return what a trial of a space that has a value makes of it, or what the space says to it."""
    try:
        space = SearchSpace.from_dict({"dataset": "digits", "architecture": 8, "sampler": "grid", key: value})
        return getattr(space.config((8,), {}), key)
    except ConfigError as error:
        return str(error)


@pytest.mark.parametrize("key", [key for key, one in SETTINGS.items() if not isinstance(one.rule, Names)])
def test_a_trial_takes_what_a_space_takes_and_refuses_what_it_refuses(key: str) -> None:
    values = VALUES if SETTINGS[key].fixed else [one for one in VALUES if not isinstance(one, list)]
    told = {repr(value): (of_trial(key, value), of_space(key, value)) for value in values}
    assert not {value: answers for value, answers in told.items() if answers[0] != answers[1]}
    assert any(isinstance(trial, str) and trial.startswith(f"{key} must be ") for trial, _ in told.values())


@pytest.mark.parametrize("key", ["strategies", "controls", "pool", "plugins"])
@pytest.mark.parametrize("value", ["relu", 3, ["relu", 3], {"relu": 3}], ids=repr)
def test_a_trial_refuses_the_lists_of_names_that_a_space_refuses(key: str, value: Any) -> None:
    assert of_trial(key, value) == of_space(key, value)
    assert str(of_trial(key, value)).startswith(f"{key} must be ")


def test_a_trial_has_all_strategies_of_its_pool_as_a_space_has() -> None:
    config = TrialConfig(dataset="digits", architecture=(8,), pool=("relu", "tanh"))
    assert config.strategies == ("smartmixed", "relu", "tanh")


@pytest.mark.parametrize("key", LIMITS)
def test_a_trial_takes_whatever_an_earlier_sweep_was_begun_with(key: str) -> None:
    """Or that sweep could not be read any more."""
    for value in LIMITS[key]:
        assert of_trial(key, value) == value


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


@pytest.mark.parametrize(
    ("rule", "value", "message"),
    [
        (NamedBy(words=("group", "time")), {"patient": "group"}, r"did you mean \{group: patient\}\?$"),
        (
            NamedBy(words=("group", "time")),
            {"patient": "g"},
            r"must be \{group: NAME\} or \{time: NAME\}, but got .*'g'\}$",
        ),
        (WordFor(words=("number", "ignore")), {"ignore": "zip"}, r"did you mean \{zip: ignore\}\?$"),
    ],
)
def test_a_name_and_a_word_that_are_turned_round_are_turned_back(rule: Rule, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        rule.choice("key", value)
