"""What a report is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from smartmixed_search.comparison import Comparison
from smartmixed_search.result import FINISHED


@dataclass(frozen=True)
class ReportData:
    """A sweep's results, as read from MLflow."""

    sweep: str
    comparisons: Sequence[Comparison]
    """One per dataset; none without a finished trial."""
    trials: pd.DataFrame
    """One row per trial, with the columns `tracking.columns.TRIAL`."""
    counts: Mapping[str, int]
    """Trials by status."""
    curves: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    """Architecture → strategy → validation accuracy by epoch, of the trial of highest validation objective."""
    selection_epochs: Mapping[str, int] = field(default_factory=dict)
    """Architecture → epochs before the handoff, in that trial."""
    preferences: Sequence[pd.DataFrame] = ()
    """What `preferences.by_layer` and `preferences.by_depth` return; none if choices were not recorded."""

    @property
    def finished(self) -> pd.DataFrame:
        """The trials that were trained to the end."""
        return self.trials[self.trials["status"] == FINISHED]
