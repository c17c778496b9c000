"""SmartMixed's margins in the test metric, architecture by architecture, over three kinds of rival."""

import pandas as pd

from smartmixed_search.analysis.statistics import DECIMALS, mean_intervals
from smartmixed_search.tasks.metric import ACCURACY, Metric
from smartmixed_search.trials.config import SMARTMIXED
from smartmixed_search.trials.ranking import best_of_each, value_of

MARGINS = {
    "best_fixed": "the best fixed activation of the architecture, chosen by validation",
    "oracle": "the best fixed activation of the architecture on the test set, a rival that nobody could have chosen",
    "single": "the one fixed activation of best mean validation {metric} over all architectures",
}
"""What SmartMixed's test metric is compared with; see `margin_words`.

The oracle is a maximum over noise: its margin errs downwards.
"""


def margin_words(metric: Metric = ACCURACY) -> dict[str, str]:
    """Return `MARGINS`, each in words for a metric."""
    return {kind: words.format(metric=metric.label) for kind, words in MARGINS.items()}


def margins(tests: pd.DataFrame, validations: pd.DataFrame, metric: Metric = ACCURACY) -> pd.DataFrame:
    """Return per architecture and kind of `MARGINS` the rival, and as `margin_…` SmartMixed's gain over it.

    `tests` and `validations` hold the metric, architecture × strategy, the latter those of fixed strategies. Equal
    rivals go by name, because a tie in validation must not be broken by the test metric.
    """
    fixed, validations = tests[validations.columns], metric.oriented(validations)
    # A strategy that is missing from hard blocks would look good in the mean: only the most complete ones compete.
    blocks_of = validations.notna().sum()
    means = validations.loc[:, blocks_of == blocks_of.max()].mean().round(DECIMALS).dropna()
    rivals = pd.DataFrame(
        {
            "best_fixed": best_of_each(validations),
            "oracle": best_of_each(metric.oriented(fixed)),
            "single": means.idxmax() if len(means) else None,
        },
        index=tests.index,
    )
    columns: dict[str, object] = {}
    for kind, names in rivals.items():
        columns[str(kind)] = names
        columns[f"margin_{kind}"] = metric.gain(tests[SMARTMIXED], value_of(fixed, names))
    return pd.DataFrame(columns, index=tests.index).reset_index()


def mean_margins(found: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of each kind of margin over the architectures; see `statistics.mean_intervals`."""
    return mean_intervals(found[[f"margin_{kind}" for kind in MARGINS]].set_axis([*MARGINS], axis=1), "margin")
