"""A sweep's tracking store: whether it takes the sweep, and what records the sweep in it."""

from smartmixed_search.errors import TrackingError
from smartmixed_search.search.keeping.resolved import Resolved
from smartmixed_search.tracking.store.store import prepare_store
from smartmixed_search.tracking.writing.writer import Tracker


def make_tracker(uri: str, resolved: Resolved) -> Tracker:
    """Return what records a sweep in a store that was prepared."""
    return Tracker(uri, sweep=resolved.name, dataset=resolved.dataset["name"], confirms=resolved.confirmed)


def check_name(uri: str, resolved: Resolved) -> None:
    """Make sure that the tracking store takes this sweep; writes nothing.

    Raises:
        SweepError: it has another one of that name.
        TrackingError: it cannot be reached, or refuses.
    """
    make_tracker(uri, resolved).check(resolved.key)


def meet_store(uri: str, resolved: Resolved, *, continued: bool) -> None:
    """Prepare the tracking store for a sweep.

    Args:
        uri: of the store.
        resolved: the sweep.
        continued: whether it has trials already: then it goes on also without the store, as the recorder will say.

    Raises:
        SweepError: the store has another sweep of that name.
        TrackingError: the store of a new sweep cannot be reached, or refuses.
    """
    try:
        prepare_store(uri)
        check_name(uri, resolved)
    except TrackingError:
        if not continued:
            raise
