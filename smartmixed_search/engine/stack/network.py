"""The stack: all networks of one architecture, trained at once, with the backward pass written out.

A multilayer perceptron's backward pass is short, and writing it out lets activations work in place, gradients go to
preallocated tensors, and a step run without autograd: static shapes, no host synchronisation. Activations are
feature-major, [R, S, H, B], for replicates R, columns S (strategies and controls), neurons H and batch B.
"""

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from smartmixed_search.engine.branches import Overlapping
from smartmixed_search.engine.stack.assignment import Assignment, Saved
from smartmixed_search.engine.stack.parameters import LinearParameters
from smartmixed_search.engine.stack.products import Products
from smartmixed_search.tasks.task import Task

Mixes = Sequence[Tensor]
"""Per hidden layer, how the J selecting columns weigh the pool: [R, J, H, K]."""


class Stack:
    """Networks that share an architecture, with their parameters and their gradients.

    Args:
        parameters: the numbers to learn; updated in place by an optimiser.
        assignments: how each column determines its activations, S of them. The selecting ones are the J columns
            of `parameters.logits`, in order; J may exceed them once some are frozen: see `selecting`.
        selecting: for every column, its J index, or None if it does not select.
        task: what they learn.
        inputs: the inputs D' of D that the first layer reads, [D']; None: all.
        precision: of the matrix products.
    """

    def __init__(
        self,
        parameters: LinearParameters,
        assignments: Sequence[Assignment],
        selecting: Sequence[int | None],
        *,
        task: Task,
        inputs: Tensor | None = None,
        precision: str = "float32",
    ) -> None:
        self.parameters = parameters
        self.assignments = list(assignments)
        self.selecting = list(selecting)
        self.inputs = inputs
        self.task = task
        self.products = Products(precision)
        self._overlapping = Overlapping(parameters.shared[0].device)
        self.mix_gradients: list[Tensor] = []
        """Of the last `loss_backward`, by its `mixes`; zero for columns that do not select."""
        self._activations: list[Tensor] = []
        self._saved: list[list[Saved]] = []

    @cached_property
    def gradients(self) -> LinearParameters:
        """Gradients by the parameters; a stack that is only evaluated never makes them."""
        return self.parameters.zeros_like()

    def release(self) -> None:
        """Forget the activations of the last `loss_backward`."""
        self._activations, self._saved = [], []

    def forward(self, x: Tensor, mixes: Mixes = ()) -> Tensor:
        """Run every network.

        Args:
            x: inputs [R, B, D], or [1, B, D] if all replicates see the same.
            mixes: weights of the pool for the selecting columns.

        Returns:
            Their outputs, [R, S, C, B].
        """
        return self._forward(self._read(x), mixes, keep=False)

    def loss_backward(self, x: Tensor, y: Tensor, mixes: Mixes = ()) -> Tensor:
        """Fill the gradients of the mean loss of each network's batch.

        Args:
            x: inputs [R, B, D].
            y: targets [R, B, …], as the task has them.
            mixes: weights of the pool for the selecting columns; see `mix_gradients`.

        Returns:
            Mean loss, [R, S].
        """
        x = self._read(x)
        output = self._forward(x, mixes, keep=True)
        loss, gradient = self.task.loss_gradient(output, y.unsqueeze(1))
        self._backward(gradient, x, mixes)
        return loss

    def _read(self, x: Tensor) -> Tensor:
        return x if self.inputs is None else x.index_select(2, self.inputs)

    def _forward(self, x: Tensor, mixes: Mixes, keep: bool) -> Tensor:
        """Run every network; keep what a backward pass needs, or nothing."""
        self.release()
        weights, biases = self.parameters.weights, self.parameters.biases
        z = self.products.first_linear(weights[0], biases[0], x)
        for layer in range(len(weights) - 1):
            saved = self._activate_(z, layer, mixes)
            if keep:
                self._saved.append(saved)
                self._activations.append(z)
            z = self.products.linear(weights[layer + 1], biases[layer + 1], z)
        return z

    def _backward(self, gradient: Tensor, x: Tensor, mixes: Mixes) -> None:
        weights = self.parameters.weights
        self.mix_gradients = [torch.zeros_like(mix) for mix in mixes]
        for layer in reversed(range(1, len(weights))):
            output = self._activations[layer - 1]
            torch.sum(gradient, dim=-1, out=self.gradients.biases[layer])
            self.products.weight_gradient(gradient, output, self.gradients.weights[layer])
            gradient = self.products.input_gradient(weights[layer], gradient)
            self._activate_backward_(gradient, output, layer - 1)
        torch.sum(gradient, dim=-1, out=self.gradients.biases[0])
        self.products.first_weight_gradient(gradient, x, self.gradients.weights[0])

    def _activate_(self, z: Tensor, layer: int, mixes: Mixes) -> list[Saved]:
        with self._overlapping:
            return [
                assignment.forward_(z[:, column], layer, self._mix(column, layer, mixes))
                for column, assignment in enumerate(self.assignments)
            ]

    def _activate_backward_(self, gradient: Tensor, output: Tensor, layer: int) -> None:
        saved = self._saved[layer]
        with self._overlapping:
            for column, assignment in enumerate(self.assignments):
                by_mix = assignment.backward_(gradient[:, column], output[:, column], saved[column], layer)
                if by_mix is None:
                    continue
                index = self.selecting[column]
                if index is None:
                    self.gradients.coefficients[layer][:, column, : by_mix.shape[-1]] = by_mix.mT
                else:
                    self.mix_gradients[layer][:, index] = by_mix

    def _mix(self, column: int, layer: int, mixes: Mixes) -> Tensor | None:
        """Return what a column's activations depend on beside z: the mix, or what a rival learns."""
        index = self.selecting[column]
        if index is not None:
            return mixes[layer][:, index]
        coefficients = self.parameters.coefficients
        return coefficients[layer][:, column].mT if coefficients else None
