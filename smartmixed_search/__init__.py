"""Two-phase activation selection, and the search for the architectures and settings where it pays.

Everything public is importable from here; modules are loaded when a name is first used.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from smartmixed_search.system.version import __version__

if TYPE_CHECKING:
    from smartmixed_search.analysis.comparison import Comparison, compare_strategies
    from smartmixed_search.analysis.evolution import by_epoch
    from smartmixed_search.analysis.leaderboard import block_rankings, leaderboard
    from smartmixed_search.analysis.preferences import agreement, by_depth, by_layer, mean_agreement, trend, verdict
    from smartmixed_search.analysis.statistics import NotEnoughData
    from smartmixed_search.analysis.tuning import importance, response
    from smartmixed_search.cli.confirmation import confirm_sweep
    from smartmixed_search.datasets import Dataset, load_dataset
    from smartmixed_search.engine.reproduction import Reproduction
    from smartmixed_search.engine.trial import run_trial
    from smartmixed_search.errors import SmartMixedError, UserError
    from smartmixed_search.export.frozen import FrozenNetwork
    from smartmixed_search.export.predictor import Predictor, load_predictor
    from smartmixed_search.export.weights import load_network
    from smartmixed_search.families.own import own
    from smartmixed_search.method.activations import register_activation
    from smartmixed_search.method.modules import MixedActivation, SelectiveActivation, freeze_selections
    from smartmixed_search.method.sites import find_sites, make_selective
    from smartmixed_search.reports import (
        plot_critical_difference,
        plot_curves,
        plot_evolution,
        plot_legend,
        plot_margins,
        plot_parallel,
        plot_preferences,
        plot_tuning,
    )
    from smartmixed_search.reports.report import report
    from smartmixed_search.search.execution import Execution
    from smartmixed_search.search.reproduce import reproduce
    from smartmixed_search.search.summary import SweepSummary
    from smartmixed_search.search.sweep import run_sweep
    from smartmixed_search.space.files import shipped_spaces
    from smartmixed_search.space.space import SearchSpace
    from smartmixed_search.tracking.questions.choices import choice_agreement, choice_counts, choices
    from smartmixed_search.tracking.questions.confirmations import confirmations
    from smartmixed_search.tracking.questions.curves import curves
    from smartmixed_search.tracking.questions.effects import Effects, effects
    from smartmixed_search.tracking.questions.queries import compare, status, strategies, sweeps, top, trials
    from smartmixed_search.trials.config import TrialConfig
    from smartmixed_search.trials.records import NetworkResult
    from smartmixed_search.trials.result import TrialResult

_HOMES = {
    "Comparison": "analysis.comparison",
    "Dataset": "datasets",
    "Effects": "tracking.questions.effects",
    "Execution": "search.execution",
    "FrozenNetwork": "export.frozen",
    "MixedActivation": "method.modules",
    "NetworkResult": "trials.records",
    "NotEnoughData": "analysis.statistics",
    "Predictor": "export.predictor",
    "Reproduction": "engine.reproduction",
    "SearchSpace": "space.space",
    "SelectiveActivation": "method.modules",
    "SmartMixedError": "errors",
    "SweepSummary": "search.summary",
    "TrialConfig": "trials.config",
    "TrialResult": "trials.result",
    "UserError": "errors",
    "agreement": "analysis.preferences",
    "block_rankings": "analysis.leaderboard",
    "by_depth": "analysis.preferences",
    "by_epoch": "analysis.evolution",
    "by_layer": "analysis.preferences",
    "choice_agreement": "tracking.questions.choices",
    "choice_counts": "tracking.questions.choices",
    "choices": "tracking.questions.choices",
    "compare": "tracking.questions.queries",
    "compare_strategies": "analysis.comparison",
    "confirm_sweep": "cli.confirmation",
    "confirmations": "tracking.questions.confirmations",
    "curves": "tracking.questions.curves",
    "effects": "tracking.questions.effects",
    "find_sites": "method.sites",
    "freeze_selections": "method.modules",
    "importance": "analysis.tuning",
    "leaderboard": "analysis.leaderboard",
    "load_dataset": "datasets",
    "load_network": "export.weights",
    "load_predictor": "export.predictor",
    "make_selective": "method.sites",
    "mean_agreement": "analysis.preferences",
    "own": "families.own",
    "plot_critical_difference": "reports",
    "plot_curves": "reports",
    "plot_evolution": "reports",
    "plot_legend": "reports",
    "plot_margins": "reports",
    "plot_parallel": "reports",
    "plot_preferences": "reports",
    "plot_tuning": "reports",
    "register_activation": "method.activations",
    "reproduce": "search.reproduce",
    "report": "reports.report",
    "response": "analysis.tuning",
    "run_sweep": "search.sweep",
    "run_trial": "engine.trial",
    "shipped_spaces": "space.files",
    "status": "tracking.questions.queries",
    "strategies": "tracking.questions.queries",
    "sweeps": "tracking.questions.queries",
    "top": "tracking.questions.queries",
    "trend": "analysis.preferences",
    "trials": "tracking.questions.queries",
    "verdict": "analysis.preferences",
}

__all__ = [
    "Comparison",
    "Dataset",
    "Effects",
    "Execution",
    "FrozenNetwork",
    "MixedActivation",
    "NetworkResult",
    "NotEnoughData",
    "Predictor",
    "Reproduction",
    "SearchSpace",
    "SelectiveActivation",
    "SmartMixedError",
    "SweepSummary",
    "TrialConfig",
    "TrialResult",
    "UserError",
    "__version__",
    "agreement",
    "block_rankings",
    "by_depth",
    "by_epoch",
    "by_layer",
    "choice_agreement",
    "choice_counts",
    "choices",
    "compare",
    "compare_strategies",
    "confirm_sweep",
    "confirmations",
    "curves",
    "effects",
    "find_sites",
    "freeze_selections",
    "importance",
    "leaderboard",
    "load_dataset",
    "load_network",
    "load_predictor",
    "make_selective",
    "mean_agreement",
    "own",
    "plot_critical_difference",
    "plot_curves",
    "plot_evolution",
    "plot_legend",
    "plot_margins",
    "plot_parallel",
    "plot_preferences",
    "plot_tuning",
    "register_activation",
    "report",
    "reproduce",
    "response",
    "run_sweep",
    "run_trial",
    "shipped_spaces",
    "status",
    "strategies",
    "sweeps",
    "top",
    "trend",
    "trials",
    "verdict",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__


class _Package(ModuleType):
    """Keeps a public name that a room has too, `trials`: importing the room would put it in the function's place."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
