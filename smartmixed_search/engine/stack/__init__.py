"""The stack engine: all networks of one architecture, trained at once as batched tensors."""

from smartmixed_search.engine.stack.assignment import Assignment, Fixed, Mixed
from smartmixed_search.engine.stack.combining import selective_assignment
from smartmixed_search.engine.stack.network import Stack
from smartmixed_search.engine.stack.optimizer import ClippedAdam
from smartmixed_search.engine.stack.parameters import Parameters, initial_parameters

__all__ = [
    "Assignment",
    "ClippedAdam",
    "Fixed",
    "Mixed",
    "Parameters",
    "Stack",
    "initial_parameters",
    "selective_assignment",
]
