"""MLflow's runs as this package uses them: searched page by page, and written so that repetition changes nothing."""

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from smartmixed_search.tracking import schema
from smartmixed_search.tracking.store.uris import followed
from smartmixed_search.trials.records import FAILED, FINISHED, STOPPED

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

_PAGE = 1000
_SOURCE = {"mlflow.source.name": "smartmixed-search", "mlflow.source.type": "LOCAL"}
"""Fills the column Source of the MLflow page."""

_RUN_STATUS = {FINISHED: "FINISHED", FAILED: "FAILED", STOPPED: "KILLED"}
"""MLflow's own status of a run that has settled."""

Curves = Mapping[str, Sequence[tuple[int, float]]]


def equals(tag: str, value: str) -> str:
    r"""Return the clause of a filter by which a tag has a value; one with quotes or `\` also matches similar values.

    MLflow's filters cannot escape a quote, so a value that holds one is matched as a pattern: results must be compared
    with the value again.

    Example:
        >>> print(equals("smartmixed.sweep", "quickstart"), equals("smartmixed.sweep", "it's"))
        tags.`smartmixed.sweep` = 'quickstart' tags.`smartmixed.sweep` LIKE 'it_s'
    """
    pattern = value.translate({ord(character): "_" for character in "'\"\\"})
    return f"tags.`{tag}` {'=' if pattern == value else 'LIKE'} '{pattern}'"


def search(
    client: "MlflowClient",
    experiment_ids: Sequence[str],
    clauses: Sequence[str],
    order: Sequence[str] = (),
    limit: int | None = None,
    *,
    deleted: bool = False,
) -> Iterator["Run"]:
    """Yield the runs that meet all clauses, in the given order, then oldest first; at most `limit`.

    With `deleted` those in MLflow's trash, otherwise those that are not. Runs that are recorded meanwhile may be
    missed, never those that were there.
    """
    from mlflow.entities import ViewType

    if not experiment_ids:
        return
    seen: set[str] = set()
    token = None
    while True:
        page = client.search_runs(
            list(experiment_ids),
            filter_string=" AND ".join(clauses),
            run_view_type=ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY,
            order_by=[*order, "attributes.start_time ASC"],
            max_results=min(_PAGE, limit or _PAGE),
            page_token=token,
        )
        fresh = [run for run in page if run.info.run_id not in seen]
        seen.update(run.info.run_id for run in fresh)
        yield from fresh if limit is None else islice(fresh, limit + len(fresh) - len(seen))
        token = page.token
        if not token or (limit is not None and len(seen) >= limit):
            return


def experiments(client: "MlflowClient") -> list["Experiment"]:
    """Return every experiment of this package: one per dataset."""
    found: list[Experiment] = []
    token = None
    while True:
        page = client.search_experiments(filter_string=f"name LIKE '{schema.EXPERIMENT_PREFIX}%'", page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def sweep_runs(
    client: "MlflowClient", name: str | None = None, limit: int | None = None, dataset: str | None = None
) -> list["Run"]:
    """Return the sweep run of that name, or all of them, the one opened last first; at most `limit`.

    With `dataset`, a name, only of sweeps on it.
    """
    return _marked(client, schema.TAG_OPENED, name, limit, dataset)


def confirmation_runs(client: "MlflowClient", name: str | None = None) -> list["Run"]:
    """Return the confirmation's run of that name, or those of all confirmations."""
    return _marked(client, schema.TAG_CONFIRMS, name)


def _marked(
    client: "MlflowClient", tag: str, name: str | None, limit: int | None = None, dataset: str | None = None
) -> list["Run"]:
    # Only the wanted runs have this tag: asked for it first, MLflow looks at no other run.
    clauses = [f"tags.`{tag}` LIKE '%'"]
    if name is not None:
        clauses.append(equals(schema.TAG_SWEEP, name))
    wanted = None if dataset is None else schema.experiment_name(dataset)
    ids = [one.experiment_id for one in experiments(client) if wanted in (None, one.name)]
    found = search(client, ids, clauses, [f"tags.`{tag}` DESC"], limit)
    return [run for run in found if name in (None, run.data.tags[schema.TAG_SWEEP])]


def read_json(client: "MlflowClient", artifact_uri: str, path: str) -> Any:
    """Return the content of a JSON artifact, given its run's `info.artifact_uri`."""
    from mlflow.artifacts import download_artifacts

    address = f"{followed(client.tracking_uri, artifact_uri)}/{path}"
    with TemporaryDirectory() as folder:
        copy = None if address.startswith("file:") else folder  # files of this machine are read where they are
        file = download_artifacts(artifact_uri=address, dst_path=copy, tracking_uri=client.tracking_uri)
        return json.loads(Path(file).read_text("utf-8"))


def create_run(client: "MlflowClient", experiment_id: str, name: str, tags: Mapping[str, str], started: int) -> "Run":
    """Create a run; `started` in milliseconds since the epoch."""
    return client.create_run(experiment_id, start_time=started, tags={**_SOURCE, **tags}, run_name=name)


def log(
    client: "MlflowClient",
    run: "Run",
    *,
    params: Mapping[str, str] | None = None,
    metrics: Mapping[str, float] | None = None,
    curves: Curves | None = None,
    tags: Mapping[str, str] | None = None,
    time: int | None = None,
) -> "Run":
    """Log to a run in as few calls as MLflow allows, and return it as it is then, except for its curves.

    Values that are not finite are left out. `time`, in milliseconds since the epoch, is that of the metrics. By default
    it is the run's start, so that the store recognises a metric that is logged again; `curves` are (step, value) by
    name.
    """
    from mlflow.entities import Metric, Param, Run, RunData, RunTag

    moment = time or run.info.start_time
    points = [(key, value, 0) for key, value in (metrics or {}).items()]
    points += [(key, value, step) for key, curve in (curves or {}).items() for step, value in curve]
    measured = [Metric(key, float(value), moment, step) for key, value, step in points if math.isfinite(value)]
    given = [Param(key, value) for key, value in (params or {}).items()]
    named = [RunTag(key, value) for key, value in (tags or {}).items()]
    client.log_batch(run.info.run_id, metrics=measured, params=given, tags=named)
    before = run.data
    return Run(
        run.info,
        RunData(
            metrics=[Metric(key, value, moment, 0) for key, value in before.metrics.items()] + measured,
            params=[Param(key, value) for key, value in before.params.items()] + given,
            tags=[RunTag(key, value) for key, value in before.tags.items()] + named,
        ),
    )


def has_settled(run: "Run", status: str) -> bool:
    """Whether a run was completely written with that status of the schema."""
    return bool(run.info.status == _RUN_STATUS[status] and run.data.tags[schema.TAG_STATUS] == status)


def end(client: "MlflowClient", run: "Run", status: str, ended: int) -> None:
    """Set MLflow's own status of a run; `ended` in milliseconds since the epoch."""
    client.set_terminated(run.info.run_id, _RUN_STATUS[status], end_time=ended)


def settle(client: "MlflowClient", run: "Run", status: str, ended: int) -> None:
    """Mark a run that is completely written. The tag, by which it counts as settled, is last."""
    end(client, run, status, ended)
    client.set_tag(run.info.run_id, schema.TAG_STATUS, status)


def reopen(client: "MlflowClient", run: "Run") -> None:
    """Mark a run as being written again."""
    client.set_tag(run.info.run_id, schema.TAG_STATUS, schema.RUNNING)
    client.update_run(run.info.run_id, status="RUNNING")


def now() -> int:
    """Return milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
