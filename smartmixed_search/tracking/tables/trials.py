"""Which trial is meant: by its key, the key's first digits, or the id of its run or of a run below it.

Trials of confirmations are meant where the confirmation's name is given as the sweep's.
"""

import re
from typing import TYPE_CHECKING

from smartmixed_search.errors import TrackingError
from smartmixed_search.tracking import schema
from smartmixed_search.tracking.runs import runs
from smartmixed_search.tracking.tables import tables
from smartmixed_search.trials.records import FINISHED

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_KEY = re.compile(r"[0-9a-f]{1,16}")
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_SHOWN = 3
_LISTED = "`smartmixed-search top --by trial` lists them"


def find_trial(client: "MlflowClient", uri: str, trial: str, sweep: str | None = None) -> "Run":
    """Return the run of a finished trial.

    Args:
        client: of the store.
        uri: of the store.
        trial: key, its first digits that fit no other trial of the sweep, or the id of a run.
        sweep: name of the sweep or confirmation; the latest sweep by default. A run's id needs none.

    Raises:
        TrackingError: there is no such sweep or trial, or the trial is not finished.
    """
    found = _by_run_id(client, uri, trial, sweep) if _RUN_ID.fullmatch(trial) else _by_key(client, uri, trial, sweep)
    status = found.data.tags[schema.TAG_STATUS]
    if status != FINISHED:
        raise TrackingError(
            f"a trial must be finished, but {found.data.tags[schema.TAG_TRIAL]} is {status}; "
            "`smartmixed-search top --by trial` lists finished ones"
        )
    return found


def _by_run_id(client: "MlflowClient", uri: str, run_id: str, sweep: str | None) -> "Run":
    _find_parent(client, uri, sweep)  # or say what there is
    ids = [experiment.experiment_id for experiment in runs.experiments(client)]
    for run in runs.search(client, ids, [f"attributes.run_id = '{run_id}'"]):
        tags = run.data.tags
        if tags[schema.TAG_KIND] == schema.STRATEGY:
            return _by_run_id(client, uri, tags[schema.TAG_PARENT], sweep)
        if tags[schema.TAG_KIND] == schema.TRIAL and sweep in (None, tags[schema.TAG_SWEEP]):
            return run
    where = "" if sweep is None else f" in sweep {sweep!r}"
    raise TrackingError(f"no trial or strategy with the run id {run_id!r}{where}; {_LISTED}")


def _find_parent(client: "MlflowClient", uri: str, sweep: str | None) -> "Run":
    confirmations = [] if sweep is None else runs.confirmation_runs(client, sweep)
    return next(iter(confirmations or tables.find_sweeps(client, uri, sweep, False)))


def _by_key(client: "MlflowClient", uri: str, trial: str, sweep: str | None) -> "Run":
    of_sweep = _find_parent(client, uri, sweep)
    name = of_sweep.data.tags[schema.TAG_SWEEP]
    begins = f"tags.`{schema.TAG_TRIAL}` LIKE '{trial}%'"
    clause = begins if _KEY.fullmatch(trial) else runs.equals(schema.TAG_TRIAL, trial)
    clauses = [runs.equals(schema.TAG_PARENT, of_sweep.info.run_id), clause]
    found = list(runs.search(client, [of_sweep.info.experiment_id], clauses, limit=_SHOWN + 1))
    if not found:
        raise TrackingError(f"no trial {trial!r} in sweep {name!r}; {_LISTED}")
    if len(found) > 1:
        keys = [run.data.tags[schema.TAG_TRIAL] for run in found]
        listed = ", ".join(keys[:_SHOWN]) + (", …" if len(found) > _SHOWN else "")
        raise TrackingError(f"{trial!r} fits several trials of sweep {name!r}: {listed}; give more digits")
    return found[0]
