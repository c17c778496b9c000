"""One page on a sweep, and its plots for notebooks; everything is computed from frames that the caller has read."""

from smartmixed_search.reports.data import ReportData
from smartmixed_search.reports.page import build_report, figures
from smartmixed_search.reports.plots import (
    plot_critical_difference,
    plot_curves,
    plot_margins,
    plot_parallel,
    plot_preferences,
    plot_tuning,
)

__all__ = [
    "ReportData",
    "build_report",
    "figures",
    "plot_critical_difference",
    "plot_curves",
    "plot_margins",
    "plot_parallel",
    "plot_preferences",
    "plot_tuning",
]
