"""What a report is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pandas as pd

from smartmixed_search.analysis.comparison import Comparison
from smartmixed_search.analysis.scale import Scale
from smartmixed_search.trials.records import FINISHED

MOST_CURVES = 24


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """What the neurons of a sweep's finished trials chose."""

    by_layer: pd.DataFrame
    """Of `preferences.by_layer`."""
    by_depth: pd.DataFrame
    """Of `preferences.by_depth`."""
    by_epoch: pd.DataFrame
    """Of `evolution.by_epoch`."""
    trend: pd.DataFrame
    """Of `preferences.trend`."""
    agreement: pd.DataFrame
    """Of `preferences.mean_agreement`."""
    confidence: float
    """Mean choice confidence of the trials; NaN if unknown."""
    trials: int
    """How many they are."""
    unconverged: int = 0
    """In how many of them it is below 0.5."""
    missing: int = 0
    """Finished trials whose choices MLflow does not have, or not as they were written."""


@dataclass(frozen=True, kw_only=True)
class About:
    """What a sweep was, and when; moments are of UTC."""

    written: datetime
    """When its results were read for the page."""
    begun: datetime
    """When its first trial started, as recorded."""
    ended: datetime
    """When its last one ended."""
    sizes: Mapping[str, Any]
    """`Dataset.sizes`; empty if they were not recorded."""
    settings: Mapping[str, str]
    """The space, nested keys joined by dots."""


@dataclass(frozen=True)
class ReportData:
    """A sweep's results, as read from MLflow."""

    sweep: str
    comparisons: Sequence[Comparison]
    """One per dataset; none without a finished trial."""
    trials: pd.DataFrame
    """One row per trial, with the columns `tracking.tables.columns.trial`."""
    counts: Mapping[str, int]
    """Trials by status."""
    confirmations: pd.DataFrame = field(default_factory=pd.DataFrame)
    """What `tracking.questions.confirmations` returns, one row per trial that was trained again on fresh seeds."""
    curves: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    """Architecture → strategy → validation metric by epoch, of the trial of highest validation objective. At most
    `MOST_CURVES` architectures: figures of hundreds would be most of the page."""
    selection_epochs: Mapping[str, int] = field(default_factory=dict)
    """Architecture → epochs before the handoff, in that trial; of every architecture with a finished trial."""
    preferences: Preferences | None = None
    """None if choices were not recorded."""
    scale: Scale = field(default_factory=Scale)
    """The metric that ranks, and how it is told."""
    about: About | None = None
    """None if nothing is known but its results."""

    @property
    def finished(self) -> pd.DataFrame:
        """The trials that were trained to the end."""
        return self.trials[self.trials["status"] == FINISHED]
