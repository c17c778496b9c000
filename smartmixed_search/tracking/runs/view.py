"""What MLflow's page shows of an experiment: the view for training runs, and saved tables of rankings and of trials."""

import json
from collections.abc import Sequence
from typing import Any

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


_TRIAL_METRICS = (
    "objective",
    "smartmixed_rank",
    "smartmixed_test_accuracy",
    "best_fixed_test_accuracy",
    "choice_confidence",
)
_VIEWS = {
    "rankings": _state(
        schema.STRATEGY,
        f"tags.`{schema.TAG_RANKING}`",
        True,
        _metrics("rank", "test_accuracy", "val_accuracy") + _PARAMS + _TRIAL,
    ),
    "trials": _state(
        schema.TRIAL,
        "metrics.`objective`",
        False,
        ["params.`objective`", *_metrics(*_TRIAL_METRICS), *_PARAMS, *_MODELS],
    ),
}
VIEWS = tuple(_VIEWS)
"""The saved tables: the ranking of each trial, one below the other, and all trials, best objective first.

An objective is a margin or an accuracy: which one is beside it.
"""


def experiment_tags() -> dict[str, str]:
    """Return the tags of a new experiment, by which MLflow's page opens on runs, and knows the saved tables."""
    return {"mlflow.experimentKind": "custom_model_development"} | view_tags()


def view_tags() -> dict[str, str]:
    """Return the tags that hold the saved tables; what a user saves on the page has names of MLflow's making."""
    return {_KEY + name: json.dumps(state) for name, state in _VIEWS.items()}


def view_path(experiment_id: str, view: str) -> str:
    """Return where a tracking server shows one of `VIEWS` of an experiment, to be appended to its address."""
    return f"/#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={view}"
