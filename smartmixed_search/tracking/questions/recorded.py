"""A trial as MLflow holds it: what `reproduce` trains again, and compares with."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from smartmixed_search.datasets import Dataset, load_dataset
from smartmixed_search.space.keys import as_read
from smartmixed_search.system.plugins import import_plugins, require_plugins
from smartmixed_search.tasks.metric import Metric
from smartmixed_search.tracking import schema
from smartmixed_search.tracking.runs import doubles, runs
from smartmixed_search.tracking.store.store import open_store, resolve_tracking_uri, store_errors
from smartmixed_search.tracking.tables.measured import Measured
from smartmixed_search.tracking.tables.trials import find_trial
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.recorded import RecordedTrial, compared

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_RESOLVED = "resolved.json"


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A trial as MLflow holds it, and what its sweep ran with."""

    trial: RecordedTrial
    sweep: str
    """Name of its sweep or confirmation."""
    space: dict[str, Any]
    """What the sweep searched, as far as it says how its data are read."""
    sweep_environment: dict[str, Any]
    """The sweep's `environment.json`."""

    def load_dataset(self, moved: str | None = None, data_dir: str | Path | None = None) -> Dataset:
        """Load what the trial was trained on; see `datasets.load_dataset`.

        Args:
            moved: where the dataset's file is now, if not where the sweep found it.
            data_dir: where image datasets are.
        """
        return load_dataset(moved or self.space["dataset"], data_dir, **as_read(self.space))


def recorded_trial(
    trial: str, sweep: str | None = None, tracking_uri: str | None = None, plugins: Sequence[str] = ()
) -> Recorded:
    """Read a trial; see `tracking.tables.trials.find_trial`, and for `plugins` see `reproduce`.

    Raises:
        TrackingError: there is no such store, sweep or trial, or it is not finished.
        ConfigError: a plugin cannot be imported, or has not been.
    """
    import_plugins(plugins)
    uri = resolve_tracking_uri(tracking_uri)
    client = open_store(uri)
    with store_errors(uri):
        run = find_trial(client, uri, trial, sweep)
        above = client.get_run(run.data.tags[schema.TAG_PARENT])
        strategies = doubles.children(client, run)
        reused = {
            one.data.tags[schema.TAG_STRATEGY]: one.data.tags[schema.TAG_REUSED_FROM]
            for one in strategies
            if schema.TAG_REUSED_FROM in one.data.tags
        }
        config = TrialConfig.from_dict(runs.read_json(client, run.info.artifact_uri, "config.json"))
        require_plugins(config.plugins)
        metric = Measured.of(run).metric
        found = [_figures(strategy, metric) for strategy in strategies]
        return Recorded(
            trial=RecordedTrial(
                key=run.data.tags[schema.TAG_TRIAL],
                config=config,
                environment=_environment(client, run),
                figures=pd.concat([_table([], metric), *found], ignore_index=True),
                reused=reused,
                metric=metric,
            ),
            sweep=run.data.tags[schema.TAG_SWEEP],
            space=_space(client, above),
            sweep_environment=runs.read_json(client, above.info.artifact_uri, schema.ENVIRONMENT_FILE),
        )


def _space(client: "MlflowClient", sweep: "Run") -> dict[str, Any]:
    """Return what a sweep searched, as far as it says how its data are read; early ones kept no more than a name."""
    if _RESOLVED not in (artifact.path for artifact in client.list_artifacts(sweep.info.run_id)):
        return {"dataset": sweep.data.params["dataset"]}
    space: dict[str, Any] = runs.read_json(client, sweep.info.artifact_uri, _RESOLVED)["space"]
    return space


def _environment(client: "MlflowClient", trial: "Run") -> dict[str, str]:
    """Return what the trial ran with; trials that were recorded before this was kept have nothing."""
    if schema.ENVIRONMENT_FILE not in (artifact.path for artifact in client.list_artifacts(trial.info.run_id)):
        return {}
    return dict(runs.read_json(client, trial.info.artifact_uri, schema.ENVIRONMENT_FILE))


def _figures(strategy: "Run", metric: Metric) -> pd.DataFrame:
    """Return one row per replicate; what a diverged network does not have is missing."""
    of_replicate = re.compile(rf"({'|'.join(compared(metric))})_r(\d+)")
    values: dict[int, dict[str, Any]] = {}
    for name, value in strategy.data.metrics.items():
        if match := of_replicate.fullmatch(name):
            values.setdefault(int(match[2]), {})[match[1]] = value
    rows = [{"strategy": strategy.data.tags[schema.TAG_STRATEGY], "replicate": r} | of for r, of in values.items()]
    return _table(rows, metric)


def _table(rows: Sequence[Mapping[str, Any]], metric: Metric) -> pd.DataFrame:
    types = {"strategy": "str", "replicate": "int64"} | dict.fromkeys(compared(metric), "float64")
    return pd.DataFrame(rows, columns=list(types)).astype(types)
