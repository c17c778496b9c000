"""MLflow's experiment of a dataset: one for all its sweeps."""

from typing import TYPE_CHECKING

from smartmixed_search.errors import TrackingError
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
    present = client.get_experiment(experiment_id).tags
    for name, value in (experiment_tags() | present | view_tags()).items():
        if present.get(name) != value:  # the experiment is of an earlier version
            client.set_experiment_tag(experiment_id, name, value)
    return experiment_id
