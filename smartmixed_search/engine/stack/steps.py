"""The optimiser steps of a training: each finds its batch, its noise and its temperature by counters on the device.

So a step asks nothing of the host, and one function is what the CPU runs and what CUDA captures in a graph, once per
phase and batch size.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from smartmixed_search.datasets import Dataset
from smartmixed_search.engine.stack import ClippedAdam, Stack
from smartmixed_search.engine.stack.cuda_graphs import Graphs, recorder
from smartmixed_search.engine.stack.layout import Layout
from smartmixed_search.method.selection import logits_gradient, one_hot, relaxed_sample

NOISE_STEPS = 32  # steps whose noise is drawn at once: amortises the calls, stays in the cache


class Steps:
    """Trains the networks of a stack, batch by batch.

    Args:
        layout: the plan of the stack.
        data: on the stack's device.
        stack: the networks; its tensors are updated in place and never replaced.
        optimizer: likewise.
        temperatures: of every selection step; networks that still select after these keep the last.
    """

    def __init__(
        self, layout: Layout, data: Dataset, stack: Stack, optimizer: ClippedAdam, temperatures: Tensor
    ) -> None:
        self.taken = 0
        """Number of steps taken."""
        self.loss = torch.zeros(optimizer.alive.shape, dtype=torch.float64, device=layout.device)
        """Sum over the epoch's examples so far, in nats, [R, S]."""
        self._layout, self._data, self._stack, self._optimizer = layout, data, stack, optimizer
        examples = len(data.x_train)
        self._order = torch.zeros(len(self.loss), examples, dtype=torch.int64, device=layout.device)
        self._places = torch.arange(min(layout.config.batch_size, examples), device=layout.device)
        """Where the next batch is in the order."""
        self._draws = _Draws(layout, temperatures)
        self._selecting = list(stack.selecting)
        self._graphs = Graphs(partial(recorder, layout.device))

    def epoch(self, order: np.ndarray, epochs_left: int) -> Iterator[None]:
        """Train on every example once, one batch at each iteration.

        Args:
            order: in which each replicate sees the examples, [R, N].
            epochs_left: of the present phase, this one included; few steps are not worth capturing.
        """
        self._begin(order)
        batch = len(self._places)
        full, rest = divmod(order.shape[1], batch)
        for size, count in ((batch, full), (rest, min(rest, 1))):
            for _ in range(count):
                self._prepare()
                self._graphs.run(size, partial(self._step, size), times=count * epochs_left)
                self.taken += 1
                yield

    def _begin(self, order: np.ndarray) -> None:
        host = torch.from_numpy(order)
        if self._order.is_cuda:
            host = host.pin_memory()  # else the copy would wait for the device
        self._order.copy_(host, non_blocking=True)
        torch.arange(len(self._places), out=self._places)
        self.loss.zero_()

    def _prepare(self) -> None:
        """See to it that the next step's noise is there, and that no graph of an earlier phase is."""
        if self._selecting != self._stack.selecting:
            self._selecting = list(self._stack.selecting)
            self._graphs.forget()
        if self._selects:
            self._draws.prepare(self.taken)

    def _step(self, batch: int) -> None:
        """Train on the next examples of the order, as many as `batch`."""
        data = self._data
        index = self._order.index_select(1, self._places[:batch])
        x = data.x_train.index_select(0, index.flatten()).view(*index.shape, -1).to(self._layout.dtype)
        loss = self._update(x, data.y_train[index])
        self.loss.add_(loss, alpha=batch)
        self._places += batch
        self._stack.release()

    def _update(self, x: Tensor, y: Tensor) -> Tensor:
        """Update every network on one batch, inputs [R, B, D] and labels [R, B]; return the losses [R, S]."""
        loss = self._select(x, y) if self._selects else self._stack.loss_backward(x, y)
        self._optimizer.step(loss)
        return loss

    def _select(self, x: Tensor, y: Tensor) -> Tensor:
        """Fill the gradients with sampled choices; the choices of all layers are drawn at once."""
        stack, config = self._stack, self._layout.config
        noise, temperature = self._draws.take()
        relaxed = relaxed_sample(torch.cat(stack.parameters.logits, dim=2), noise, temperature)
        mixes = one_hot(relaxed) if config.estimator == "hard" else relaxed
        loss = stack.loss_backward(x, y, mixes.split_with_sizes(config.architecture, 2))
        by_logits = logits_gradient(torch.cat(stack.mix_gradients, dim=2), relaxed, temperature)
        parts = by_logits.split_with_sizes(config.architecture, 2)
        for gradient, part in zip(stack.gradients.logits, parts, strict=True):
            gradient.copy_(part)
        return loss

    @property
    def _selects(self) -> bool:
        return any(index is not None for index in self._stack.selecting)


class _Draws:
    """Noise and temperature of every step, for many steps at once, in tensors that stay where they are."""

    def __init__(self, layout: Layout, temperatures: Tensor) -> None:
        self._stream = layout.noise("noise")
        self._schedule = temperatures
        self._first = -1
        config = layout.config
        shape = NOISE_STEPS, len(layout.part.replicates), sum(config.architecture), len(layout.pool)
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
