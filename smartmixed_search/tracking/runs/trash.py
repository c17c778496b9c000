"""MLflow's trash: runs that were deleted, on MLflow's page say. Nothing reads them; the next writer takes them out.

A deleted run keeps all that it holds, so that it is delivered again by being restored: under its id, by which stored
tables and registered models know it. Only where the trash was emptied is it written again.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from smartmixed_search.tracking import schema
from smartmixed_search.tracking.runs import doubles, runs

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def deleted_runs(client: "MlflowClient", experiment_ids: list[str], sweep: str) -> list["Run"]:
    """Return the runs in the trash that belong to the sweep or confirmation of that name."""
    # Of all kinds of questions this one is answered at once; to ask for a tag takes far longer, and is seldom needed.
    if not any(runs.search(client, experiment_ids, [], limit=1, deleted=True)):
        return []
    found = runs.search(client, experiment_ids, [runs.equals(schema.TAG_SWEEP, sweep)], deleted=True)
    return [run for run in found if run.data.tags[schema.TAG_SWEEP] == sweep]


def deleted_ids(client: "MlflowClient", sweep: "Run") -> set[str]:
    """Return the ids of the runs below a sweep's run, and of others of its name, that are in the trash."""
    found = deleted_runs(client, [sweep.info.experiment_id], sweep.data.tags[schema.TAG_SWEEP])
    return {run.info.run_id for run in found}


def restore_sweep(client: "MlflowClient", sweep: str, key: str) -> "Run | None":
    """Restore the run of a sweep or confirmation, and return it; None if the trash holds none of that name and key."""
    ids = [experiment.experiment_id for experiment in runs.experiments(client)]
    found = [
        run
        for run in deleted_runs(client, ids, sweep)
        if run.data.tags[schema.TAG_KEY] == key
        and run.data.tags[schema.TAG_KIND] in (schema.SWEEP, schema.CONFIRMATION)
    ]
    return _restore_one(client, found)


def restore_below(client: "MlflowClient", sweep: "Run") -> int:
    """Restore the runs of a sweep's trials and strategies, except doubles; return how many."""
    found = deleted_runs(client, [sweep.info.experiment_id], sweep.data.tags[schema.TAG_SWEEP])
    restored = 0
    for kind in (schema.TRIAL, schema.STRATEGY):
        by_identity = defaultdict(list)
        for run in found:
            if run.data.tags[schema.TAG_KIND] == kind:
                by_identity[run.data.tags[schema.TAG_PARENT], run.data.tags[schema.TAG_KEY]].append(run)
        for (parent, key), of_one in by_identity.items():
            above = sweep if parent == sweep.info.run_id else client.get_run(parent)
            clause = runs.equals(schema.TAG_KEY, key)
            if _is_of(above, sweep) and not doubles.children(client, above, clause):
                restored += _restore_one(client, of_one) is not None
    return restored


def _is_of(above: "Run", sweep: "Run") -> bool:
    """Whether a run is that of a sweep, or of one of its trials that is not deleted."""
    from mlflow.entities import LifecycleStage

    below = above.data.tags.get(schema.TAG_PARENT) == sweep.info.run_id
    return above is sweep or (below and above.info.lifecycle_stage == LifecycleStage.ACTIVE)


def _restore_one(client: "MlflowClient", found: Iterable["Run"]) -> "Run | None":
    """Restore the run that counts of those with one key."""
    best = min(found, key=doubles.order, default=None)
    if best is None:
        return None
    client.restore_run(best.info.run_id)
    return client.get_run(best.info.run_id)
