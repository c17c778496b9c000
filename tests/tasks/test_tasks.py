"""The shared suite of the tasks: each keeps the contract of `Task`."""

import numpy as np
import pytest
import torch
from sklearn import config_context
from torch import Tensor

from smartmixed_search.engine.evaluation import add_up, uninformed
from smartmixed_search.errors import ConfigError
from smartmixed_search.tasks.classification import Classification
from smartmixed_search.tasks.metric import AUROC, BALANCED_ACCURACY, MACRO_F1, R2, Metric
from smartmixed_search.tasks.own import OwnMetric, Score
from smartmixed_search.tasks.regression import Regression
from smartmixed_search.tasks.task import LOSS, Task, whole
from tests.tasks.contract import EXAMPLES, B, Example, R, S, classified, predicted

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
def test_the_tally_has_the_loss_in_float64_and_what_the_metrics_need(example: Example) -> None:
    task = example.task
    tally = task.tally(outputs(example).float(), _single(example.targets), task.metrics)
    assert tally.keys() == {LOSS, *(part for metric in task.metrics for part in task.needs[metric.name])}
    assert all(part.shape[:2] == (R, S) for part in tally.values())
    assert tally[LOSS].dtype == torch.float64


@every_task
def test_tallies_of_parts_make_the_whole(example: Example) -> None:
    output, targets, task = outputs(example), example.targets, example.task
    cuts = slice(5), slice(5, None)
    parts = whole([task.tally(output[..., cut], targets[:, :, cut], task.metrics) for cut in cuts])
    for name, part in task.tally(output, targets, task.metrics).items():
        torch.testing.assert_close(parts[name], part)


@every_task
def test_metrics_are_scikit_learns(example: Example) -> None:
    output, task = outputs(example), example.task
    tally = task.tally(output, example.targets, task.metrics)
    measured = task.quantities(tally, example.targets, task.metrics)
    assert list(measured) == [metric.quantity for metric in task.metrics]
    for row in range(R):
        for column in range(S):
            expected = example.expected(output[row, column].numpy(), example.targets[row, 0].numpy())
            assert (tally[LOSS][row, column] / B).item() == pytest.approx(expected["loss"], rel=1e-12)
            for metric in task.metrics:
                value = metric.value(measured[metric.quantity][row, column].item(), B)
                assert value == pytest.approx(expected[metric.name], rel=1e-12), metric.name


@every_task
def test_metrics_say_which_way_is_better(example: Example) -> None:
    """Outputs that follow the gradient for long improve in every metric."""
    task, output = example.task, outputs(example)
    before = task.quantities(task.tally(output, example.targets, task.metrics), example.targets, task.metrics)
    for _ in range(2000):
        output -= task.loss_gradient(output.clone(), example.targets)[1]
    after = task.quantities(task.tally(output, example.targets, task.metrics), example.targets, task.metrics)
    for metric in task.metrics:
        assert (metric.gain(after[metric.quantity], before[metric.quantity]) > 0).all(), metric.name


@every_task
def test_one_split_may_be_asked_of_all_networks(example: Example) -> None:
    """Targets without leading dimensions, as an evaluation has them."""
    output, targets, task = outputs(example), example.targets[0, 0], example.task
    tally = task.tally(output, targets, task.metrics)
    again = task.tally(output, targets.expand(R, 1, *targets.shape), task.metrics)
    assert all(torch.equal(tally[name], again[name]) for name in tally)
    assert all(values.shape == (R, S) for values in task.quantities(tally, targets, task.metrics).values())


@every_task
def test_who_knows_nothing_answers_by_the_distribution_of_the_targets(example: Example) -> None:
    task, targets = example.task, example.targets[0, 0]
    measured = {metric.name: uninformed(task, targets, metric) for metric in task.metrics}
    assert measured.get("auroc", 0.5) == 0.5
    assert measured.get("r2", 0.0) == pytest.approx(0.0, abs=1e-12)
    if "rmse" in measured:
        assert measured["rmse"] == pytest.approx(task.target_deviation(targets), rel=1e-12)


