"""Curves of a trial's strategies, read from MLflow."""

from typing import TYPE_CHECKING

from smartmixed_search.tasks.metric import Metric
from smartmixed_search.tracking import schema
from smartmixed_search.tracking.runs import runs
from smartmixed_search.tracking.store.store import open_store, resolve_tracking_uri, store_errors
from smartmixed_search.tracking.tables.measured import Measured
from smartmixed_search.tracking.tables.trials import find_trial

if TYPE_CHECKING:
    from mlflow import MlflowClient


def curves(trial: str, sweep: str | None = None, tracking_uri: str | None = None) -> dict[str, list[float]]:
    """Return the validation metric by epoch of every strategy and control of a trial, by name: the one that ranks.

    Values are means over the replicates, accuracies are fractions; `plot_curves` takes them as they are.

    Args:
        trial: the trial's key, the key's first digits, or the id of its run or of a run below it.
        sweep: name of its sweep or confirmation; the latest sweep by default. The id of a run needs none.
        tracking_uri: MLflow's store; default: `MLFLOW_TRACKING_URI`, else the SQLite store of the output directory.

    Raises:
        TrackingError: the store cannot be reached, there is no such sweep or trial, or the trial is not finished.
    """
    uri = resolve_tracking_uri(tracking_uri)
    client = open_store(uri)
    with store_errors(uri):
        found = find_trial(client, uri, trial, sweep)
        return read_curves(client, found.info.experiment_id, found.info.run_id, Measured.of(found).metric)


def read_curves(client: "MlflowClient", experiment_id: str, trial_id: str, metric: Metric) -> dict[str, list[float]]:
    """Return a metric's of the trial with that run id."""
    found = runs.search(client, [experiment_id], [runs.equals(schema.TAG_PARENT, trial_id)])
    histories = {
        run.data.tags[schema.TAG_STRATEGY]: client.get_metric_history(run.info.run_id, f"epoch/{metric.val}")
        for run in found
    }
    return {
        strategy: [point.value for point in sorted(history, key=lambda point: point.step)]
        for strategy, history in histories.items()
    }
