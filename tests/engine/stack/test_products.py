"""Precision is that of the products alone, and of one trial alone."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from smartmixed_search.engine.stack.products import Products
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.errors import ConfigError
from smartmixed_search.trials.config import TrialConfig
from tests.helpers.reference import toy_dataset
from tests.helpers.training import BASE, CPU

PRECISIONS = ("float32", "tf32", "bf16")


@pytest.fixture
def process_setting() -> Iterator[Any]:
    """The process's own mode of CUDA's float32 products."""
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    yield matmul
    matmul.fp32_precision = before


class Modes(TorchDispatchMode):
    """Collects the mode and the types of every product."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[tuple[str, torch.dtype, torch.dtype]] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if "bmm" in func._schema.name:
            self.found.add((torch.backends.cuda.matmul.fp32_precision, args[1].dtype, out.dtype))
        return out


def trained(precision: str) -> TwoPhaseTraining:
    config = dataclasses.replace(BASE, precision=precision, learning_rate=0.002, batch_size=8, controls=())
    training = TwoPhaseTraining(config, toy_dataset(), CPU)
    training.run()
    return training


def losses(training: TwoPhaseTraining) -> torch.Tensor:
    return torch.stack(training.curves["train_loss"])


@pytest.mark.filterwarnings("ignore")  # torch says that this machine has no driver
@pytest.mark.parametrize("own", ["none", "ieee", "tf32"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_gpus_products_have_the_trials_precision_whatever_the_process_has(
    process_setting: Any, monkeypatch: pytest.MonkeyPatch, own: str, precision: str
) -> None:
    monkeypatch.setattr("smartmixed_search.engine.stack.networks.live_inputs", lambda data: np.arange(data.features))
    process_setting.fp32_precision = own
    config = dataclasses.replace(BASE, precision=precision, clamp=9.0, controls=())  # whose selection has no products
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        steps = TwoPhaseTraining(config, toy_dataset(), torch.device("cuda")).networks._steps
        steps._prepare(0)
        with Modes() as modes:
            steps._step(16)
    float32, bf16 = torch.float32, torch.bfloat16
    expected = {
        "float32": {("ieee" if own == "tf32" else own, float32, float32)},
        "tf32": {("tf32", float32, float32)},
        "bf16": {(own, bf16, float32)},
    }
    assert modes.found == expected[precision]
    assert process_setting.fp32_precision == own


def test_the_cpu_has_no_tf32() -> None:
    assert torch.equal(losses(trained("tf32")), losses(trained("float32")))


def test_bf16_trains_about_what_float32_trains() -> None:
    reference, rounded = losses(trained("float32")), losses(trained("bf16"))
    assert not torch.equal(rounded, reference)
    torch.testing.assert_close(rounded, reference, rtol=0.01, atol=0)  # eight bits of mantissa: 0.004


def test_bf16_keeps_everything_but_products_in_float32() -> None:
    training = trained("bf16")
    states = (
        training.networks.stack.parameters,
        training.networks.stack.gradients,
        training.networks.optimizer.first_moments,
    )
    assert {tensor.dtype for state in states for tensor in state.tensors()} == {torch.float32}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_product_is_as_exact_as_its_precision(precision: str) -> None:
    rng = torch.Generator().manual_seed(0)
    weight, a = (torch.randn(2, 3, *shape, generator=rng) for shape in ((40, 50), (50, 30)))
    bias, gradient = (torch.randn(2, 3, *shape, generator=rng) for shape in ((40,), (40, 30)))
    products, by_weight = Products(precision), torch.empty_like(weight)
    products.weight_gradient(gradient, a, by_weight)
    exact = weight.double(), a.double(), bias.double(), gradient.double()
    for got, expected in (
        (products.linear(weight, bias, a), exact[0] @ exact[1] + exact[2].unsqueeze(-1)),
        (products.input_gradient(weight, gradient), exact[0].mT @ exact[3]),
        (by_weight, exact[3] @ exact[1].mT),
    ):
        error = ((got - expected).norm() / expected.norm()).item()
        assert (1e-3 < error < 1e-2) if precision == "bf16" else error < 1e-6


def test_precision_is_part_of_a_trials_identity() -> None:
    assert len({dataclasses.replace(BASE, precision=precision).key for precision in PRECISIONS}) == 3


def test_an_unknown_precision_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"float32, tf32, bf16, but got 'float16'; did you mean 'float32'\?"):
        TrialConfig(dataset="toy", architecture=(4,), precision="float16")
