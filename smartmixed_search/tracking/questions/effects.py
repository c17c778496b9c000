"""Effects of crossed settings, read from MLflow."""

from dataclasses import dataclass

import pandas as pd

from smartmixed_search.analysis.effects import level_means, paired_effects, trial_measures, varying_settings
from smartmixed_search.analysis.scale import Scale
from smartmixed_search.tracking import schema
from smartmixed_search.tracking.questions.queries import reading
from smartmixed_search.tracking.runs import runs
from smartmixed_search.tracking.tables import tables
from smartmixed_search.tracking.tables.measured import Measured


@dataclass(frozen=True, kw_only=True)
class Effects:
    """What each setting that a sweep crosses does to SmartMixed: the measures by value, and differences in pairs.

    Values are in the metric's unit, accuracies as fractions. `analysis.effects.measures` says what is measured.
    """

    dataset: str
    scale: Scale
    """The metric that ranks, and how its values and differences are told."""
    levels: pd.DataFrame
    """One row per setting and value: the number of `trials`, and the mean of each measure over them."""
    paired: pd.DataFrame
    """One row per setting, value and measure: the mean gain over the setting's first value (`against`) over the
    `blocks` that have both, all other settings equal, and its 95 % bootstrap interval `low` … `high`, or the `reason`
    for none."""


def effects(sweep: str | None = None, tracking_uri: str | None = None) -> Effects:
    """Return what each crossed setting of a sweep changes, all others being equal; for grids such as `ablation`.

    Args:
        sweep: name of the sweep; the latest by default.
        tracking_uri: MLflow's store; default: `MLFLOW_TRACKING_URI`, else the SQLite store of the output directory.

    Raises:
        TrackingError: the store cannot be reached, or there is no such sweep.
    """
    with reading(sweep, False, tracking_uri) as (client, (run,)):
        rows = tables.strategy_table(client, [run])
        parent = runs.equals(schema.TAG_PARENT, run.info.run_id)
        trials = list(runs.search(client, [run.info.experiment_id], [parent]))
        dataset, scale = run.data.tags[schema.TAG_DATASET], Measured.of(run).scale()
    finished = set(rows["trial"])
    params = {trial.data.tags[schema.TAG_TRIAL]: trial.data.params for trial in trials}
    settings = varying_settings({key: of for key, of in params.items() if key in finished})
    measured = trial_measures(rows, scale.metric)
    paired = paired_effects(settings, measured, scale.metric)
    levels = level_means(settings, measured, list(paired["setting"].unique()))
    return Effects(dataset=dataset, scale=scale, levels=levels, paired=paired)
