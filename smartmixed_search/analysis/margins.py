"""SmartMixed's margins in test accuracy, architecture by architecture, over three kinds of rival."""

import pandas as pd

from smartmixed_search.analysis.statistics import DECIMALS, mean_intervals
from smartmixed_search.trials.config import SMARTMIXED
from smartmixed_search.trials.ranking import accuracy_of, best_of_each, margin

MARGINS = {
    "best_fixed": "the best fixed activation of the architecture, chosen by validation",
    "oracle": "the best fixed activation of the architecture on the test set, a rival that nobody could have chosen",
    "single": "the one fixed activation of highest mean validation accuracy over all architectures",
}
"""What SmartMixed's test accuracy is compared with. The oracle is a maximum over noise: its margin errs downwards."""


def margins(tests: pd.DataFrame, validations: pd.DataFrame) -> pd.DataFrame:
    """Return per architecture and kind of `MARGINS` the rival, and as `margin_…` SmartMixed's margin over it.

    `tests` and `validations` hold accuracies, architecture × strategy, the latter those of fixed strategies. Equal
    rivals go by name, because a tie in validation must not be broken by the test accuracy.
    """
    fixed = tests[validations.columns]
    # A strategy that is missing from hard blocks would look good in the mean: only the most complete ones compete.
    blocks_of = validations.notna().sum()
    means = validations.loc[:, blocks_of == blocks_of.max()].mean().round(DECIMALS)
    rivals = pd.DataFrame(
        {
            "best_fixed": best_of_each(validations),
            "oracle": best_of_each(fixed),
            "single": means.idxmax() if len(means) else None,
        },
        index=tests.index,
    )
    columns: dict[str, object] = {}
    for kind, names in rivals.items():
        columns[str(kind)] = names
        columns[f"margin_{kind}"] = margin(tests[SMARTMIXED], accuracy_of(fixed, names))
    return pd.DataFrame(columns, index=tests.index).reset_index()


def mean_margins(found: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of each kind of margin over the architectures; see `statistics.mean_intervals`."""
    return mean_intervals(found[[f"margin_{kind}" for kind in MARGINS]].set_axis([*MARGINS], axis=1), "margin")
