"""Noise and temperature of the selection's steps, drawn for many steps at once."""

import torch
from torch import Tensor

from smartmixed_search.engine.layout import Layout

NOISE_STEPS = 32  # steps whose noise is drawn at once: amortises the calls, stays in the cache


class Draws:
    """Noise and temperature of every step, for many steps at once, in tensors that stay where they are."""

    def __init__(self, layout: Layout, temperatures: Tensor) -> None:
        self._stream = layout.noise("noise")
        self._schedule = temperatures
        self._first = -1
        shape = NOISE_STEPS, len(layout.part.replicates), sum(layout.units), len(layout.pool)
        self._noise = temperatures.new_empty(shape)
        self._temperatures = temperatures.new_empty(NOISE_STEPS)
        self._row = torch.zeros(1, dtype=torch.int64, device=temperatures.device)

    def prepare(self, step: int) -> None:
        """Draw for a step and those that follow, unless they are there."""
        row = step % NOISE_STEPS
        if step - row != self._first:
            self._first = step - row
            self._noise.copy_(self._stream.numbers(self._first, NOISE_STEPS))
            steps = torch.arange(self._first, self._first + NOISE_STEPS, device=self._row.device)
            steps.clamp_(max=len(self._schedule) - 1)
            torch.index_select(self._schedule, 0, steps, out=self._temperatures)
            self._row.fill_(row)

    def take(self) -> tuple[Tensor, Tensor]:
        """Return the noise [R, H of all layers, K] and the temperature [1] of the next step."""
        drawn = self._noise.index_select(0, self._row)[0], self._temperatures.index_select(0, self._row)
        self._row += 1
        return drawn
