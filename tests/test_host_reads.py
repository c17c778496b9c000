"""A training step on CUDA asks nothing of the host: traced with fake tensors, so that no GPU is needed."""

import dataclasses
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from smartmixed_search.config import SELECTIVE
from smartmixed_search.stack import Fixed
from smartmixed_search.training import TwoPhaseTraining
from tests.reference import toy_dataset
from tests.test_training import BASE


class HostReads(TorchDispatchMode):
    """Collects copies between device and host; whatever else reads values, a fake tensor refuses by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func._schema.name.removeprefix("aten::")
        devices = {arg.device.type for arg in args if isinstance(arg, torch.Tensor) and arg.ndim}
        target = kwargs.get("device")
        if len(devices) > 1 or (target and devices and torch.device(target).type not in devices):
            self.found.append(name)
        return func(*args, **kwargs)


@pytest.fixture
def fake_cuda() -> Any:
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        yield torch.device("cuda")


@pytest.mark.filterwarnings("ignore")  # torch says that this machine has no driver
@pytest.mark.parametrize("phase", ["selection", "fixed"])
def test_a_training_step_reads_nothing_back(fake_cuda: torch.device, phase: str) -> None:
    training = TwoPhaseTraining(dataclasses.replace(BASE, controls=(SELECTIVE,)), toy_dataset(), fake_cuda)
    x = training.data.x_train[:16].expand(2, -1, -1).contiguous()
    y = training.data.y_train[:16].expand(2, -1).contiguous()
    training.train_step(x, y)  # draws the noise of the first steps
    if phase == "fixed":  # a handoff depends on the choices, which fake tensors do not have
        training.stack.assignments[0] = Fixed(training.layout.pool[0])
        training.stack.selecting[0] = None
        training.optimizer.learn_logits_of(training.layout.logit_columns[1:])
    with HostReads() as reads:
        training.train_step(x, y)
    assert reads.found == []


def test_the_trace_sees_a_read(fake_cuda: torch.device) -> None:
    with HostReads() as reads:
        table = torch.zeros(4, 4, device=fake_cuda)
        table[:, [0, 2]] += 1
    assert reads.found
