"""A trial's results do not depend on the parts that it is trained in, and memory decides which these are."""

import dataclasses
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from smartmixed_search.engine.measurement import Measured, measure
from smartmixed_search.engine.parts import Part
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.engine.trial import assemble, run_trial
from smartmixed_search.errors import ResourceError
from smartmixed_search.system.memory import is_out_of_memory
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.result import TrialResult
from tests.helpers.memory import OUT_OF_MEMORY, limit
from tests.helpers.reference import toy_dataset
from tests.helpers.training import BASE, CPU

CONFIG = dataclasses.replace(BASE, strategies=("smartmixed", "relu", "sigmoid", "elu"))
MEMBERS = CONFIG.members
VARIANTS = {
    "published": {},
    "no controls, clamped, softmax twice": {"controls": (), "clamp": 0.4, "output": "softmax"},
    "soft estimator, annealed": {"estimator": "soft", "temperature": 1.5, "temperature_final": 0.2},
    "handed off from the best epoch": {"handoff_from": "best", "learning_rate": 0.3},
    "reinitialized": {"handoff": "reinitialize", "objective": "accuracy"},
    "sampled evaluation": {"evaluation": "sampled"},
    "divergent members": {"learning_rate": 1e38},
}


def by_replicate(config: TrialConfig) -> list[Part]:
    return [Part(members=config.members, replicates=(replicate,)) for replicate in range(config.replicates)]


def by_member(config: TrialConfig) -> list[Part]:
    """SmartMixed apart, and the others in an order that is not the configuration's."""
    replicates = tuple(range(config.replicates))
    return [Part(members=members, replicates=replicates) for members in (config.members[1:], config.members[:1])]


def alone(config: TrialConfig) -> list[Part]:
    return [Part(members=(name,), replicates=part.replicates) for part in by_replicate(config) for name in part.members]


SPLITS = {"replicates": by_replicate, "members": by_member, "networks": alone}


def train(config: TrialConfig, parts: list[Part], dtype: torch.dtype) -> dict[str, Any]:
    """Train every part, and return all that is kept of them as one number or word per place."""
    measured = []
    for part in parts:
        training = TwoPhaseTraining(config, toy_dataset(), CPU, dtype, part)
        training.run()
        with torch.no_grad():
            measured.append(measure(training))
    return kept(config, measured)


def kept(config: TrialConfig, measured: list[Measured]) -> dict[str, Any]:
    networks = [network for part in measured for network in part.networks]
    choices = [choice for part in measured for choice in part.choices]
    result = assemble(config, networks, choices, selection_steps=0, seconds=0.0, environment={})
    weights = {name: tensor.tolist() for part in measured for name, tensor in part.weights.items()}
    return dict(leaves({"result": result.to_dict(), "weights": weights}))


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(child, f"{path}/{key}")
    else:
        yield path, value


def assert_equal(found: dict[str, Any], expected: dict[str, Any], tolerance: float) -> None:
    """Compare floats within a relative tolerance, and all else exactly."""
    floats = {path for path, value in expected.items() if isinstance(value, float)}
    assert {path: found.get(path) for path in floats} == pytest.approx(
        {path: expected[path] for path in floats}, rel=tolerance, abs=tolerance
    )
    assert {path: value for path, value in found.items() if path not in floats} == {
        path: value for path, value in expected.items() if path not in floats
    }


@pytest.fixture(scope="module", params=VARIANTS, ids=list(VARIANTS))
def whole(request: pytest.FixtureRequest) -> tuple[TrialConfig, dict[str, Any]]:
    config = dataclasses.replace(CONFIG, **VARIANTS[request.param])
    return config, train(config, [Part.whole(config)], torch.float64)


@pytest.mark.parametrize("split", SPLITS)
def test_results_do_not_depend_on_the_parts(whole: tuple[TrialConfig, dict[str, Any]], split: str) -> None:
    config, expected = whole
    assert_equal(train(config, SPLITS[split](config), torch.float64), expected, tolerance=1e-9)


@pytest.mark.parametrize("split", SPLITS)
def test_in_float32_results_differ_by_rounding_at_most(split: str) -> None:
    assert_equal(train(CONFIG, SPLITS[split](CONFIG), torch.float32), in_float32(), tolerance=1e-5)


@cache
def in_float32() -> dict[str, Any]:
    return train(CONFIG, [Part.whole(CONFIG)], torch.float32)


