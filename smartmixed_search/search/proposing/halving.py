"""Asynchronous successive halving (ASHA; Li et al. 2020): trials that trail behind at a rung end there.

The ledger keeps every comparison, so that a continued sweep decides as before, and never twice.
"""

from collections import defaultdict
from collections.abc import Sequence

from smartmixed_search.errors.messages import counted
from smartmixed_search.search.keeping.events import Rung
from smartmixed_search.search.keeping.ledger import Ledger
from smartmixed_search.space.schedule import RUNG_FACTOR


class Halving:
    """Decides which trials are stopped.

    Args:
        ledger: holds the comparisons so far, and is told of new ones.
        rungs: after how many epochs trials are compared.
    """

    def __init__(self, ledger: Ledger, rungs: Sequence[int]) -> None:
        self._ledger = ledger
        self._rungs = frozenset(rungs)
        self._seen: dict[tuple[int, int], Rung] = {}
        self._margins: defaultdict[int, list[float]] = defaultdict(list)
        for event in ledger.events:
            if isinstance(event, Rung):
                self._note(event)

    def stops(self, number: int, epochs: int, margin: float) -> bool:
        """Return whether a trial ends after this many epochs.

        It goes on if its margin is among the best third of those that have been at this rung, itself included; the
        first one does.
        """
        if epochs not in self._rungs:
            return False
        if (number, epochs) not in self._seen:
            margins = sorted([*self._margins[epochs], margin], reverse=True)
            stop = margin < margins[(len(margins) - 1) // RUNG_FACTOR]
            rung = Rung(number=number, epochs=epochs, margin=margin, stop=stop)
            self._ledger.rung(rung)
            self._note(rung)
        return self._seen[number, epochs].stop

    def stopped(self, number: int) -> str | None:
        """Return why a trial was stopped; None if it was not."""
        for rung in self._seen.values():
            if rung.number == number and rung.stop:
                return (
                    f"stopped after {counted(rung.epochs, 'epoch')}: margin {rung.margin:+z.4f} was not among the best "
                    "third of those that had come so far"
                )
        return None

    def _note(self, rung: Rung) -> None:
        self._seen[rung.number, rung.epochs] = rung
        self._margins[rung.epochs].append(rung.margin)
