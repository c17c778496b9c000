"""What ranks: a metric of the task, or a function of the user's own; what is not is told in one line."""

import re

import pytest

from smartmixed_search.engine.trial import run_trial
from smartmixed_search.errors import ConfigError
from smartmixed_search.system.plugins import import_plugins
from smartmixed_search.tasks.metric import ACCURACY, AUROC, RMSE
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.metrics import metric_of, modules_of
from smartmixed_search.trials.ranking import rank_networks
from smartmixed_search.trials.result import TrialResult
from tests.helpers.reference import toy_dataset, toy_numbers

MODULE = "tests.helpers.own_metrics"


@pytest.fixture(autouse=True)
def imported() -> None:
    import_plugins([MODULE])


def test_the_first_of_the_task_ranks_unless_another_is_named() -> None:
    assert metric_of(None, "margin", "classification") == ACCURACY
    assert metric_of(None, "margin", "regression") == RMSE
    assert metric_of("auroc", "metric", "classification") == AUROC


@pytest.mark.parametrize(
    ("name", "task", "message"),
    [
        ("rmse", "classification", "metric must be one of accuracy, balanced_accuracy, macro_f1, auroc, log_loss, or"),
        ("accuracy", "regression", "but got 'accuracy', which is not of a regression"),
        (f"{MODULE}:fond", "classification", "metric tests.helpers.own_metrics:fond: a function of tests.helpers.own"),
        (
            f"{MODULE}:fond",
            "classification",
            "must be one of found, worst, failing, but got 'fond'; did you mean 'found'?",
        ),
        (f"{MODULE}:undirected", "regression", 'must have an attribute direction, "max" or "min", but got None; after'),
        ("nowhere_at_all:found", "regression", "--plugin nowhere_at_all"),
    ],
)
def test_what_is_no_metric_is_told(name: str, task: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        metric_of(name, "margin", task)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("acuracy", "metric must be one of accuracy, .*, but got 'acuracy'; did you mean 'accuracy'"),
        ("my metrics:f", "metric must be module:function, whose name no other figure has, but got 'my metrics:f'"),
        ("mine:loss", "metric must be module:function, whose name no other figure has, but got 'mine:loss'"),
        (3, "metric must be one of"),
    ],
)
def test_what_can_be_none_is_refused_by_a_configuration(value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}"):
        TrialConfig(dataset="toy", architecture=(4,), metric=value)


def test_an_unused_metric_moves_no_key() -> None:
    plain = TrialConfig(dataset="toy", architecture=(4,))
    assert TrialConfig(dataset="toy", architecture=(4,), metric="none").key == plain.key
    other = TrialConfig(dataset="toy", architecture=(4,), metric="auroc")
    assert (other.key == plain.key, other.baseline_key == plain.baseline_key) == (False, False)


def trained(metric: str, *, numbers: bool = False) -> TrialResult:
    config = TrialConfig(
        dataset="toy", architecture=(5,), epochs=3, metric=metric, strategies=("smartmixed", "relu"), objective="metric"
    )
    return run_trial(config, toy_numbers() if numbers else toy_dataset())


@pytest.mark.parametrize(("function", "numbers"), [("found", False), ("worst", True)])
def test_ones_own_ranks_is_tuned_and_is_recorded_beside_the_tasks(function: str, numbers: bool) -> None:
    result = trained(f"{MODULE}:{function}", numbers=numbers)
    assert (result.metric.name, result.metric.direction) == (function, "min" if numbers else "max")
    assert all({function, "rmse" if numbers else "accuracy"} <= network.test.keys() for network in result.networks)
    assert result.objective == result.metric.oriented(result.networks[0].val[function] or 0.0)
    assert all(len(network.curves[f"val_{function}"]) == 3 for network in result.networks)
    assert f"test_{function}" in rank_networks(result.networks, result.metric)
    assert TrialResult.from_dict(result.to_dict()).metric == result.metric


def test_one_that_fails_is_told_before_anything_is_trained() -> None:
    with pytest.raises(
        ConfigError, match=rf"^metric {MODULE}:failing must take any answers, but raised ValueError: no such an"
    ):
        trained(f"{MODULE}:failing")


def test_its_module_is_imported_as_plugins_are() -> None:
    assert modules_of({"plugins": ("a",), "metric": "b.c:d"}) == ["a", "b.c"]
    assert modules_of({"plugins": (), "metric": "auroc"}) == []