def test_a_replicate_is_known_by_its_number() -> None:
    config = dataclasses.replace(CONFIG, replicates=1)
    later = train(config, [Part(members=MEMBERS, replicates=(1,))], torch.float64)
    both = train(CONFIG, [Part.whole(CONFIG)], torch.float64)
    places = len(MEMBERS)
    for place in range(places):
        assert later[f"/result/networks/{place}/replicate"] == 1
        path = f"/result/networks/{place}/val/loss", f"/result/networks/{places + place}/val/loss"
        assert later[path[0]] == pytest.approx(both[path[1]], rel=1e-9)


def test_a_part_without_smartmixed_has_no_choices_and_no_weights() -> None:
    training = TwoPhaseTraining(CONFIG, toy_dataset(), CPU, part=Part(members=("relu", "selective"), replicates=(0,)))
    training.run()
    with torch.no_grad():
        measured = measure(training)
    assert (measured.choices, measured.weights) == ([], {})
    assert [(network.strategy, network.phase1) for network in measured.networks] == [("relu", {}), ("selective", {})]


def test_replicates_are_halved_before_members() -> None:
    part = Part(members=("smartmixed", "relu", "tanh"), replicates=(0, 1, 2))
    first, second = part.halves()
    assert [(half.members, half.replicates) for half in (first, second)] == [
        (part.members, (0,)),
        (part.members, (1, 2)),
    ]
    assert [half.members for half in first.halves()] == [("smartmixed",), ("relu", "tanh")]
    assert {half.replicates for half in first.halves()} == {(0,)}


def run(path: Path | None = None) -> tuple[TrialResult, list[tuple[int, dict[str, float]]]]:
    reports: list[tuple[int, dict[str, float]]] = []
    result = run_trial(
        CONFIG, toy_dataset(), report=lambda epoch, metrics: reports.append((epoch, metrics)), weights_path=path
    )
    return result, reports


def comparable(result: TrialResult) -> dict[str, Any]:
    return dict(
        leaves(
            dataclasses.replace(result, seconds=0.0, weights_path=None, weights_checksum=None, environment={}).to_dict()
        )
    )


@pytest.mark.parametrize("epoch", [0, 3])
def test_a_trial_that_does_not_fit_is_trained_in_parts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, epoch: int
) -> None:
    undivided, expected_reports = run(tmp_path / "whole.safetensors")
    memory = limit(monkeypatch, networks=3, epoch=epoch)
    result, reports = run(tmp_path / "parts.safetensors")
    assert memory.tried == [12, 6, 3, 3, 3, 3], "what has not fitted once is not tried again"
    assert_equal(comparable(result), comparable(undivided), tolerance=1e-4)
    assert reports == expected_reports
    assert [name for name, _ in reports] == list(range(CONFIG.epochs))
    assert (undivided.environment["parts"], result.environment["parts"]) == ("1", "4")
    weights, expected = load_file(tmp_path / "parts.safetensors"), load_file(tmp_path / "whole.safetensors")
    assert weights.keys() == expected.keys()
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-4, atol=1e-5)


def test_epochs_are_reported_while_the_last_part_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = limit(monkeypatch, networks=6)
    seen: list[tuple[int, int]] = []
    run_trial(CONFIG, toy_dataset(), report=lambda epoch, _: seen.append((epoch, len(memory.tried))))
    assert seen == [(epoch, 3) for epoch in range(CONFIG.epochs)]


def test_nothing_of_an_attempt_is_held_when_the_next_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = limit(monkeypatch, networks=3)
    run()
    assert set(memory.alive) == {1}


def test_a_network_that_does_not_fit_by_itself_is_an_error_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, networks=0)
    rule = "a network must fit into memory by itself, but smartmixed of 9-7 with batch_size 16 does not; a smaller"
    with pytest.raises(ResourceError, match=rule) as caught:
        run()
    assert "\n" not in str(caught.value)


def test_another_error_is_passed_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("CUDA error: an illegal memory access was encountered")
    memory = limit(monkeypatch, networks=3, error=error)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        run()
    assert memory.tried == [12]


def cpu_error() -> BaseException:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    return caught.value


def in_the_wake_of(error: Exception) -> BaseException:
    try:
        try:
            raise error
        finally:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")
    except RuntimeError as later:
        return later


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OUT_OF_MEMORY, True),
        (cpu_error(), True),
        (MemoryError("Unable to allocate 1.00 EiB"), True),
        (torch.AcceleratorError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (in_the_wake_of(OUT_OF_MEMORY), True),
        (in_the_wake_of(RuntimeError("no")), False),
        (RuntimeError("CUDA error: device-side assert triggered"), False),
        (ValueError("CUDA error: out of memory"), False),
    ],
)
def test_a_lack_of_memory_is_recognised(error: BaseException, expected: bool) -> None:
    assert is_out_of_memory(error) is expected
