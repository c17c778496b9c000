"""The tables that MLflow's page has saved, asked of the store as the page asks."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from smartmixed_search.analysis.confirmed import Confirmed
from smartmixed_search.tracking.runs import experiments
from smartmixed_search.tracking.runs.view import VIEWS
from smartmixed_search.tracking.store.store import connect
from smartmixed_search.tracking.writing.writer import Tracker
from tests.helpers.factories import make_result
from tests.helpers.tracked import make_tracker, opening

ACCURACIES = {"smartmixed": 0.9, "relu": 0.95, "elu": 0.8, "selective": 0.99}


def shown(uri: str, view: str) -> list[Any]:
    client = connect(uri)
    experiment = client.get_experiment_by_name("smartmixed/digits")
    state = json.loads(experiment.tags[f"mlflow.sharedViewState.{view}"])
    order = f"{state['orderByKey']} {'ASC' if state['orderByAsc'] else 'DESC'}"
    return list(client.search_runs([experiment.experiment_id], state["searchFilter"], order_by=[order]))


def record_confirmed(uri: str) -> None:
    """A sweep of two trials, of which one was confirmed."""
    tracker = make_tracker(uri)
    made = [make_result(accuracies=ACCURACIES, temperature=t, objective=t) for t in (0.3, 0.5)]
    for result in made:
        tracker.record_trial(result)
    confirms = Confirmed.of("mine", made[0].config)
    again = replace(made[0].config, seed=confirms.fresh_seed)
    tracker = Tracker(uri, sweep="again", dataset="digits", confirms=confirms)
    tracker.open_sweep(**opening(key="again"))
    tracker.record_trial(replace(made[0], config=again, key=again.key, objective=0.9))


@pytest.fixture
def uri(copy_of: Callable[..., str]) -> str:
    return copy_of(record_confirmed)


def test_rankings_are_those_of_the_sweep_s_trials_one_below_the_other(uri: str) -> None:
    found = [run.data.tags for run in shown(uri, "rankings")]
    assert [tags["smartmixed.strategy"] for tags in found] == ["relu", "smartmixed", "elu", "selective"] * 2
    trials = [tags["smartmixed.trial"] for tags in found]
    assert trials == [key for key in sorted(set(trials)) for _ in range(4)]
    assert {tags["smartmixed.sweep"] for tags in found} == {"mine"}


def test_trials_are_the_sweep_s_with_their_objective_and_its_kind_best_first(uri: str) -> None:
    found = shown(uri, "trials")
    assert [run.data.metrics["objective"] for run in found] == [0.5, 0.3]
    assert {run.data.params["objective"] for run in found} == {"margin"}


def test_an_experiment_of_an_earlier_version_gets_the_tables_of_this_one(uri: str) -> None:
    client = connect(uri)
    experiment_id = experiments.find(client, "digits")
    key, mine = f"mlflow.sharedViewState.{VIEWS[0]}", "mlflow.sharedViewState.c0ffee"
    expected = client.get_experiment(experiment_id).tags
    client.set_experiment_tag(experiment_id, key, "{}")
    client.set_experiment_tag(experiment_id, mine, "{}")
    assert experiments.prepare(client, uri, "digits") == experiment_id
    assert client.get_experiment(experiment_id).tags == expected | {mine: "{}"}
