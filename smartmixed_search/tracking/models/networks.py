"""SmartMixed's networks as MLflow holds them: which trial is meant, which replicate is best, and its weights."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from smartmixed_search.analysis.scale import Scale
from smartmixed_search.errors import NetworkError, TrackingError
from smartmixed_search.errors.messages import one_of
from smartmixed_search.export.weights import TrainedNetwork, read_network
from smartmixed_search.system.checksums import checksum
from smartmixed_search.system.plugins import import_plugins, require_plugins
from smartmixed_search.tracking import schema
from smartmixed_search.tracking.runs import runs
from smartmixed_search.tracking.store.store import open_store, resolve_tracking_uri, store_errors
from smartmixed_search.tracking.tables.measured import Measured
from smartmixed_search.tracking.tables.trials import find_trial
from smartmixed_search.trials.config import SMARTMIXED

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


@dataclass(frozen=True, kw_only=True, eq=False)
class TrackedNetwork:
    """A network of a tracked trial, and why this replicate."""

    network: TrainedNetwork
    sweep: str
    trial: str
    """The trial's key."""
    run_name: str
    """Of the trial in MLflow."""
    val_losses: Mapping[int, float]
    """Validation loss of each replicate that has a network."""
    tests: Mapping[int, float]
    """The test metric of each replicate that has one."""
    scale: Scale
    """The metric that ranks, and how it is told."""


def fetch_network(
    trial: str,
    replicate: int | None = None,
    *,
    sweep: str | None = None,
    tracking_uri: str | None = None,
    plugins: Sequence[str] = (),
) -> TrackedNetwork:
    """Read a network of a finished trial from MLflow.

    Args:
        trial: which trial; see `tracking.tables.trials.find_trial`.
        replicate: which network; the one of lowest validation loss by default.
        sweep: name of the sweep; the latest by default.
        tracking_uri: the store; see `tracking.questions.queries`.
        plugins: modules to import first. Those that the trial names must be among them, or imported already: a store
            may be a stranger's.

    Raises:
        TrackingError: there is no such store, sweep, trial or replicate, or the trial is not finished.
        NetworkError: the weights are damaged.
        ConfigError: a plugin cannot be imported, or has not been.
    """
    import_plugins(plugins)
    uri = resolve_tracking_uri(tracking_uri)
    client = open_store(uri)
    with store_errors(uri):
        return read_tracked(client, find_trial(client, uri, trial, sweep), replicate)


def read_tracked(client: "MlflowClient", run: "Run", replicate: int | None = None) -> TrackedNetwork:
    """Read a network of a finished trial, given its run.

    Raises:
        TrackingError: there is no such replicate, or the run holds no weights.
        NetworkError: the weights are damaged.
        ConfigError: a plugin that its functions come from has not been imported.
    """
    metrics = _smartmixed_metrics(client, run)
    losses, scale = _by_replicate(metrics, "val_loss"), Measured.of(run).scale()
    with TemporaryDirectory() as folder:
        weights = _download_weights(client, run, folder)
        _verify(weights, run)
        network = read_network(weights, _choose(replicate, losses))
    require_plugins(network.config["plugins"])
    return TrackedNetwork(
        network=network,
        sweep=run.data.tags[schema.TAG_SWEEP],
        trial=run.data.tags[schema.TAG_TRIAL],
        run_name=run.info.run_name,
        val_losses=losses,
        tests=_by_replicate(metrics, scale.metric.test),
        scale=scale,
    )


def _verify(weights: Path, trial: "Run") -> None:
    """Make sure that weights are as they were trained; of those of earlier versions that is not known.

    Raises:
        NetworkError: they are damaged.
    """
    expected = trial.data.tags.get(schema.TAG_WEIGHTS)
    if expected not in (None, checksum(weights.read_bytes())):
        raise NetworkError(
            f"{schema.WEIGHTS_FILE} of trial {trial.data.tags[schema.TAG_TRIAL]} is damaged in MLflow; "
            "copy that of the sweep's directory there"
        )


def _smartmixed_metrics(client: "MlflowClient", trial: "Run") -> dict[str, float]:
    clauses = [runs.equals(schema.TAG_PARENT, trial.info.run_id), runs.equals(schema.TAG_STRATEGY, SMARTMIXED)]
    strategy = next(runs.search(client, [trial.info.experiment_id], clauses), None)
    if strategy is None:
        raise TrackingError(
            f"the run of {SMARTMIXED} in trial {trial.data.tags[schema.TAG_TRIAL]} was deleted; "
            "`smartmixed-search sync` brings it back"
        )
    return dict(strategy.data.metrics)


def _by_replicate(metrics: Mapping[str, float], name: str) -> dict[int, float]:
    named = ((re.fullmatch(rf"{name}_r(\d+)", metric), value) for metric, value in metrics.items())
    return {int(match[1]): value for match, value in named if match}


def _choose(replicate: int | None, losses: Mapping[int, float]) -> int:
    if not losses:
        raise TrackingError(
            "the trial has no network: every replicate of its SmartMixed diverged; choose another trial"
        )
    if replicate is None:
        return min(losses, key=lambda number: (losses[number], number))
    if replicate not in losses:
        raise TrackingError(one_of("replicate", replicate, sorted(losses)))
    return replicate


def _download_weights(client: "MlflowClient", trial: "Run", folder: str) -> Path:
    run_id = trial.info.run_id
    if schema.WEIGHTS_FILE not in (artifact.path for artifact in client.list_artifacts(run_id)):
        raise TrackingError(f"run {run_id} holds no {schema.WEIGHTS_FILE}; copy that of the sweep's directory there")
    return Path(client.download_artifacts(run_id, schema.WEIGHTS_FILE, folder))
