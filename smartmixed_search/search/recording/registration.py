"""The last thing a sweep has recorded: SmartMixed's best networks, registered as models, beside the main thread."""

import threading
from collections.abc import Callable

from smartmixed_search.errors.messages import in_short
from smartmixed_search.tracking.writing.writer import Tracker

_QUIET_SECONDS = 2.0
"""How long it may take without a word."""
_PATIENCE_SECONDS = 60.0
"""How long a sweep waits for it at the end."""


def register_networks(tracker: Tracker, say: Callable[[str], None]) -> None:
    """Register the networks unless they are; a message says what could not be, which never fails a sweep.

    Args:
        tracker: of a sweep that was closed; nobody else uses it.
        say: shows the user a message; called in the caller's thread.
    """
    work = _Registration(tracker)
    work.join(_QUIET_SECONDS)
    if work.is_alive():
        say("registering SmartMixed's best networks as models in MLflow, some 10 seconds")
        work.join(_PATIENCE_SECONDS)
    for sentence in work.left_out:
        say(sentence)
    if work.problem is not None:
        say(
            f"SmartMixed's best networks could not be registered in MLflow ({work.problem}): "
            "`smartmixed-search sync` does it"
        )


class _Registration(threading.Thread):
    """Registers in a thread of its own, which is left to itself if it takes too long."""

    def __init__(self, tracker: Tracker) -> None:
        super().__init__(name="smartmixed-registration", daemon=True)
        self._tracker = tracker
        self.left_out: list[str] = []
        self.problem: str | None = "it takes too long"
        self.start()

    def run(self) -> None:
        try:
            self.left_out = self._tracker.register_networks()
            self.problem = None
        except Exception as error:  # whatever it is, the sweep itself is recorded
            self.problem = in_short(error, kind=False)
