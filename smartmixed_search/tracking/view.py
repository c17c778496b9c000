"""What MLflow's page shows of an experiment: the view for training runs, and saved tables of rankings and of trials."""

import json
from collections.abc import Sequence
from typing import Any

from smartmixed_search.tracking import schema

_KEY = "mlflow.sharedViewState."
_PARAMS = ["params.`phase_fraction`", "params.`temperature`"]
_MODELS = ["attributes.`Dataset`", "attributes.`Models`"]


def _state(kind: str, order_by: str, ascending: bool, columns: Sequence[str]) -> dict[str, Any]:
    return {
        "searchFilter": f"tags.`{schema.TAG_KIND}` = '{kind}'",
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
        schema.STRATEGY, "metrics.`rank`", True, _metrics("rank", "test_accuracy", "val_accuracy") + _PARAMS
    ),
    "trials": _state(schema.TRIAL, "metrics.`objective`", False, _metrics(*_TRIAL_METRICS) + _PARAMS + _MODELS),
}
VIEWS = tuple(_VIEWS)
"""The saved tables: of all strategies, best rank first, and of all trials, best objective first."""


def experiment_tags() -> dict[str, str]:
    """Return the tags of an experiment by which MLflow's page opens on runs, and knows the saved tables."""
    kind = {"mlflow.experimentKind": "custom_model_development"}
    return kind | {_KEY + name: json.dumps(state) for name, state in _VIEWS.items()}


def view_path(experiment_id: str, view: str) -> str:
    """Return where a tracking server shows one of `VIEWS` of an experiment, to be appended to its address."""
    return f"/#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={view}"
