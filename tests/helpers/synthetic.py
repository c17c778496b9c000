"""Tables of finished trials' strategies with a known answer, as `tracking.questions.queries` would return them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from smartmixed_search.trials.config import CONTROLS
from smartmixed_search.trials.records import CONTROL, RANKED

EXAMPLES = 10_000
"""Size of either split."""
STRATEGIES = ("smartmixed", "relu", "sigmoid", "tanh", "leaky_relu", "elu", "selu")


def make_row(
    architecture: str, strategy: str, test: float, val: float | None = None, *, trial: int = 0, published: bool = True
) -> dict[str, object]:
    """Build the row of one strategy in one trial; validation accuracy is the test accuracy unless given."""
    val = test if val is None else val
    return {
        "dataset": "mnist",
        "architecture": architecture,
        "strategy": strategy,
        "role": CONTROL if strategy in CONTROLS else RANKED,
        "trial": f"{architecture}/{trial}",
        "started": trial,
        "published": published,
        "replicates": 1,
        "val_accuracy": round(val * EXAMPLES) / EXAMPLES,
        "test_accuracy": round(test * EXAMPLES) / EXAMPLES,
        "val_loss": 1 - val,
        "val_correct": round(val * EXAMPLES),
        "test_correct": round(test * EXAMPLES),
    }


def make_blocks(tests: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    """Build one trial per architecture from each strategy's accuracies; NaN: the strategy is missing there."""
    return pd.DataFrame(
        [
            make_row(f"{8 * (block + 1)}", strategy, accuracy)
            for strategy, accuracies in tests.items()
            for block, accuracy in enumerate(accuracies)
            if not np.isnan(accuracy)
        ]
    )


def make_rows(
    architectures: int = 18,
    *,
    advantage: float = 0.0,
    noise: float = 0.002,
    strategies: Sequence[str] = STRATEGIES,
    trials: int = 1,
    seed: int = 0,
) -> pd.DataFrame:
    """Build a sweep in which SmartMixed is better by `advantage` and all else is equal, but for noise.

    Architectures differ in how hard they are; test and validation accuracies have independent noise.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for block, level in enumerate(rng.uniform(0.9, 0.97, architectures)):
        for trial in range(trials):
            for strategy in strategies:
                val, test = level + advantage * (strategy == "smartmixed") + noise * rng.standard_normal(2)
                rows.append(make_row(f"{8 * (block + 1)}", strategy, test, val, trial=trial, published=trial == 0))
    return pd.DataFrame(rows)
