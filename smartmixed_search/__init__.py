"""Two-phase activation selection, and the search for the architectures and settings where it pays.

Everything public is importable from here; modules are loaded when a name is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smartmixed_search.activations import register_activation
    from smartmixed_search.comparison import Comparison
    from smartmixed_search.config import TrialConfig
    from smartmixed_search.datasets import Dataset, load_dataset
    from smartmixed_search.errors import SmartMixedError, UserError
    from smartmixed_search.frozen import FrozenNetwork
    from smartmixed_search.modules import MixedActivation, SelectiveActivation, freeze_selections
    from smartmixed_search.result import NetworkResult, TrialResult
    from smartmixed_search.search.confirmation import confirm_sweep
    from smartmixed_search.search.summary import SweepSummary
    from smartmixed_search.search.sweep import run_sweep
    from smartmixed_search.space import SearchSpace, shipped_spaces
    from smartmixed_search.tracking.confirmations import confirmations
    from smartmixed_search.tracking.queries import compare, status, top
    from smartmixed_search.tracking.reproducing import reproduce
    from smartmixed_search.trial import run_trial
    from smartmixed_search.weights import load_network

__version__ = "0.1.0"

_HOMES = {
    "Comparison": "comparison",
    "Dataset": "datasets",
    "FrozenNetwork": "frozen",
    "MixedActivation": "modules",
    "NetworkResult": "result",
    "SearchSpace": "space",
    "SelectiveActivation": "modules",
    "SmartMixedError": "errors",
    "SweepSummary": "search.summary",
    "TrialConfig": "config",
    "TrialResult": "result",
    "UserError": "errors",
    "compare": "tracking.queries",
    "confirm_sweep": "search.confirmation",
    "confirmations": "tracking.confirmations",
    "freeze_selections": "modules",
    "load_dataset": "datasets",
    "load_network": "weights",
    "register_activation": "activations",
    "reproduce": "tracking.reproducing",
    "run_sweep": "search.sweep",
    "run_trial": "trial",
    "shipped_spaces": "space",
    "status": "tracking.queries",
    "top": "tracking.queries",
}

__all__ = [
    "Comparison",
    "Dataset",
    "FrozenNetwork",
    "MixedActivation",
    "NetworkResult",
    "SearchSpace",
    "SelectiveActivation",
    "SmartMixedError",
    "SweepSummary",
    "TrialConfig",
    "TrialResult",
    "UserError",
    "__version__",
    "compare",
    "confirm_sweep",
    "confirmations",
    "freeze_selections",
    "load_dataset",
    "load_network",
    "register_activation",
    "reproduce",
    "run_sweep",
    "run_trial",
    "shipped_spaces",
    "status",
    "top",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
