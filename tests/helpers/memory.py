"""A device with room for that many networks."""

import weakref
from typing import Any

import pytest
import torch

from smartmixed_search.engine.training import TwoPhaseTraining

OUT_OF_MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


class Memory:
    """Room for that many networks: more of them run out of memory at the end of the given epoch."""

    def __init__(self, networks: int, epoch: int, error: Exception) -> None:
        self.networks, self.epoch, self.error = networks, epoch, error
        self.tried: list[int] = []
        self.alive: list[int] = []
        self._trainings: list[weakref.ref[TwoPhaseTraining]] = []

    def look(self, training: TwoPhaseTraining) -> None:
        networks = training.layout.part.networks
        if training.epoch == 0:
            self.tried.append(networks)
            self._trainings.append(weakref.ref(training))
            self.alive.append(sum(reference() is not None for reference in self._trainings))
        if networks > self.networks and training.epoch == self.epoch:
            raise type(self.error)(*self.error.args)  # a new one: its traceback holds what was allocated


def limit(monkeypatch: pytest.MonkeyPatch, networks: int, epoch: int = 0, error: Exception = OUT_OF_MEMORY) -> Memory:
    memory = Memory(networks, epoch, error)
    validate = TwoPhaseTraining._validate

    def limited(training: TwoPhaseTraining, *args: Any) -> Any:
        memory.look(training)
        return validate(training, *args)

    monkeypatch.setattr(TwoPhaseTraining, "_validate", limited)
    return memory
