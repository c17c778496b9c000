"""Which engine trains a trial's networks."""

from typing import Protocol

import torch
from torch import Tensor

from smartmixed_search.datasets import Dataset
from smartmixed_search.engine.generic.networks import GenericNetworks
from smartmixed_search.engine.networks import Networks
from smartmixed_search.engine.parts import Part
from smartmixed_search.engine.stack.networks import StackNetworks
from smartmixed_search.tasks.task import Task
from smartmixed_search.trials.config import TrialConfig


class Engine(Protocol):
    """Makes the networks of a part, ready to be trained."""

    def __call__(
        self, config: TrialConfig, part: Part, data: Dataset, task: Task, temperatures: Tensor, dtype: torch.dtype
    ) -> Networks:
        """Make them.

        Args:
            config: the trial's configuration.
            part: which of its networks.
            data: on the device where they are trained.
            task: what they learn.
            temperatures: of every selection step, on that device; networks that still select after these keep the last.
            dtype: of their parameters.
        """


def engine_of(config: TrialConfig) -> Engine:
    """Return the fastest engine that can train a configuration's networks."""
    fast = isinstance(config.architecture, tuple) and config.granularity == "unit"
    return StackNetworks if fast else GenericNetworks