thousand = pytest.mark.parametrize(
    "cases", [60, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)


@thousand
def test_random_classifications_are_scikit_learns(cases: int) -> None:
    """With ties, and with classes of one example."""
    rng = np.random.default_rng(0)
    with config_context(assume_finite=True, skip_parameter_validation=True):
        for _ in range(cases):
            classes, n = int(rng.integers(2, 6)), int(rng.integers(8, 60))
            target = rng.permutation(np.concatenate([np.arange(classes), rng.integers(classes, size=n - classes)]))
            output = np.round(rng.normal(size=(classes, n)) * 2, int(rng.integers(0, 3)))
            expected = classified(output, target)
            _assert_measured(Classification(classes), torch.tensor(output), torch.tensor(target), expected)


@thousand
def test_random_regressions_are_scikit_learns(cases: int) -> None:
    rng = np.random.default_rng(0)
    with config_context(assume_finite=True, skip_parameter_validation=True):
        for _ in range(cases):
            targets, n = int(rng.integers(1, 4)), int(rng.integers(2, 60))
            target = rng.normal(3, 2, size=(n, targets))
            output = (target + rng.normal(size=(n, targets)) * rng.exponential()).T
            expected = predicted(output, target)
            _assert_measured(Regression(targets), torch.tensor(output), torch.tensor(target), expected)


def _assert_measured(task: Task, output: Tensor, target: Tensor, expected: dict[str, float]) -> None:
    measured = task.quantities(task.tally(output, target, task.metrics), target, task.metrics)
    for metric in task.metrics:
        value = metric.value(measured[metric.quantity].item(), target.shape[0])
        assert value == pytest.approx(expected[metric.name], rel=1e-12, abs=1e-12), metric.name


def _measure(task: Task, output: Tensor, target: Tensor, *metrics: Metric) -> list[float]:
    measured = task.quantities(task.tally(output, target, metrics), target, metrics)
    return [measured[metric.quantity].item() for metric in metrics]


def test_metrics_that_are_undefined_are_nan() -> None:
    one_class, constant = torch.zeros(5, dtype=torch.int64), torch.full((5, 1), 0.1)
    assert np.isnan(_measure(Classification(3), torch.randn(3, 5), one_class, AUROC))
    assert np.isnan(_measure(Regression(1), torch.randn(1, 5), constant, R2))


def test_classes_and_targets_without_a_metric_are_left_out_of_its_mean() -> None:
    target, output = torch.tensor([0, 1, 0, 1, 1]), torch.randn(3, 5, dtype=torch.float64)
    output[2] = -100.0
    two = output[:2]
    for metric in (BALANCED_ACCURACY, MACRO_F1, AUROC):
        assert _measure(Classification(3), output, target, metric) == pytest.approx(
            _measure(Classification(2), two, target, metric), rel=1e-12
        )
    pairs = torch.stack([torch.arange(5.0), torch.full((5,), 0.1)], dim=1)
    assert _measure(Regression(2), torch.ones(2, 5), pairs, R2) == _measure(
        Regression(1), torch.ones(1, 5), pairs[:, :1], R2
    )


def test_answers_without_a_finite_loss_do_not_count() -> None:
    task, target = Classification(2), torch.tensor([0, 0])
    output = torch.tensor([[torch.nan, 1.0], [0.0, 0.0]])
    evaluation = add_up(task, [task.tally(output, target, task.metrics)], target, task.metrics)
    assert evaluation.quantities["correct"] == 0
    assert all(values.isnan() for name, values in evaluation.quantities.items() if name != "correct")


def test_a_metric_of_ones_own_gets_probabilities_and_numbers_in_their_unit() -> None:
    seen = []

    def largest(targets: np.ndarray, answers: np.ndarray) -> float:
        seen.append((targets, answers))
        return float(answers.max())

    own = OwnMetric(name="largest", label="largest", direction="max", unit="none", function=largest, spec="m:largest")
    classes, logits = torch.tensor([1, 0, 1]), torch.zeros(2, 3)
    assert _measure(Classification(2), logits, classes, own) == [0.5]
    assert (seen[-1][0].tolist(), seen[-1][1].shape) == ([1, 0, 1], (3, 2))
    numbers = torch.tensor([[0.0], [1.0], [-1.0]])
    assert _measure(Regression(1, (100.0,), (10.0,)), torch.tensor([[0.0, 2.0, 1.0]]), numbers, own) == [120.0]
    assert (seen[-1][0].tolist(), seen[-1][1].tolist()) == ([100.0, 110.0, 90.0], [100.0, 120.0, 110.0])
    assert np.isnan(_measure(Classification(2), logits * torch.nan, classes, own))
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda targets, answers: "much", "metric m:f must return a number, but got 'much'"),
        (lambda targets, answers: 1 / 0, "metric m:f must take any answers, but raised ZeroDivisionError: division"),
    ],
)
def test_a_metric_of_ones_own_that_fails_is_told_in_one_line(function: Score, message: str) -> None:
    own = OwnMetric(name="f", label="f", direction="max", unit="none", function=function, spec="m:f")
    with pytest.raises(ConfigError, match=f"^{message}") as caught:
        uninformed(Classification(2), torch.tensor([0, 1]), own)
    assert "\n" not in str(caught.value)


def test_numbers_have_no_softmax() -> None:
    with pytest.raises(ConfigError, match=r"^output must be logits for a regression, but got 'softmax'$"):
        Regression(1).receiving("softmax")
