"""Effects of settings that a sweep crosses: what each does to SmartMixed, all others being equal.

Made for grids such as the shipped space `ablation`. Two trials make a pair if they differ in only one setting.
"""

from collections.abc import Collection, Mapping

import pandas as pd

from smartmixed_search.analysis.leaderboard import known_of
from smartmixed_search.analysis.phases import GAINS, in_phase1, phase_gains
from smartmixed_search.analysis.statistics import mean_intervals
from smartmixed_search.tasks.metric import ACCURACY, Metric
from smartmixed_search.trials.config import SMARTMIXED
from smartmixed_search.trials.plain import as_number
from smartmixed_search.trials.ranking import best_of_each, is_fixed, value_of
from smartmixed_search.trials.settings import SETTINGS

MOST_LEVELS = 6
"""Values of a setting up to which its effect is shown value by value."""
INTERVAL_CAVEAT = (
    "Blocks share architectures and seeds: an interval says how much an effect depends on the other settings, not how "
    "it would be for other architectures."
)
EFFECT_COLUMNS = ["setting", "value", "against", "measure", "blocks", "mean", "low", "high", "reason"]


def measures(metric: Metric = ACCURACY) -> dict[str, str]:
    """Return what is measured in each trial, each with its words: values of the metric, and gains in it."""
    told = metric.label
    return {
        metric.test: f"test {told} of SmartMixed",
        "margin": "its margin over the best fixed activation of the trial, chosen by validation",
        "phase1_argmax": f"test {told} of phase 1 without noise",
        "phase1_sampled": f"test {told} of phase 1 as it trains, with sampled functions",
        **{gain: f"gain of phase 2 {words}" for gain, words in GAINS.items()},
        "choice_confidence": "mean choice confidence",
    }


def level_columns(metric: Metric = ACCURACY) -> list[str]:
    """Return the columns of `level_means`."""
    return ["setting", "value", "trials", *measures(metric)]


def trial_measures(rows: pd.DataFrame, metric: Metric = ACCURACY) -> pd.DataFrame:
    """Return `measures` of each trial, by its key, from the strategies of finished trials on one dataset.

    `rows` has the columns of `tracking.questions.queries.strategies`.
    """
    own = rows[rows["strategy"] == SMARTMIXED].reset_index(drop=True)
    rival = _test_of_best_fixed(rows, metric).reindex(own["trial"]).set_axis(own.index)
    gains = phase_gains(rows, own, metric)
    found = pd.DataFrame(
        {
            metric.test: own[metric.test],
            "margin": metric.gain(own[metric.test], rival),
            "phase1_argmax": own[in_phase1(metric, "argmax")],
            "phase1_sampled": own[in_phase1(metric, "sampled")],
            **{gain: gains[gain] for gain in GAINS},
            "choice_confidence": own["choice_confidence"],
        }
    )
    return found.set_index(own["trial"])


def _test_of_best_fixed(rows: pd.DataFrame, metric: Metric) -> "pd.Series[float]":
    """Return by trial the test metric of its best fixed strategy."""
    fixed = rows[is_fixed(rows)].drop_duplicates(["trial", "strategy"])
    fixed = fixed.assign(known=known_of(fixed, metric, "val").notna())
    fixed[metric.exact("val")] = fixed[metric.exact("val")].where(fixed["known"])
    validations, tests = (
        fixed.pivot(index="trial", columns="strategy", values=values)[fixed["strategy"].unique()]
        for values in (metric.exact("val"), metric.test)
    )
    return value_of(tests, best_of_each(metric.oriented(validations)))


def varying_settings(configs: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """Return the settings in which trials differ, by trial, given each trial's configuration as parameters of a run.

    The column `architecture` is always there.
    """
    table = pd.DataFrame(list(configs.values()), index=pd.Index(list(configs), dtype="str"), dtype="str").fillna("none")
    free = [name for name, one in SETTINGS.items() if not one.fixed]
    varying = [name for name in table if name in free and table[name].nunique() > 1]
    return table.reindex(columns=["architecture", *varying])


def level_means(settings: pd.DataFrame, measured: pd.DataFrame, crossed: Collection[str]) -> pd.DataFrame:
    """Return the mean of each measure over the trials with each value of each crossed setting, see `level_columns`."""
    found, columns = [], ["setting", "value", "trials", *measured]
    for name in crossed:
        values = settings[name].reindex(measured.index)
        by_value = measured.groupby(values)
        means = by_value.mean().assign(trials=by_value.size(), setting=name).loc[_ordered(values)]
        found.append(means.rename_axis("value").reset_index())
    return pd.concat(found, ignore_index=True)[columns] if found else pd.DataFrame(columns=columns)


def paired_effects(settings: pd.DataFrame, measured: pd.DataFrame, metric: Metric = ACCURACY) -> pd.DataFrame:
    """Return what each value of a setting changes against the setting's first, all others being equal.

    Changes of the metric are gains: positive where it is better, also of one that is better the lower it is.

    A block is an architecture with certain values of *all* other settings that vary: where some were searched, and no
    two trials have them in common, there is none, and settings without a block are left out, as are those of more than
    `MOST_LEVELS` values. Returns `EFFECT_COLUMNS`: the mean difference over the `blocks` that have both values, and its
    95 % bootstrap interval `low` … `high` over them, or the `reason` for none; see `INTERVAL_CAVEAT`.
    """
    values_of_metric = [metric.test, "phase1_argmax", "phase1_sampled"]
    oriented = measured.assign(**{name: metric.oriented(measured[name]) for name in values_of_metric})
    joined = settings.join(oriented, how="inner")
    found = []
    for name in settings.columns.drop("architecture"):
        values = _ordered(joined[name])
        if len(values) > MOST_LEVELS:
            continue
        others = [column for column in settings if column != name]
        by_value = {value: rows.groupby(others)[list(measured)].mean() for value, rows in joined.groupby(name)}
        for value in values[1:]:
            table = mean_intervals(by_value[value] - by_value[values[0]], "measure")
            if table["blocks"].any():
                found.append(table.assign(setting=name, value=value, against=values[0])[EFFECT_COLUMNS])
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=EFFECT_COLUMNS)


def _ordered(values: "pd.Series[str]") -> list[str]:
    """Return the distinct values, numbers by size and before words."""

    def place(value: str) -> tuple[bool, float, str]:
        number = as_number(value)
        return number is None, 0.0 if number is None else number, value

    return sorted(values.unique(), key=place)
