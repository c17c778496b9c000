"""Which entries of a tensor are one unit of the layer that made it: found by labels that go the tensor's way."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from smartmixed_search.method.provenance import Call


class Layout(NamedTuple):
    """How units lie in a tensor."""

    units: int
    dim: int
    """The dimension that holds them, counted from the last, -1."""
    block: int = 1
    """How many neighbours of that dimension belong to one unit, as after channels were flattened."""


_CHANNELS = "conv"
"""Calls of such names make units of dimension 1; any other layer's are the last dimension."""


class Labels:
    """A label for every entry of the tensors of one pass: the number of its unit."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[Tensor, Tensor]] = {}

    def follow(self, made: Call, result: Any, source: Tensor | None, *, applied: bool) -> None:
        """Label what a call returned.

        Args:
            made: the call.
            result: what it returned.
            source: the one of its tensors that the result inherits from.
            applied: whether weights were applied.
        """
        first = result[0] if isinstance(result, tuple | list) and result else result
        if not isinstance(first, Tensor):
            return
        if applied:
            dim = 1 if _CHANNELS in made.name and first.ndim > 2 else -1
            self._keep(first, _along(first, dim))
        elif made.name in ("cat", "concat", "concatenate"):
            self._joined(made, first)
        elif source is not None and id(source) in self._of:
            self._inherited(made, result, source)

    def layout(self, tensor: Tensor) -> Layout:
        """Return how the units lie in a tensor; the features of its last dimension if nothing is known of it."""
        labels = self._of[id(tensor)][1] if id(tensor) in self._of else tensor.new_empty(())
        for dim in range(labels.ndim):
            row = labels.movedim(dim, 0).flatten(1)
            if len(row) < 2 or not bool((row == row[:, :1]).all()):
                continue
            units, block = int(row[:, 0].max()) + 1, len(row) // (int(row[:, 0].max()) + 1)
            if torch.equal(row[:, 0], torch.arange(units, dtype=row.dtype).repeat_interleave(block)):
                return Layout(units, dim - tensor.ndim, block)
        return Layout(tensor.shape[-1], -1)

    def _keep(self, tensor: Tensor, labels: Tensor) -> None:
        self._of[id(tensor)] = tensor, labels  # with the tensor, or another may get its id

    def _joined(self, made: Call, result: Tensor) -> None:
        parts, after = [], 0
        for tensor in made.tensors():
            labels = self._of.get(id(tensor), (tensor, _along(tensor, 1)))[1] + after
            after = int(labels.max()) + 1
            parts.append(labels)
        labels = made._replace(args=(parts, *made.args[1:])).made()
        self._keep(result, labels)

    def _inherited(self, made: Call, result: Any, source: Tensor) -> None:
        labels = self._of[id(source)][1]
        if isinstance(result, Tensor) and result.shape == source.shape and made.name not in _MOVING:
            self._keep(result, labels)
            return
        try:
            moved, ones = (self._moved(made, source, values) for values in (labels, torch.ones_like(labels)))
        except (RuntimeError, TypeError, ValueError, IndexError):  # a call that cannot be made of labels
            return
        for one, label, scale in zip(_tensors(result), _tensors(moved), _tensors(ones), strict=True):
            found = (label / scale).round()
            if found.shape == one.shape and bool(found.isfinite().all()):
                self._keep(one, found)

    def _moved(self, made: Call, source: Tensor, labels: Tensor) -> Any:
        """Make a call with labels in the place of the tensor that they are of."""
        args, kwargs = pytree.tree_map(
            lambda value: labels if value is source else value, (made.args, dict(made.kwargs))
        )
        return made._replace(args=args, kwargs=kwargs).made()


_MOVING = frozenset(
    {"transpose", "permute", "swapaxes", "swapdims", "movedim", "moveaxis", "T", "mT", "flip", "roll", "getitem", "t"}
)
"""Calls that may keep the shape and yet move entries."""


def _along(tensor: Tensor, dim: int) -> Tensor:
    """Return labels that count a dimension."""
    dim = min(dim, tensor.ndim - 1)
    shape = [1] * tensor.ndim
    shape[dim] = tensor.shape[dim]
    return torch.arange(tensor.shape[dim], dtype=torch.float64).view(shape).expand(tensor.shape)


def _tensors(value: Any) -> list[Tensor]:
    return [one for one in (value if isinstance(value, tuple | list) else [value]) if isinstance(one, Tensor)]
