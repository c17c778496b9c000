"""A trial as a store holds it: its configuration, what it ran with, and the figures to compare with."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from smartmixed_search.tasks.metric import ACCURACY, Metric
from smartmixed_search.trials.config import TrialConfig


def compared(metric: Metric) -> tuple[str, ...]:
    """Return the figures of a network that a reproduction is compared by, where a metric ranks."""
    return ("val_loss", metric.val, "test_loss", metric.test, "best_epoch")


@dataclass(frozen=True, kw_only=True)
class RecordedTrial:
    """What is known of a trial that was trained some time ago."""

    key: str
    config: TrialConfig
    environment: Mapping[str, str]
    """What it ran with, as in `TrialResult.environment`; what was not recorded is missing."""
    figures: pd.DataFrame
    """One row per network: `strategy`, `replicate`, and what is `compared`; NaN where it has none."""
    reused: Mapping[str, str]
    """The members that it took over, each with the key of the trial that had trained it."""
    metric: Metric = ACCURACY
    """What ranks."""
