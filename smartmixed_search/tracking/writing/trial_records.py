"""What a finished trial has below and beside its run's figures: the runs of its strategies, and its artifacts."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pandas as pd

from smartmixed_search.system.files import locate, read_bytes
from smartmixed_search.tracking import schema
from smartmixed_search.tracking.runs import doubles, runs
from smartmixed_search.tracking.tables.measured import Measured
from smartmixed_search.tracking.writing import records
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.records import FINISHED, NetworkResult
from smartmixed_search.trials.result import TrialResult

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def record_strategies(
    client: "MlflowClient",
    trial: "Run",
    known: "Sequence[Run]",
    result: TrialResult,
    ranking: pd.DataFrame,
    ended: int,
    measured: Measured,
) -> "list[Run]":
    """Record a trial's strategies and controls, unless their runs, among the `known` ones, are complete."""
    recorded = []
    for strategy in result.config.members:
        networks = _networks(result, strategy)
        found = [run for run in known if run.data.tags[schema.TAG_STRATEGY] == strategy]
        run = doubles.keep_one(client, found) or _create_strategy(client, trial, result.config, networks[0])
        if not runs.has_settled(run, FINISHED):
            metrics = records.strategy_metrics(networks, ranking, result.metric)
            run = runs.log(
                client,
                run,
                params=records.strategy_params(result.config, networks),
                metrics=metrics,
                curves=records.strategy_curves(networks),
                tags={schema.TAG_STATUS: FINISHED}
                | measured.tags
                | schema.ranking_tag(result.key, metrics.get("rank")),
            )
            runs.end(client, run, FINISHED, ended)
        recorded.append(run)
    return recorded


def _create_strategy(client: "MlflowClient", trial: "Run", config: TrialConfig, network: NetworkResult) -> "Run":
    tags = schema.strategy_tags(trial.data.tags, network, trial.info.run_id)
    name = schema.strategy_run_name(config, network.strategy)
    return runs.create_run(client, trial.info.experiment_id, name, tags, trial.info.start_time)


def log_artifacts(client: "MlflowClient", run_id: str, result: TrialResult) -> None:
    """Log a trial's configuration, environment, choices and, where there are any, weights."""
    client.log_dict(run_id, result.config.to_dict(), "config.json")
    client.log_dict(run_id, result.environment, schema.ENVIRONMENT_FILE)
    client.log_dict(run_id, records.choices_artifact(result.choices), "choices.json")
    client.log_dict(run_id, records.choice_counts_artifact(result), "choice_counts.json")
    weights = None if result.weights_path is None else read_bytes(locate(result.weights_path))
    if weights is not None:
        with TemporaryDirectory() as folder:
            named = Path(folder) / schema.WEIGHTS_FILE
            named.write_bytes(weights)
            client.log_artifact(run_id, str(named))


def _networks(result: TrialResult, strategy: str) -> list[NetworkResult]:
    return [network for network in result.networks if network.strategy == strategy]


def contradicts(trial: "Run", strategies: "Iterable[Run]", result: TrialResult, ranking: pd.DataFrame) -> bool:
    """Whether a trial is half recorded with other figures: those of a result that was lost, and came out otherwise.

    Of two values of one step and moment MLflow shows the larger one, so that both results would be mixed.
    """
    figures = [(trial, records.trial_metrics(result, ranking))]
    for run in strategies:
        networks = _networks(result, run.data.tags[schema.TAG_STRATEGY])
        figures.append((run, records.strategy_metrics(networks, ranking, result.metric)))
    return any(
        metrics.get(name, value) != value for run, metrics in figures for name, value in run.data.metrics.items()
    )
