"""What MLflow's page shows of an experiment: the view for training runs, and a saved table of the rankings."""

import json

from smartmixed_search.tracking import schema

_SHARE_KEY = "rankings"
_COLUMNS = ["metrics.`rank`", "metrics.`test_accuracy`", "metrics.`val_accuracy`"]
_PARAMS = ["params.`phase_fraction`", "params.`temperature`"]


def experiment_tags() -> dict[str, str]:
    """Return the tags of a new experiment by which MLflow's page opens on runs, and knows the rankings' table."""
    state = {
        "searchFilter": f"tags.`{schema.TAG_KIND}` = '{schema.STRATEGY}'",
        "orderByKey": "metrics.`rank`",
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "selectedColumns": _COLUMNS + _PARAMS,
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
    }
    return {
        "mlflow.experimentKind": "custom_model_development",
        f"mlflow.sharedViewState.{_SHARE_KEY}": json.dumps(state),
    }


def rankings_path(experiment_id: str) -> str:
    """Return where a tracking server shows an experiment's rankings, to be appended to its address."""
    return f"/#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={_SHARE_KEY}"
