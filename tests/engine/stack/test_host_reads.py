"""What CUDA captures asks nothing of the host and has static shapes: traced with fake tensors, so without a GPU."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from smartmixed_search.datasets import Dataset
from smartmixed_search.engine.stack import Mixed
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.method.activations import RIVAL_NAMES
from smartmixed_search.trials.config import RANDOM_MIXED, SELECTIVE
from tests.helpers.reference import toy_dataset, toy_images
from tests.helpers.training import BASE

SIZES = [[[2, 1, 2, 0, 3, 1]] * 2, [[0, 3, 0, 1, 1, 2], [7, 0, 0, 0, 0, 0]]]
"""Neurons of every function, as after a handoff, which depends on choices that fake tensors do not have."""
SMOOTH = ("gelu", "gelu_tanh", "silu", "mish", "softplus", "tanh")
OTHERS = ("relu6", "squared_relu", "identity", "hardswish", "gelu", "mish")


class Trace(TorchDispatchMode):
    """Collects every operation with its shapes and numbers, and those that have to do with the host's memory.

    Operations whose result's shape, or whose course, depends on a tensor's values are refused by fake tensors.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[str] = []
        self.with_host: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        leaves = tree_leaves((args, kwargs, out))
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        seen = [(*leaf.shape, leaf.stride()) if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        self.operations.append(f"{func} {seen}")
        if any(tensor.device.type == "cpu" for tensor in tensors) or kwargs.get("pin_memory"):
            self.with_host.append(str(func))
        return out


@pytest.fixture
def fake_cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    monkeypatch.setattr("smartmixed_search.engine.stack.layout.group_sizes", lambda *_: SIZES)
    monkeypatch.setattr("smartmixed_search.engine.stack.networks.live_inputs", lambda data: np.arange(data.features))
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        yield torch.device("cuda")


def trace(training: TwoPhaseTraining, batch: int) -> Trace:
    with Trace() as traced:
        training.networks._steps._step(batch)
    return traced


BATCHES = {"full": 16, "partial": 12}


@pytest.mark.filterwarnings("ignore")  # torch says that this machine has no driver
@pytest.mark.parametrize(
    ("data", "changes"),
    [
        (toy_dataset, {"controls": (SELECTIVE, RANDOM_MIXED), "temperature_final": 0.1}),
        (toy_dataset, {"controls": (), "estimator": "soft", "clamp": 0.4}),
        (toy_dataset, {"controls": (SELECTIVE,), "output": "softmax", "precision": "bf16"}),
        (toy_images, {}),
        (toy_dataset, {"pool": SMOOTH, "strategies": ("smartmixed", "gelu")}),
        (
            toy_dataset,
            {"pool": OTHERS, "strategies": ("smartmixed", *RIVAL_NAMES), "clamp": 0.4, "objective": "metric"},
        ),
    ],
    ids=[
        "controls, annealed",
        "soft, clamped",
        "softmax, bf16",
        "images",
        "smooth functions",
        "others, rivals, clamped",
    ],
)
def test_a_step_can_be_captured(fake_cuda: torch.device, data: Callable[[], Dataset], changes: dict[str, Any]) -> None:
    config = dataclasses.replace(BASE, **({"strategies": ("smartmixed", "relu", "elu")} | changes))
    training = TwoPhaseTraining(config, data(), fake_cuda)
    training.networks._steps._prepare(0)
    assert_captured(training, "selection")
    training.networks.stack.assignments[0] = Mixed(training.layout.pool, SIZES)
    training.networks.stack.selecting[0] = None
    training.networks.optimizer.learn_logits_of(training.layout.logit_columns[1:])
    assert_captured(training, "fixed")


def assert_captured(training: TwoPhaseTraining, phase: str) -> None:
    for name, batch in BATCHES.items():
        rehearsal, capture = trace(training, batch), trace(training, batch)
        assert capture.with_host == [], f"{phase}, {name} batch"
        assert capture.operations == rehearsal.operations, f"{phase}, {name} batch: a replay repeats shapes and numbers"


def test_noise_is_drawn_without_the_host(fake_cuda: torch.device) -> None:
    draws = TwoPhaseTraining(BASE, toy_dataset(), fake_cuda).networks._steps._draws
    with Trace() as traced:
        draws.prepare(step=70)
    assert len(traced.operations) > 100
    assert traced.with_host == []


@pytest.mark.parametrize("index", [[0, 2], torch.tensor([0, 2])], ids=["list", "host's tensor"])
def test_the_trace_sees_an_index_from_the_host(fake_cuda: torch.device, index: Any) -> None:
    table = torch.zeros(4, 4, device=fake_cuda)
    with Trace() as traced:
        table[:, index] += 1
    assert traced.with_host


def test_the_trace_sees_a_number_from_the_host(fake_cuda: torch.device) -> None:
    table = torch.zeros(4, device=fake_cuda)
    with Trace() as traced:
        table += torch.tensor(1.0)
    assert traced.with_host


def test_the_trace_sees_a_number_that_changes(fake_cuda: torch.device) -> None:
    table = torch.zeros(4, device=fake_cuda)
    traces = [Trace(), Trace()]
    for number, traced in enumerate(traces):
        with traced:
            table.add_(1, alpha=number)
    assert traces[0].operations != traces[1].operations


def test_a_read_is_refused(fake_cuda: torch.device) -> None:
    with pytest.raises(DataDependentOutputException):
        torch.zeros((), device=fake_cuda).item()


def test_a_shape_that_depends_on_values_is_refused(fake_cuda: torch.device) -> None:
    with pytest.raises(DynamicOutputShapeException):
        torch.zeros(4, device=fake_cuda).nonzero()
