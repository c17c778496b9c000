"""MLflow's experiment of a dataset: one for all its sweeps."""

from typing import TYPE_CHECKING

from smartmixed_search.errors import TrackingError
from smartmixed_search.tasks.metric import ACCURACY
from smartmixed_search.tracking import schema
from smartmixed_search.tracking.runs.view import experiment_tags, view_tags
from smartmixed_search.tracking.store.uris import artifact_location

if TYPE_CHECKING:
    from mlflow import MlflowClient


def find(client: "MlflowClient", dataset: str) -> str | None:
    """Return the id of the dataset's experiment, if there is one.

    Raises:
        TrackingError: it is in MLflow's trash.
    """
    name = schema.experiment_name(dataset)
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        return None
    if experiment.lifecycle_stage != "active":
        raise TrackingError(
            f"the experiment {name!r} is in MLflow's trash; restore it with "
            f"`mlflow experiments restore -x {experiment.experiment_id}`"
        )
    return str(experiment.experiment_id)


def prepare(client: "MlflowClient", uri: str, dataset: str) -> str:
    """Return the id of the dataset's experiment in the store at `uri`, found or created, with all its saved tables."""
    experiment_id = find(client, dataset)
    if experiment_id is None:
        name, location = schema.experiment_name(dataset), artifact_location(uri)
        return str(client.create_experiment(name, artifact_location=location, tags=experiment_tags()))
    # One of an earlier version has no such tag: its sweeps rank by accuracy.
    _set_tags(client, experiment_id, client.get_experiment(experiment_id).tags.get(schema.TAG_METRICS, ACCURACY.name))
    return experiment_id


def show_metric(client: "MlflowClient", experiment_id: str, metric: str) -> None:
    """Have the saved tables of an experiment show a metric that ranks in one of its sweeps, beside those they have."""
    known = client.get_experiment(experiment_id).tags.get(schema.TAG_METRICS, ACCURACY.name)
    if metric not in known.split(","):
        _set_tags(client, experiment_id, f"{known},{metric}" if known else metric)


def _set_tags(client: "MlflowClient", experiment_id: str, metrics: str) -> None:
    present = client.get_experiment(experiment_id).tags
    for name, value in (experiment_tags() | present | {schema.TAG_METRICS: metrics} | view_tags(metrics)).items():
        if present.get(name) != value:
            client.set_experiment_tag(experiment_id, name, value)
