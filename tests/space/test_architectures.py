import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest

from smartmixed_search.errors import ConfigError
from smartmixed_search.space.architectures import parse_architectures

SAMPLED = {"depth": {"low": 1, "high": 3}, "width": {"choices": [8, 16, 32]}}


def draw(plain: object, count: int, seed: int = 0) -> list[tuple[int, ...]]:
    return list(itertools.islice(parse_architectures({"architecture": plain}).draw(np.random.default_rng(seed)), count))


@pytest.mark.parametrize(("plain", "widths"), [("512-256", (512, 256)), (512, (512,)), ("512", (512,))])
def test_one_architecture(plain: Any, widths: tuple[int, ...]) -> None:
    assert draw(plain, 2) == [widths]


def test_listed_architectures_come_in_their_order() -> None:
    assert draw({"choices": ["16-8", 32, "8"]}, 3) == [(16, 8), (32,), (8,)]


def test_sampled_architectures_are_all_drawn_once() -> None:
    drawn = draw(SAMPLED, 3 + 6 + 10)
    assert len(set(drawn)) == 19
    assert all(list(widths) == sorted(widths, reverse=True) for widths in drawn)


def test_free_architectures_are_all_drawn_once() -> None:
    assert len(set(draw(SAMPLED | {"shape": "free"}, 3 + 9 + 27))) == 39


@pytest.mark.parametrize(("shape", "count"), [("non-increasing", 19), ("free", 39)])
def test_count(shape: str, count: int) -> None:
    assert parse_architectures({"architecture": SAMPLED | {"shape": shape}}).count(1000) == count


def test_depths_are_equally_likely() -> None:
    depths = Counter(len(draw(SAMPLED, 1, seed)[0]) for seed in range(600))
    assert all(depths[depth] == pytest.approx(200, abs=50) for depth in (1, 2, 3))


def test_non_increasing_sequences_are_equally_likely() -> None:
    plain = {"depth": 2, "width": {"choices": [8, 16, 32]}}
    drawn = Counter(draw(plain, 1, seed)[0] for seed in range(900))
    assert len(drawn) == 6
    assert all(times == pytest.approx(150, abs=45) for times in drawn.values())


def test_log_widths_are_mostly_small() -> None:
    plain = {"depth": 1, "width": {"low": 1, "high": 1000, "log": True}}
    assert np.mean([draw(plain, 1, seed)[0][0] <= 32 for seed in range(300)]) == pytest.approx(0.5, abs=0.1)


def test_the_largest_space_is_drawn_from_at_once() -> None:
    plain = {"depth": {"low": 1, "high": 1000}, "width": {"low": 1, "high": 2**20}}
    assert len(draw(plain, 12)) == 12


@pytest.mark.parametrize("plain", ["512-256", {"choices": ["64", "32-16"]}, SAMPLED | {"shape": "free"}])
def test_architectures_survive_as_plain_data(plain: Any) -> None:
    assert parse_architectures({"architecture": plain}).to_plain() == {"architecture": plain}


@pytest.mark.parametrize(
    ("plain", "fragments"),
    [
        ([512, 256], ["[512, 256]", "choices"]),
        ("512x256", ["'512x256'"]),
        ("512-0", ["'512-0'", "at least 1"]),
        (-5, ["'-5'"]),
        (True, ["True"]),
        ("9" * 5000, ["1048576"]),
        (2**20 + 1, ["1048577"]),
        ("-".join(["8"] * 1001), ["1000 layers", "1001"]),
        ({}, ["depth"]),
        ({"depth": 1}, ["width"]),
        ({"choices": []}, ["choices", "[]"]),
        ({"choices": ["8-4", "8-4"]}, ["'8-4'", "twice"]),
        ({"choices": ["8"], "depth": 1}, ["depth"]),
        (SAMPLED | {"depht": 1}, ["depht", "'depth'"]),
        (SAMPLED | {"depth": 0}, ["depth", "0"]),
        (SAMPLED | {"depth": {"low": 0, "high": 2}}, ["depth", "low", "0"]),
        (SAMPLED | {"depth": {"low": 1, "high": 10**9}}, ["depth", "high", "1000000000"]),
        (SAMPLED | {"depth": [1, 2]}, ["depth", "[1, 2]"]),
        (SAMPLED | {"width": {"choices": [8, 0]}}, ["width", "0"]),
        (SAMPLED | {"width": {"low": 1, "high": 10**9}}, ["width", "high", "1000000000"]),
        (SAMPLED | {"shape": "decreasing"}, ["shape", "'decreasing'", "non-increasing"]),
    ],
)
def test_refused(plain: Any, fragments: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_architectures({"architecture": plain})
    message = str(raised.value)
    assert len(message.splitlines()) == 1
    assert all(fragment in message for fragment in ["architecture", *fragments]), message
