"""The shared suite of the tasks: each keeps the contract of `Task`."""

import pytest
import torch
from torch import Tensor

from smartmixed_search.tasks.classification import Classification
from smartmixed_search.tasks.task import LOSS
from tests.tasks.contract import EXAMPLES, B, Example, R, S

every_task = pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)


def outputs(example: Example) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(R, S, example.task.outputs, B, generator=generator, dtype=torch.float64)


def _single(targets: Tensor) -> Tensor:
    """In the precision in which networks are trained; classes stay integers."""
    return targets.float() if targets.is_floating_point() else targets


@every_task
def test_the_mean_loss_of_the_gradient_is_that_of_the_examples(example: Example) -> None:
    output = outputs(example)
    expected = example.task.loss(output, example.targets)
    assert expected.shape == (R, S, B)
    loss, gradient = example.task.loss_gradient(output.clone(), example.targets)
    assert gradient.shape == output.shape
    torch.testing.assert_close(loss, expected.mean(-1))


@every_task
def test_the_written_out_gradient_is_autograds(example: Example) -> None:
    output = outputs(example).requires_grad_()
    example.task.loss(output, example.targets).mean(-1).sum().backward()
    _, gradient = example.task.loss_gradient(output.detach().clone(), example.targets)
    torch.testing.assert_close(gradient, output.grad)


@every_task
def test_the_tally_has_the_sums_it_names(example: Example) -> None:
    tally = example.task.tally(outputs(example).float(), _single(example.targets))
    assert set(tally) == {LOSS, *example.task.sums}
    assert all(sums.shape == (R, S) for sums in tally.values())
    assert tally[LOSS].dtype == torch.float64


@every_task
def test_tallies_of_parts_add_up(example: Example) -> None:
    output, targets = outputs(example), example.targets
    whole = example.task.tally(output, targets)
    parts = [example.task.tally(output[..., part], targets[:, :, part]) for part in (slice(5), slice(5, None))]
    for name, sums in whole.items():
        torch.testing.assert_close(parts[0][name] + parts[1][name], sums)


@every_task
def test_figures_are_scikit_learns(example: Example) -> None:
    output, task = outputs(example), example.task
    figures = task.figures(task.tally(output, example.targets), B)
    assert list(figures) == [metric.name for metric in task.metrics]
    for row in range(R):
        for column in range(S):
            expected = example.expected(output[row, column].numpy(), example.targets[row, 0].numpy())
            for name, value in expected.items():
                assert figures[name][row, column].item() == pytest.approx(value, rel=1e-12), name


@every_task
def test_metrics_say_which_way_is_better(example: Example) -> None:
    """Outputs that follow the gradient for long improve in every metric."""
    task, output = example.task, outputs(example)
    before = task.figures(task.tally(output, example.targets), B)
    for _ in range(2000):
        output -= task.loss_gradient(output.clone(), example.targets)[1]
    after = task.figures(task.tally(output, example.targets), B)
    for metric in task.metrics:
        gain = after[metric.name] - before[metric.name]
        assert ((gain if metric.direction == "max" else -gain) > 0).all(), metric.name


@every_task
def test_one_split_may_be_asked_of_all_networks(example: Example) -> None:
    """Targets without leading dimensions, as an evaluation has them."""
    output, targets = outputs(example), example.targets[0, 0]
    tally = example.task.tally(output, targets)
    again = example.task.tally(output, targets.expand(R, 1, *targets.shape))
    assert all(torch.equal(tally[name], again[name]) for name in tally)


def test_answers_without_a_finite_loss_do_not_count() -> None:
    task = Classification(2)
    output = torch.tensor([[torch.nan, 1.0], [0.0, 0.0]])
    figures = task.figures(task.tally(output, torch.tensor([0, 0])), 2)
    assert figures["accuracy"] == 0
