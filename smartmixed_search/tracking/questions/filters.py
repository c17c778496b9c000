"""Filters: of which runs of some sweeps a question is, as if no others had been recorded.

Depth and parameters are read off the sweeps' stored tables, and an MLflow filter is answered by the store: no run is
fetched but those that match it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import one_of, show
from smartmixed_search.families import depth_of
from smartmixed_search.tasks.metric import ACCURACY
from smartmixed_search.tracking import schema
from smartmixed_search.tracking.runs import runs
from smartmixed_search.tracking.store.servers import reason
from smartmixed_search.tracking.tables import tables
from smartmixed_search.tracking.tables.measured import Measured
from smartmixed_search.trials.config import SMARTMIXED
from smartmixed_search.trials.records import FINISHED

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_KINDS = {"metric": "metrics", "parameter": "params", "tag": "tags"}
"""What a filter can name of a run, by MLflow's word for it."""
_OF_ONE = re.compile(r"_r\d+$")
"""Ends the names of a replicate's metrics: too many to be listed."""


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What the runs must meet; None: whatever they are.

    Raises:
        ConfigError: a number is less than 1.
    """

    min_depth: int | None = None
    """Least number of hidden layers."""
    max_params: int | None = None
    """Largest number of parameters of a strategy's network; of a trial: of SmartMixed's."""
    where: str | None = None
    """A filter in MLflow's syntax: of the runs of strategies, or of trials, whichever the question is of."""

    def __post_init__(self) -> None:
        for name, value in (("min_depth", self.min_depth), ("max_params", self.max_params)):
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, but got {value!r}")

    def strategies(self, client: "MlflowClient", sweeps: Sequence["Run"]) -> pd.DataFrame:
        """Return the rows of `tables.strategy_table` that match.

        Raises:
            ConfigError: `where` is not valid.
        """
        rows = self._matching(client, sweeps, tables.strategy_table(client, sweeps), schema.STRATEGY)
        return self._small(rows)

    def trials(self, client: "MlflowClient", sweeps: Sequence["Run"]) -> pd.DataFrame:
        """Return the rows of `tables.trial_table` that match, of finished trials.

        Raises:
            ConfigError: `where` is not valid.
        """
        rows = self._matching(client, sweeps, tables.trial_table(client, sweeps, FINISHED), schema.TRIAL)
        if self.max_params is None:
            return rows
        networks = tables.strategy_table(client, sweeps)
        small = self._small(networks[networks["strategy"] == SMARTMIXED])
        return rows[rows["run_id"].isin(small["parent_id"])]

    def _matching(self, client: "MlflowClient", sweeps: Sequence["Run"], rows: pd.DataFrame, kind: str) -> pd.DataFrame:
        if self.where is not None:
            rows = rows[rows["run_id"].isin(_found(client, sweeps, kind, self.where))]
        if self.min_depth is not None:
            names = rows["architecture"].unique()
            deep = [name for name in names if (depth_of(name) or 0) >= self.min_depth]
            rows = rows[rows["architecture"].isin(deep)]
        return rows

    def _small(self, rows: pd.DataFrame) -> pd.DataFrame:
        return rows if self.max_params is None else rows[(rows["parameters"] <= self.max_params).fillna(False)]


def _example(kind: str, sweeps: Sequence["Run"]) -> str:
    if kind == schema.TRIAL:
        return "metrics.objective > 0 AND params.batch_size = '128'"
    metric = Measured.of(sweeps[0]).metric
    compared = "> 0.97" if metric == ACCURACY else "> 0" if metric.direction == "max" else "< 1"
    return f"metrics.{metric.test} {compared} AND params.depth = '3'"


def _found(client: "MlflowClient", sweeps: Sequence["Run"], kind: str, where: str) -> set[str]:
    """Return the ids of the runs of a kind that meet a filter: those of the sweeps, and maybe others."""
    from mlflow.exceptions import MlflowException

    try:
        _require_comparison(where)
        # The user's text comes last: whatever it is, it cannot take ours away.
        clauses = [*_of_sweeps(sweeps), runs.equals(schema.TAG_KIND, kind), where]
        experiments = list(dict.fromkeys(sweep.info.experiment_id for sweep in sweeps))
        found = {run.info.run_id for run in runs.search(client, experiments, clauses)}
        if not found:
            _require_names(client, experiments, clauses[:-1], where)
        return found
    except MlflowException as error:
        if error.error_code != "INVALID_PARAMETER_VALUE":
            raise
        raise ConfigError(
            f'where must be a filter in the syntax of MLflow, such as "{_example(kind, sweeps)}", '
            f"but got {show(where)} ({reason(error)})"
        ) from error


def _require_names(client: "MlflowClient", experiments: Sequence[str], clauses: Sequence[str], where: str) -> None:
    """Make sure that every name in a filter is one that a run has, of those which are asked.

    Raises:
        ConfigError: none has it; the message lists those there are.
    """
    from mlflow.utils.search_utils import SearchUtils

    asked = [(kind, one["key"]) for one in SearchUtils.parse_search_filter(where) if (kind := _KINDS.get(one["type"]))]
    if not asked:
        return
    there: dict[str, set[str]] = {kind: set() for kind in _KINDS.values()}
    for run in runs.search(client, experiments, clauses):  # some names are of a few runs only
        for kind, names in there.items():
            names.update(getattr(run.data, kind))
    for kind, name in asked:
        if there[kind] and name not in there[kind]:
            shown = sorted(one for one in there[kind] if not one.startswith("mlflow.") and not _OF_ONE.search(one))
            raise ConfigError(one_of(f"a name in where, of {kind},", name, shown))


def _of_sweeps(sweeps: Sequence["Run"]) -> list[str]:
    # More than one are all sweeps of their experiments.
    return [runs.equals(schema.TAG_SWEEP, sweeps[0].data.tags[schema.TAG_SWEEP])] if len(sweeps) == 1 else []


def _require_comparison(where: str) -> None:
    """Refuse what MLflow cannot parse, or takes for no filter, before our clauses stand beside it."""
    from mlflow.exceptions import MlflowException
    from mlflow.utils.search_utils import SearchUtils

    if not SearchUtils.parse_search_filter(where):
        raise MlflowException.invalid_parameter_value("it compares nothing")
