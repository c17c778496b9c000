"""The recorder: hands a sweep and every settled trial to MLflow, now or in a later session."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from smartmixed_search.config import TrialConfig
from smartmixed_search.errors import SweepError, TrackingError
from smartmixed_search.result import FAILED, FINISHED, STOPPED
from smartmixed_search.search.directory import Resolved, SweepDirectory
from smartmixed_search.search.environment import environment
from smartmixed_search.search.ledger import Event, Proposed, Settled
from smartmixed_search.search.summary import SweepSummary
from smartmixed_search.tracking import runs, schema
from smartmixed_search.tracking.delivery import Delivery
from smartmixed_search.tracking.store import connect, store_errors
from smartmixed_search.tracking.writer import Tracker

_PATIENCE_SECONDS = 30.0
"""How long the end of a sweep waits for a store that accepts nothing."""


def check_name(uri: str, resolved: Resolved) -> None:
    """Make sure that the tracking store has no other sweep of that name; writes nothing.

    Raises:
        SweepError: it has one.
    """
    with store_errors(uri):
        found = runs.sweep_runs(connect(uri), resolved.name)
    if any(run.data.tags[schema.TAG_KEY] != resolved.key for run in found):
        raise SweepError(
            f"a sweep's name must be new in the tracking store, however: {resolved.name!r} is there with another "
            "space, seed or dataset; choose another --name"
        )


class Recorder:
    """Follows the ledger into MLflow; a marker in a trial's directory says that MLflow has it.

    Raises:
        TrackingError: the store does not take the sweep.
    """

    def __init__(self, directory: SweepDirectory, resolved: Resolved, uri: str) -> None:
        self._directory = directory
        self._tracker = Tracker(uri, sweep=directory.name, dataset=resolved.dataset["name"])
        self._tracker.open_sweep(
            key=resolved.key,
            space=resolved.space,
            seed=resolved.seed,
            environment=environment(resolved.dataset),
            artifacts=(directory.space, directory.resolved),
        )
        self._delivery = Delivery(self._tracker, self._mark)
        self._configs: dict[int, dict[str, Any]] = {}
        self._seen = 0

    @property
    def undelivered(self) -> int:
        """Number of settled trials that MLflow does not have yet."""
        return self._delivery.undelivered

    def follow(self, events: Sequence[Event]) -> None:
        """Have every trial recorded that has settled since the last call, unless MLflow has it already."""
        for event in events[self._seen :]:
            match event:
                case Proposed():
                    self._configs[event.number] = event.config
                case Settled() if not self._directory.trial(event.key).delivered.exists():
                    self._record(event)
        self._seen = len(events)

    def _record(self, settled: Settled) -> None:
        if settled.status == FINISHED:
            result = self._directory.trial(settled.key).load_result()
            assert result is not None
            self._delivery.trial(result)
        elif settled.status == FAILED:
            config = TrialConfig.from_dict(self._configs[settled.number])
            self._delivery.failure(config, settled.key, settled.reason or "")

    def drain(self, patient: Callable[[], bool]) -> None:
        """Wait while trials are being delivered, as long as the caller is patient and the store accepts some."""
        left, since = self.undelivered, time.monotonic()
        while left and patient() and time.monotonic() - since < _PATIENCE_SECONDS:
            time.sleep(0.05)
            if self.undelivered < left:
                left, since = self.undelivered, time.monotonic()
        self._delivery.close(timeout=5.0)

    def close(self, summary: SweepSummary) -> None:
        """Record what the sweep came to, if the store is there."""
        metrics: dict[str, float] = {**summary.settled, "trials": summary.trials, "unconverged": summary.unconverged}
        if summary.best is not None:
            metrics["best_objective"] = summary.best.objective
        try:
            self._tracker.close_sweep(FINISHED if summary.complete else STOPPED, metrics)
        except TrackingError:
            if not summary.undelivered:  # else the summary says already that the store is not there
                raise

    def _mark(self, key: str) -> None:
        files = self._directory.trial(key)
        files.path.mkdir(parents=True, exist_ok=True)
        files.delivered.touch()
