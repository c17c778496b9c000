"""The selection's arithmetic, against torch's own Gumbel-Softmax."""

from collections import deque

import pytest
import torch
import torch.nn.functional as F

from smartmixed_search.engine.stack import Assignment, selective_assignment
from smartmixed_search.engine.stack.assignment import Selecting
from smartmixed_search.engine.stack.combining import Combining
from smartmixed_search.method.activations import PUBLISHED_POOL, get_activation, known_activations, resolve_pool
from smartmixed_search.method.functions import Activation
from smartmixed_search.method.selection import logits_gradient, one_hot, relaxed_sample, temperatures
from tests.helpers.reference import given_noise

R, J, H, B = 2, 2, 5, 7


@pytest.mark.parametrize("hard", [True, False])
@pytest.mark.parametrize("temperature", [0.1, 0.3, 5.0])
@pytest.mark.parametrize(("form", "clamp"), [(Combining, None), (Selecting, None), (Selecting, 0.6)])
@pytest.mark.parametrize("names", [PUBLISHED_POOL, known_activations(), ("gelu", "silu")], ids=len)
def test_gradients_equal_autograd_through_gumbel_softmax(
    hard: bool, temperature: float, form: type[Assignment], clamp: float | None, names: tuple[str, ...]
) -> None:
    generator, functions = torch.Generator().manual_seed(5), len(names)
    logits, noise = (torch.randn(*s, H, functions, dtype=torch.float64, generator=generator) for s in ((R, J), (R,)))
    z, gradient = (torch.randn(R, H, B, dtype=torch.float64, generator=generator) for _ in range(2))
    z[:, :, 0] = 0.0  # where the derivatives of several functions have a step
    pool, tau = resolve_pool(names), torch.tensor(temperature, dtype=torch.float64)

    relaxed = relaxed_sample(logits, noise, tau)
    mix = (one_hot(relaxed) if hard else relaxed)[:, 1]
    output, by_input = z.clone(), gradient.clone()
    if form is Combining:
        selecting: Assignment = Combining(pool, z.device, z.dtype)
    else:
        selecting = Selecting(pool, clamp)
    saved = selecting.forward_(output, 0, mix)
    by_mix = selecting.backward_(by_input, output, saved, 0)
    by_logits = logits_gradient(by_mix, relaxed[:, 1], tau)

    leaf_logits, leaf_z = logits[:, 1].clone().requires_grad_(), z.clone().requires_grad_()
    with given_noise(deque([noise])):
        sample = F.gumbel_softmax(leaf_logits, tau=temperature, hard=hard)
    outputs = torch.stack([activation.function(leaf_z) for activation in pool], -1)
    outputs = outputs if clamp is None else outputs.clamp(-clamp, clamp)
    expected = (outputs * sample[:, :, None, :]).sum(-1)
    expected.backward(gradient)
    torch.testing.assert_close(output, expected.detach())
    torch.testing.assert_close(by_input, leaf_z.grad)
    torch.testing.assert_close(by_logits, leaf_logits.grad)


@pytest.mark.parametrize(
    ("names", "clamp", "form"),
    [
        (PUBLISHED_POOL, None, Combining),
        (("gelu", "identity"), None, Combining),
        (PUBLISHED_POOL, 10.0, Selecting),
        (("relu", "users"), None, Selecting),
        (("relu", "gelu of the user's"), None, Selecting),
    ],
)
def test_only_the_built_in_functions_without_a_clamp_are_combined(
    names: tuple[str, ...], clamp: float | None, form: type[Assignment]
) -> None:
    pool = [
        get_activation(name) if name in known_activations() else Activation(name=name[:4], function=torch.tanh)
        for name in names
    ]
    assignment = selective_assignment(pool, clamp, torch.device("cpu"), torch.float32)
    assert type(assignment) is form


@pytest.mark.parametrize("temperature", [0.1, 5.0])
def test_hard_frequencies_follow_softmax_of_the_logits(temperature: float) -> None:
    draws, functions = 60_000, 6
    generator = torch.Generator().manual_seed(2)
    logits = torch.tensor([0.3, 1.2, -0.7, 0.0, 2.0, -2.0])
    noise = -torch.empty(1, draws, functions).exponential_(generator=generator).log()
    sample = one_hot(relaxed_sample(logits.expand(1, 1, draws, functions), noise, torch.tensor(temperature)))
    expected = logits.softmax(0)
    error = (expected * (1 - expected) / draws).sqrt()
    assert ((sample.mean((0, 1, 2)) - expected).abs() < 4 * error).all()


def test_temperatures_anneal_exponentially_from_start_to_final() -> None:
    schedule = temperatures(2.0, 0.5, 5)
    assert schedule == pytest.approx([2.0, 2**0.5, 1.0, 0.5**0.5, 0.5])
    assert temperatures(0.3, None, 3) == [0.3] * 3
    assert temperatures(0.3, 0.1, 1) == [0.3]
