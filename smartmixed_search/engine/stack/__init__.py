"""The stack engine: all networks of one multilayer perceptron, trained at once as batched tensors."""

from smartmixed_search.engine.stack.assignment import Assignment, Fixed, Mixed
from smartmixed_search.engine.stack.combining import selective_assignment
from smartmixed_search.engine.stack.network import Stack
from smartmixed_search.engine.stack.parameters import LinearParameters, initial_parameters

__all__ = [
    "Assignment",
    "Fixed",
    "LinearParameters",
    "Mixed",
    "Stack",
    "initial_parameters",
    "selective_assignment",
]
