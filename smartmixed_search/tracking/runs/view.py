"""What MLflow's page shows of an experiment: the view for training runs, and saved tables of rankings and of trials."""

import json
from collections.abc import Sequence
from typing import Any

from smartmixed_search.tasks.metric import ACCURACY
from smartmixed_search.tracking import schema

_KEY = "mlflow.sharedViewState."
_PARAMS = ["params.`phase_fraction`", "params.`temperature`"]
_TRIAL = [f"tags.`{schema.TAG_SWEEP}`", f"tags.`{schema.TAG_TRIAL}`"]
_MODELS = ["attributes.`Dataset`", "attributes.`Models`"]


def _state(kind: str, order_by: str, ascending: bool, columns: Sequence[str]) -> dict[str, Any]:
    return {
        # What confirmations measured is apart: only their trials and strategies have that tag.
        "searchFilter": f"tags.`{schema.TAG_KIND}` = '{kind}' AND tags.`{schema.TAG_CONFIRMS_TRIAL}` IS NULL",
        "orderByKey": order_by,
        "orderByAsc": ascending,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "selectedColumns": columns,
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
    }


def _metrics(*names: str) -> list[str]:
    return [f"metrics.`{name}`" for name in names]


VIEWS = ("rankings", "trials")
"""The saved tables: the ranking of each trial, one below the other, and all trials, best objective first.

An objective is a margin or the metric, the larger the better in either direction: which one is beside it.
"""


def _views(metrics: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the states of `VIEWS`, with columns for metrics that rank in a sweep of the experiment."""
    ranked = [f"{split}_{name}" for name in metrics for split in ("test", "val")]
    outcome = [f"{whose}_test_{name}" for name in metrics for whose in ("smartmixed", "best_fixed")]
    of_trial = _metrics("objective", "smartmixed_rank", *outcome, "choice_confidence")
    by_ranking, by_objective = f"tags.`{schema.TAG_RANKING}`", "metrics.`objective`"
    return (
        _state(schema.STRATEGY, by_ranking, True, _metrics("rank", *ranked) + _PARAMS + _TRIAL),
        _state(schema.TRIAL, by_objective, False, ["params.`objective`", *of_trial, *_PARAMS, *_MODELS]),
    )


def experiment_tags() -> dict[str, str]:
    """Return the tags of a new experiment, by which MLflow's page opens on runs, and knows the saved tables."""
    return {"mlflow.experimentKind": "custom_model_development", schema.TAG_METRICS: ""} | view_tags("")


def view_tags(names: str) -> dict[str, str]:
    """Return the tags that hold the saved tables; what a user saves on the page has names of MLflow's making.

    `names`, with commas between them, are those of the metrics that have ranked; without one, accuracy is expected.
    """
    states = _views((names or ACCURACY.name).split(","))
    return {_KEY + name: json.dumps(state) for name, state in zip(VIEWS, states, strict=True)}


def view_path(experiment_id: str, view: str) -> str:
    """Return where a tracking server shows one of `VIEWS` of an experiment, to be appended to its address."""
    return f"/#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={view}"
