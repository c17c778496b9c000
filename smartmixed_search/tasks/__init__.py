"""What is learned: a network's outputs, its loss, and the figures that are counted."""

from smartmixed_search.tasks.classification import Classification
from smartmixed_search.tasks.regression import Regression
from smartmixed_search.tasks.task import Metric, Task

__all__ = ["Classification", "Metric", "Regression", "Task"]
