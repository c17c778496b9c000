"""The article's method, as readable modules: the pool, drop-in activations, random streams, selection, freezing.

Needs torch and numpy, and nothing else.
"""

from smartmixed_search.method.activations import register_activation
from smartmixed_search.method.modules import MixedActivation, SelectiveActivation, freeze_selections

__all__ = ["MixedActivation", "SelectiveActivation", "freeze_selections", "register_activation"]
