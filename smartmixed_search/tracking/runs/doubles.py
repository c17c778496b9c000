"""Two runs of one key: which of them counts, and the end of the other.

MLflow names runs itself, so a run is found by its key, or created. Two of one key can arise where the answer to a
creation was lost and it took effect only after the run had been looked for again, and where two processes create a
sweep's run at the same moment. The writer deletes one as soon as it meets both, and looks for such pairs when it opens
and when it closes a sweep.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from smartmixed_search.tracking import schema
from smartmixed_search.tracking.runs import runs

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def keep_one(client: "MlflowClient", found: Iterable["Run"]) -> "Run | None":
    """Return the run that counts of those with one key, and delete the others; None if there is none.

    It is the one that is a sweep's with tables, otherwise one that has settled, or else the oldest.
    """
    kept, *doubles = [*sorted(found, key=order), None]
    for double in doubles:
        if double is not None:
            delete(client, double)
    return kept


def delete(client: "MlflowClient", run: "Run") -> None:
    """Move a run to MLflow's trash, after the runs below it."""
    for child in children(client, run):
        delete(client, child)
    client.delete_run(run.info.run_id)


def delete_unsettled(client: "MlflowClient", sweep: "Run") -> None:
    """Delete the runs of trials and strategies that say `running` and have a double."""
    name = sweep.data.tags[schema.TAG_SWEEP]
    # MLflow finds runs by its own status much faster than by a tag.
    clauses = ["attributes.status = 'RUNNING'", runs.equals(schema.TAG_SWEEP, name)]
    running = list(runs.search(client, [sweep.info.experiment_id], clauses))
    for parent, key in {_identity(run) for run in running if schema.TAG_PARENT in run.data.tags}:
        of_key = [runs.equals(schema.TAG_PARENT, parent), runs.equals(schema.TAG_KEY, key)]
        found = runs.search(client, [sweep.info.experiment_id], of_key)
        keep_one(client, [run for run in found if _identity(run) == (parent, key)])


def children(client: "MlflowClient", run: "Run", *clauses: str) -> list["Run"]:
    """Return the runs below a run that meet all clauses, oldest first."""
    below = (runs.equals(schema.TAG_PARENT, run.info.run_id), *clauses)
    return list(runs.search(client, [run.info.experiment_id], below))


def age(run: "Run") -> tuple[int, str]:
    """Return what orders runs by age, and never leaves open which one is the oldest."""
    return run.info.start_time, run.info.run_id


def order(run: "Run") -> tuple[bool, bool, tuple[int, str]]:
    """Return what orders runs of one key: the one that counts comes first."""
    tags = run.data.tags
    return schema.TAG_TABLES not in tags, tags[schema.TAG_STATUS] == schema.RUNNING, age(run)


def _identity(run: "Run") -> tuple[str, str]:
    return run.data.tags[schema.TAG_PARENT], run.data.tags[schema.TAG_KEY]
