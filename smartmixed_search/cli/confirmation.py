"""A confirmation as users ask for one: a report that is kept of the sweep says what came of it."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from smartmixed_search.reports.report import renew
from smartmixed_search.search import confirmation
from smartmixed_search.search.summary import SweepSummary

P = ParamSpec("P")


def _renewing(confirm: Callable[P, SweepSummary]) -> Callable[P, SweepSummary]:
    @wraps(confirm)
    def confirmed(*args: P.args, **options: P.kwargs) -> SweepSummary:
        options.setdefault("renew", renew)
        return confirm(*args, **options)

    return confirmed


confirm_sweep = _renewing(confirmation.confirm_sweep)
"""`search.confirmation.confirm_sweep`; it may not know reports itself."""
