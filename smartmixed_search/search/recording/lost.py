"""Lost results: of finished trials that a store does not have, and whose files are gone or damaged."""

from collections.abc import Container

from smartmixed_search.errors import TrackingError
from smartmixed_search.search.keeping.directory import SweepDirectory
from smartmixed_search.search.keeping.ledger import read_settled
from smartmixed_search.search.keeping.resolved import Resolved
from smartmixed_search.search.recording.deliveries import Deliveries
from smartmixed_search.search.recording.sweep_store import make_tracker
from smartmixed_search.tracking.store.store import prepare_store
from smartmixed_search.tracking.store.uris import store_name
from smartmixed_search.trials.records import FINISHED


def lost_results(directory: SweepDirectory, resolved: Resolved, uri: str) -> frozenset[str]:
    """Return the keys of finished trials that can only be delivered to a store if they are trained again.

    Raises:
        SweepError: the store has another sweep of that name, or the ledger is damaged.
    """
    finished = [one.key for one in read_settled(directory.ledger) if one.status == FINISHED]
    if not finished:
        return frozenset()
    there = _delivered(directory, resolved, uri)
    return frozenset(key for key in finished if key not in there and directory.trial(key).load_whole() is None)


def _delivered(directory: SweepDirectory, resolved: Resolved, uri: str) -> Container[str]:
    """Return the trials that a store has; one that is away is taken to have what was delivered to it."""
    try:
        prepare_store(uri)
        return make_tracker(uri, resolved).settled(resolved.key)
    except TrackingError:
        return Deliveries(directory.deliveries, store_name(uri))
