"""What a CUDA graph does, on the CPU: operations are recorded with their arguments, and repeated on the same memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Work = Callable[[], None]


class Recording(TorchDispatchMode):
    """Collects the operations that are called, and can repeat them, without any of the Python between them."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: list[tuple[Any, Any, Any, list[Tensor]]] = []
        self._made: set[int] = set()
        self._found: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = {_address(tensor): tensor for tensor in _tensors((args, kwargs))}
        for address, tensor in given.items():
            if address not in self._made and address not in self._found:
                self._found[address] = tensor.untyped_storage(), tensor.untyped_storage().clone()
        out = func(*args, **kwargs)
        fresh = [tensor for tensor in _tensors(out) if _address(tensor) not in given]
        self._made |= {_address(tensor) for tensor in fresh}
        self._calls.append((func, args, kwargs, fresh))
        return out

    def undo(self) -> None:
        """Take back what was done to memory that was there before: capturing does no work."""
        for storage, before in self._found.values():
            storage.copy_(before)

    @torch.no_grad()
    def replay(self) -> None:
        """Repeat every operation on the recorded arguments; what it made goes where it went when it was recorded."""
        for func, args, kwargs, fresh in self._calls:
            out = func(*args, **kwargs)
            if fresh:
                for kept, new in zip(fresh, _tensors(out)[-len(fresh) :], strict=True):
                    kept.copy_(new)


class Simulated:
    """A recorder for any device."""

    def __init__(self) -> None:
        self.rehearsed = 0
        self.recorded = 0
        self.replayed = 0

    def rehearse(self, work: Work) -> None:
        self.rehearsed += 1
        work()

    def record(self, work: Work) -> Work:
        self.recorded += 1
        with Recording() as recording:
            work()
        recording.undo()

        def replay() -> None:
            self.replayed += 1
            recording.replay()

        return replay


@contextmanager
def unmoved(tensors: Callable[[], list[Tensor]]) -> Iterator[None]:
    """Assert that the tensors are afterwards where they were before."""
    before = [tensor.data_ptr() for tensor in tensors()]
    yield
    assert [tensor.data_ptr() for tensor in tensors()] == before


def _tensors(tree: Any) -> list[Tensor]:
    if isinstance(tree, Tensor):  # as most of what operations return: most of a walk's time is saved
        return [tree]
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
