"""On a CUDA device: captured steps train what eager ones train, and a GPU trains what a CPU trains. `pytest -m gpu`."""

import dataclasses
import gc
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from smartmixed_search.datasets import load_dataset
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.method.activations import RIVAL_NAMES, register_activation, unregister_activation
from smartmixed_search.trials.config import CONTROLS, SELECTIVE, TrialConfig
from tests.helpers.reference import toy_dataset
from tests.helpers.training import CPU, wavy

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
CUDA = torch.device("cuda")
CONFIG = TrialConfig(
    dataset="toy",
    architecture=(64, 32),
    epochs=40,
    phase_fraction=0.5,
    learning_rate=0.01,
    logit_learning_rate=0.3,
    batch_size=16,
    replicates=2,
    controls=CONTROLS,
)
"""Two phases of 20 epochs of 3 steps, the last on a partial batch: all four graphs are worth their capture."""


def host_read(x: Tensor) -> Tensor:
    return torch.sin(x) * (2.0 if x.sum().item() == torch.inf else 1.0)


@pytest.fixture
def users_functions() -> Iterator[None]:
    for function in (wavy, host_read):
        register_activation(function.__name__, function)
    yield
    for function in (wavy, host_read):
        unregister_activation(function.__name__)


def train(config: TrialConfig, device: torch.device = CUDA) -> TwoPhaseTraining:
    training = TwoPhaseTraining(config, toy_dataset(), device)
    training.run()
    return training


def graphs(training: TwoPhaseTraining) -> int:
    return len(training.networks._steps._graphs._replays)


def assert_equal(one: TwoPhaseTraining, other: TwoPhaseTraining, tolerance: float) -> None:
    for a, b in zip(one.networks.stack.parameters.tensors(), other.networks.stack.parameters.tensors(), strict=True):
        torch.testing.assert_close(a.cpu(), b.cpu(), rtol=tolerance, atol=tolerance)
    for name, curve in one.curves.items():
        a, b = torch.stack(curve).cpu(), torch.stack(other.curves[name]).cpu()
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"estimator": "soft", "temperature_final": 0.1, "clamp": 2.0},
        {"output": "softmax", "handoff": "reinitialize", "handoff_from": "best", "controls": (SELECTIVE,)},
        {"precision": "tf32"},
        {"precision": "bf16"},
        {"pool": ("relu", "wavy", "tanh"), "strategies": ("smartmixed", "wavy")},
        {"pool": "modern", "strategies": "all"},
        {"strategies": ("smartmixed", "relu", *RIVAL_NAMES)},
        {"pool": "smooth", "strategies": "all", "clamp": 2.0},
    ],
    ids=["published", "soft", "reinitialized", "tf32", "bf16", "a user's function", "modern", "rivals", "smooth"],
)
@pytest.mark.usefixtures("users_functions")
def test_captured_steps_equal_eager_ones(monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]) -> None:
    config = dataclasses.replace(CONFIG, **changes)
    captured = train(config)
    assert graphs(captured) == 2
    monkeypatch.setattr("smartmixed_search.engine.stack.steps.recorder", lambda _: None)
    eager = train(config)
    assert graphs(eager) == 0
    for one, other in zip(
        captured.networks.stack.parameters.tensors(), eager.networks.stack.parameters.tensors(), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    assert torch.equal(captured.networks.optimizer.alive, eager.networks.optimizer.alive)
    assert torch.equal(captured.networks.optimizer.steps, eager.networks.optimizer.steps)


def test_a_gpu_trains_what_a_cpu_trains() -> None:
    config = dataclasses.replace(CONFIG, epochs=4)
    short = [train(config, device) for device in (CUDA, CPU)]
    assert_equal(*short, tolerance=1e-3)


@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_a_trial_on_digits(precision: str) -> None:
    config = TrialConfig(
        dataset="digits", architecture=(64, 32), epochs=20, batch_size=32, learning_rate=3e-3, precision=precision
    )
    on_gpu, on_cpu = (run_trial(config, load_dataset("digits"), device) for device in ("cuda", "cpu"))
    assert on_gpu.environment["device"] == "cuda"
    for one, other in zip(on_gpu.networks, on_cpu.networks, strict=True):
        assert one.status == other.status == "finished"
        assert one.steps == other.steps
        assert abs(one.test["accuracy"] - other.test["accuracy"]) < 0.05


@pytest.mark.usefixtures("users_functions")
def test_a_function_that_reads_values_is_trained_without_graphs() -> None:
    config = dataclasses.replace(CONFIG, pool=("relu", "host_read"), strategies=("smartmixed", "host_read"))
    with pytest.warns(UserWarning, match="without CUDA graphs") as seen:
        training = train(config)
    assert len(seen) == 1
    assert graphs(training) == 0
    assert training.networks.optimizer.alive.all()
    assert torch.isfinite(torch.zeros(3, device=CUDA).exp()).all(), "the device works on"


def test_trainings_that_alternate_do_not_disturb_each_other() -> None:
    one, other = (TwoPhaseTraining(CONFIG, toy_dataset(), CUDA) for _ in range(2))

    def halfway(epoch: int, _: object) -> None:
        if epoch == 10:
            other.run()
            train(CONFIG)  # whose graphs are dropped at once
            torch.cuda.empty_cache()

    one.run(halfway)
    assert_equal(one, other, tolerance=1e-5)


def test_memory_is_given_back() -> None:
    train(CONFIG)
    gc.collect()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved()  # a graph that leaks keeps blocks that are free, and so not allocated
    for _ in range(3):
        train(CONFIG)
    gc.collect()
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved() - before < 2**21
