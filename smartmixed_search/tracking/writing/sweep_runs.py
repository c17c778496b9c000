"""The run of a sweep, or of a confirmation: found by name and key, or created."""

from typing import TYPE_CHECKING

from smartmixed_search.analysis.confirmed import Confirmed
from smartmixed_search.errors import SweepError
from smartmixed_search.tracking import schema
from smartmixed_search.tracking.runs import doubles, experiments, runs

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def find_sweep_runs(client: "MlflowClient", sweep: str, key: str) -> "list[Run]":
    """Return the runs of a sweep: one, unless there are doubles. Of two sweeps of one name the older one has it.

    Raises:
        SweepError: the name is taken by a sweep with another key.
    """
    named = [*runs.sweep_runs(client, sweep), *runs.confirmation_runs(client, sweep)]
    found = sorted(named, key=doubles.age)
    if found and found[0].data.tags[schema.TAG_KEY] != key:
        raise SweepError(
            f"the name {sweep!r} is taken in the tracking store, by a sweep with another space, seed or dataset or by "
            "a confirmation; choose another --name, or another store"
        )
    return [run for run in found if run.data.tags[schema.TAG_KEY] == key]


def create_sweep_run(
    client: "MlflowClient", uri: str, sweep: str, key: str, dataset: str, opened: str, confirms: Confirmed | None
) -> "Run":
    """Create a sweep's run in its dataset's experiment, unless another process has done so at the same moment.

    Raises:
        SweepError: another process has created one of that name, with another key.
    """
    experiment_id = experiments.prepare(client, uri, dataset)
    tags = schema.sweep_tags(sweep, key, dataset, opened)
    if confirms is not None:
        tags = schema.confirmation_tags(sweep, key, dataset, confirms.sweep)
    created = runs.create_run(client, experiment_id, sweep, tags, runs.now())
    try:
        return doubles.keep_one(client, find_sweep_runs(client, sweep, key)) or created
    except SweepError:
        doubles.delete(client, created)
        raise
