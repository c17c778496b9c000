"""One page on a sweep, and its plots for notebooks; everything is computed from frames that the caller has read."""

from smartmixed_search.reports.data import MOST_CURVES, About, Preferences, ReportData
from smartmixed_search.reports.page import Page, build_report, figures
from smartmixed_search.reports.plots import (
    plot_critical_difference,
    plot_curves,
    plot_evolution,
    plot_legend,
    plot_margins,
    plot_parallel,
    plot_preferences,
    plot_tuning,
)

__all__ = [
    "MOST_CURVES",
    "About",
    "Page",
    "Preferences",
    "ReportData",
    "build_report",
    "figures",
    "plot_critical_difference",
    "plot_curves",
    "plot_evolution",
    "plot_legend",
    "plot_margins",
    "plot_parallel",
    "plot_preferences",
    "plot_tuning",
]
