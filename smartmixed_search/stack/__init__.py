"""The stack engine: all networks of one architecture, trained at once as batched tensors."""

from smartmixed_search.stack.assignment import Assignment, Fixed, Mixed
from smartmixed_search.stack.combining import selective_assignment
from smartmixed_search.stack.network import Stack
from smartmixed_search.stack.optimizer import ClippedAdam
from smartmixed_search.stack.parameters import Parameters, initial_parameters

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
