"""Choices of SmartMixed's networks, read from the artifacts of trial runs.

The questions below take `sweep`, `all_sweeps` and `tracking_uri`, and raise `TrackingError`, as those of
`tracking.questions.queries` do. They count finished trials, except those whose artifact is gone or damaged.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pandas as pd

from smartmixed_search.analysis.evolution import counts_frame
from smartmixed_search.analysis.preferences import Artifact, agreement, choices_frame
from smartmixed_search.tracking import schema
from smartmixed_search.tracking.questions.queries import reading
from smartmixed_search.tracking.runs import runs
from smartmixed_search.tracking.tables import columns, tables
from smartmixed_search.trials.records import FINISHED

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

CHOICES, COUNTS = "choices.json", "choice_counts.json"
_NOTHING: Mapping[str, Mapping[str, Any]] = {CHOICES: {}, COUNTS: {"pool": [], "replicates": {}}}

_GONE = (KeyError, OSError, json.JSONDecodeError, UnicodeDecodeError)

Reader = Callable[[str, str, str, Any], pd.DataFrame]
"""Makes a frame of a trial's dataset, architecture, trial, and the content of an artifact."""


def choices(sweep: str | None = None, all_sweeps: bool = False, tracking_uri: str | None = None) -> pd.DataFrame:
    """Return how many neurons of SmartMixed's networks chose each function, by trial, replicate and hidden layer.

    The columns are `preferences.CHOICE_COLUMNS`; `by_layer`, `by_depth` and `trend` take the table as it is.

    Args:
        sweep: name of the sweep; the latest by default.
        all_sweeps: whether to take all sweeps together.
        tracking_uri: MLflow's store; default: `MLFLOW_TRACKING_URI`, else the SQLite store of the output directory.

    Raises:
        TrackingError: the store cannot be reached, or there is no such sweep.
    """
    return _of_sweeps(CHOICES, choices_frame, sweep, all_sweeps, tracking_uri)


def choice_counts(sweep: str | None = None, all_sweeps: bool = False, tracking_uri: str | None = None) -> pd.DataFrame:
    """Return how many neurons preferred each function at the end of each selection epoch, by trial and hidden layer.

    The columns are `evolution.COUNT_COLUMNS`, epochs counted from 1; `by_epoch` takes the table as it is.

    Args:
        sweep: name of the sweep; the latest by default.
        all_sweeps: whether to take all sweeps together.
        tracking_uri: MLflow's store; default: `MLFLOW_TRACKING_URI`, else the SQLite store of the output directory.

    Raises:
        TrackingError: the store cannot be reached, or there is no such sweep.
    """
    return _of_sweeps(COUNTS, counts_frame, sweep, all_sweeps, tracking_uri)


def choice_agreement(
    sweep: str | None = None, all_sweeps: bool = False, tracking_uri: str | None = None
) -> pd.DataFrame:
    """Return how often replicates chose the same function for the same neuron, by trial and hidden layer.

    The columns are those of `agreement`, with the trial's; `mean_agreement` takes the table as it is.

    Args:
        sweep: name of the sweep; the latest by default.
        all_sweeps: whether to take all sweeps together.
        tracking_uri: MLflow's store; default: `MLFLOW_TRACKING_URI`, else the SQLite store of the output directory.

    Raises:
        TrackingError: the store cannot be reached, or there is no such sweep.
    """
    return _of_sweeps(CHOICES, agreement_frame, sweep, all_sweeps, tracking_uri)


def agreement_frame(dataset: str, architecture: str, trial: str, artifact: Artifact) -> pd.DataFrame:
    """Return `preferences.agreement` of a trial, and which one it is of."""
    return agreement(artifact).assign(dataset=dataset, architecture=architecture, trial=trial)


def read_frames(
    client: "MlflowClient", sweep: "Run", trials: pd.DataFrame, readers: Mapping[str, Sequence[Reader]]
) -> list[pd.DataFrame]:
    """Return each reader's frame over the given trials of a sweep; an artifact is read once for all its readers.

    A trial is left out whose artifact is gone or damaged.
    """
    addresses = _addresses(client, sweep) if len(trials) else {}
    found = []
    for artifact, making in readers.items():
        contents = list(_contents(client, addresses, trials, artifact)) or [("", "", "", _NOTHING[artifact])]
        found += [pd.concat([reader(*content) for content in contents], ignore_index=True) for reader in making]
    return [columns.with_checksum(frame, sweep) for frame in found]


def _of_sweeps(
    artifact: str, reader: Reader, sweep: str | None, all_sweeps: bool, tracking_uri: str | None
) -> pd.DataFrame:
    with reading(sweep, all_sweeps, tracking_uri) as (client, sweeps):
        found = [
            frame
            for run in sweeps
            for frame in read_frames(client, run, tables.trial_table(client, [run], FINISHED), {artifact: [reader]})
        ]
    return pd.concat(found, ignore_index=True)


def _addresses(client: "MlflowClient", sweep: "Run") -> dict[str, str]:
    """Return where each trial run keeps its artifacts: one question, not one for every trial."""
    parent = runs.equals(schema.TAG_PARENT, sweep.info.run_id)
    found = runs.search(client, [sweep.info.experiment_id], [parent])
    return {run.info.run_id: run.info.artifact_uri for run in found}


def _contents(
    client: "MlflowClient", addresses: Mapping[str, str], trials: pd.DataFrame, artifact: str
) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    from mlflow.exceptions import MlflowException

    known = (trials[name] for name in ("run_id", "dataset", "architecture", "trial"))
    for run_id, dataset, architecture, trial in zip(*known, strict=True):
        with suppress(*_GONE, MlflowException):  # the run was deleted just now, or its file is
            yield dataset, architecture, trial, runs.read_json(client, addresses[run_id], artifact)
