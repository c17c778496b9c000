"""Setbacks: how many attempts at a trial may end without an outcome, by whose doing, and when a sweep gives up a host.

Ray Tune is asked to try nothing again. It would count a lost process as the trial's failure, one that was ended for
want of memory as one more, and a process lost while it starts as final.
"""

import textwrap
from collections import defaultdict

from smartmixed_search.errors import SweepError
from smartmixed_search.search.keeping.events import LOST, MEMORY, RAISED, Setback
from smartmixed_search.search.keeping.ledger import Ledger

LOSSES = 10
"""How often a trial may lose its process or node, each time to go on where it was; beyond, it may be what kills it."""
MEMORY_KILLS = 2
"""How often a trial may be ended for want of memory: once it may have been a neighbour that took it all."""
ON_ONE_HOST = 20
"""After how many setbacks in a row, of several trials, on one host a sweep ends: a broken one would use up all."""

_REASON_LENGTH = 300


class Setbacks:
    """Counts setbacks in the ledger, so that a sweep that is continued remembers them.

    Args:
        ledger: of the sweep.
        max_failures: how often a trial that raises is tried again.
    """

    def __init__(self, ledger: Ledger, max_failures: int) -> None:
        self._ledger = ledger
        self._bounds = {RAISED: max_failures, LOST: LOSSES, MEMORY: MEMORY_KILLS}
        self._in_a_row: defaultdict[str, list[int]] = defaultdict(list)

    def note(self, setback: Setback) -> str | None:
        """Record a setback; return why the trial has failed for good, or None: it is to be tried again."""
        count = self._ledger.setback(setback)
        self._in_a_row[setback.host].append(setback.number)
        return None if count <= self._bounds[setback.kind] else _sentence(setback, count)

    def check(self, setback: Setback) -> None:
        """Make sure that the host of a setback that was noted may still be used.

        Raises:
            SweepError: nothing but setbacks comes from it.
        """
        numbers = self._in_a_row[setback.host]
        if len(numbers) >= ON_ONE_HOST and len(set(numbers)) > 1:
            raise SweepError(
                f"the last {len(numbers)} attempts on {setback.host or 'this cluster'} have failed, the last one for: "
                f"{setback.reason}; see to it, and run the same command again to continue"
            )

    def ended_well(self, host: str) -> None:
        """Take note that a trial has ended on a host as it should."""
        self._in_a_row.pop(host, None)


def _sentence(setback: Setback, count: int) -> str:
    if setback.kind == LOST:
        return textwrap.shorten(
            f"process or node lost {count} times: {setback.reason}", _REASON_LENGTH, placeholder=" …"
        )
    if setback.kind == MEMORY:
        return f"killed {count} times for memory: fewer trials at once (--concurrency), or nodes with more of it, help"
    return setback.reason
