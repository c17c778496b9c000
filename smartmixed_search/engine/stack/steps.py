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
from smartmixed_search.engine.draws import Draws
from smartmixed_search.engine.inputs import as_inputs
from smartmixed_search.engine.optimizer import ClippedAdam
from smartmixed_search.engine.stack import Stack
from smartmixed_search.engine.stack.cuda_graphs import Graphs, recorder
from smartmixed_search.engine.stack.layout import StackLayout
from smartmixed_search.method.selection import logits_gradient, one_hot, relaxed_sample


class Steps:
    """Trains the networks of a stack, batch by batch.

    Args:
        layout: the plan of the stack.
        data: on the stack's device.
        stack: the networks; its tensors are updated in place and never replaced.
        optimizer: likewise.
        temperatures: of every selection step; networks that still select after these keep the last.
        loss: where the losses of the epoch's examples are summed up, float64 [R, S].
    """

    def __init__(
        self,
        layout: StackLayout,
        data: Dataset,
        stack: Stack,
        optimizer: ClippedAdam,
        temperatures: Tensor,
        loss: Tensor,
    ) -> None:
        self._loss = loss
        self._layout, self._data, self._stack, self._optimizer = layout, data, stack, optimizer
        examples = len(data.x_train)
        self._order = torch.zeros(len(loss), examples, dtype=torch.int64, device=layout.device)
        self._places = torch.arange(min(layout.config.batch_size, examples), device=layout.device)
        """Where the next batch is in the order."""
        self._draws = Draws(layout, temperatures)
        self._selecting = list(stack.selecting)
        self._graphs = Graphs(partial(recorder, layout.device))

    def epoch(self, order: np.ndarray, epochs_left: int, taken: int) -> Iterator[None]:
        """Train on every example once, one batch at each iteration.

        Args:
            order: in which each replicate sees the examples, [R, N].
            epochs_left: of the present phase, this one included; few steps are not worth capturing.
            taken: number of steps taken before.
        """
        self._begin(order)
        batch = len(self._places)
        full, rest = divmod(order.shape[1], batch)
        for size, count in ((batch, full), (rest, min(rest, 1))):
            for _ in range(count):
                self._prepare(taken)
                self._graphs.run(size, partial(self._step, size), times=count * epochs_left)
                taken += 1
                yield

    def _begin(self, order: np.ndarray) -> None:
        host = torch.from_numpy(order)
        if self._order.is_cuda:
            host = host.pin_memory()  # else the copy would wait for the device
        self._order.copy_(host, non_blocking=True)
        torch.arange(len(self._places), out=self._places)
        self._loss.zero_()

    def _prepare(self, taken: int) -> None:
        """See to it that the next step's noise is there, and that no graph of an earlier phase is."""
        if self._selecting != self._stack.selecting:
            self._selecting = list(self._stack.selecting)
            self._graphs.forget()
        if self._selects:
            self._draws.prepare(taken)

    def _step(self, batch: int) -> None:
        """Train on the next examples of the order, as many as `batch`."""
        data = self._data
        index = self._order.index_select(1, self._places[:batch])
        examples = data.x_train.index_select(0, index.flatten())
        x = as_inputs(examples, (data.features,), self._layout.dtype)
        loss = self._update(x.view(*index.shape, -1), data.y_train[index])
        self._loss.add_(loss, alpha=batch)
        self._places += batch
        self._stack.release()

    def _update(self, x: Tensor, y: Tensor) -> Tensor:
        """Update every network on one batch, inputs [R, B, D] and targets [R, B]; return the losses [R, S]."""
        loss = self._select(x, y) if self._selects else self._stack.loss_backward(x, y)
        self._optimizer.step(loss)
        return loss

    def _select(self, x: Tensor, y: Tensor) -> Tensor:
        """Fill the gradients with sampled choices; the choices of all layers are drawn at once."""
        stack, config = self._stack, self._layout.config
        noise, temperature = self._draws.take()
        relaxed = relaxed_sample(torch.cat(stack.parameters.logits, dim=2), noise, temperature)
        mixes = one_hot(relaxed) if config.estimator == "hard" else relaxed
        loss = stack.loss_backward(x, y, mixes.split_with_sizes(self._layout.units, 2))
        by_logits = logits_gradient(torch.cat(stack.mix_gradients, dim=2), relaxed, temperature)
        parts = by_logits.split_with_sizes(self._layout.units, 2)
        for gradient, part in zip(stack.gradients.logits, parts, strict=True):
            gradient.copy_(part)
        return loss

    @property
    def _selects(self) -> bool:
        return any(index is not None for index in self._stack.selecting)
