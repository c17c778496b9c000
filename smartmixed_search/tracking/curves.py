"""Curves of a trial's strategies, read from MLflow."""

from typing import TYPE_CHECKING

from smartmixed_search.tracking import runs, schema
from smartmixed_search.tracking.networks import find_trial
from smartmixed_search.tracking.queries import reading

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_CURVE = "epoch/val_accuracy"


def curves(trial: str, sweep: str | None = None, tracking_uri: str | None = None) -> dict[str, list[float]]:
    """Return the validation accuracy by epoch of every strategy and control of a trial; `plot_curves` takes it.

    Args:
        trial: the trial's key or a prefix of it that fits no other of the sweep, or the id of its run.
        sweep: name of the sweep; the latest by default.
        tracking_uri: the store; see `tracking.queries`.

    Raises:
        TrackingError: there is no such store, sweep or trial, or the trial is not finished.
    """
    with reading(sweep, False, tracking_uri) as (client, (found,)):
        return read_curves(client, found, find_trial(client, found, trial).info.run_id)


def read_curves(client: "MlflowClient", sweep: "Run", trial_id: str) -> dict[str, list[float]]:
    """Return them of the trial with that run id."""
    found = runs.search(client, [sweep.info.experiment_id], [runs.equals(schema.TAG_PARENT, trial_id)])
    histories = {
        run.data.tags[schema.TAG_STRATEGY]: client.get_metric_history(run.info.run_id, _CURVE) for run in found
    }
    return {
        strategy: [point.value for point in sorted(history, key=lambda point: point.step)]
        for strategy, history in histories.items()
    }
