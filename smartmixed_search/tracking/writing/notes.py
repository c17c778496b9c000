"""The descriptions of a sweep's run: written again as trials settle, and never over what a user has written."""

from typing import TYPE_CHECKING

from smartmixed_search.tracking import schema
from smartmixed_search.tracking.tables import stored, tables
from smartmixed_search.tracking.tables.measured import Measured
from smartmixed_search.tracking.writing import description
from smartmixed_search.tracking.writing.datasets import recorded_sizes

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def new_note(client: "MlflowClient", sweep: "Run") -> schema.Tags:
    """Return the tag with a sweep's description unless it is there, or a user has written another one."""
    known, _ = tables.settled_tables(client, sweep)
    tags = sweep.data.tags
    note = description.sweep_note(
        tags[schema.TAG_SWEEP],
        tags[schema.TAG_DATASET],
        known[stored.TRIALS],
        known[stored.STRATEGIES],
        tags.get(schema.TAG_CONFIRMS),
        joint=bool(tables.joint_datasets([sweep])),
        sizes=recorded_sizes(sweep),
        settings=sweep.data.params,
        scale=Measured.of(sweep).scale(),
    )
    present = tags.get(description.NOTE, "")
    keep = present.startswith(note) or (present and not description.is_sweep_note(present))
    return {} if keep else {description.NOTE: note}


def mention(client: "MlflowClient", sweep: "Run", what: str) -> None:
    """Add to a sweep's description, unless it says so, or a user has written it."""
    present = sweep.data.tags.get(description.NOTE, "")
    if description.is_sweep_note(present) and what not in present:
        client.set_tag(sweep.info.run_id, description.NOTE, present + what)
