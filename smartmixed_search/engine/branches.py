"""Independent kernels side by side in a CUDA graph: one by one, small ones leave most of a GPU idle.

Streams that fork off the one being captured, and join it again, become parallel branches of the graph. Outside a
capture, and on any other device, nothing changes.
"""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import cycle

import torch

BRANCHES = 8

_open: list[Iterator[torch.cuda.Stream]] = []
"""The branches of the `Overlapping` that is under way, in turn."""


class Overlapping:
    """A context in which calls of `apart` may overlap each other, and whatever else is called; to be entered again.

    Args:
        device: where the work is done.
    """

    def __init__(self, device: torch.device) -> None:
        self._streams = _streams(device) if device.type == "cuda" and torch.cuda.is_available() else []
        self._origin: torch.cuda.Stream | None = None

    def __enter__(self) -> None:
        if self._streams and torch.cuda.is_current_stream_capturing():
            origin = torch.cuda.current_stream(self._streams[0].device)
            for stream in self._streams:
                stream.wait_stream(origin)
            _open.append(cycle(self._streams))
            self._origin = origin  # last: where a wait fails, there is nothing to close

    def __exit__(self, *_: object) -> None:
        origin, self._origin = self._origin, None
        if origin is not None:
            _open.pop()
            for stream in self._streams:
                origin.wait_stream(stream)


def apart(work: Callable[..., object], *args: object) -> None:
    """Call a function that allocates no memory and touches none that is touched elsewhere in this `Overlapping`."""
    if _open:
        with torch.cuda.stream(next(_open[-1])):
            work(*args)
    else:
        work(*args)


def here(work: Callable[..., object], *args: object) -> None:
    """Call a function as anybody would: what allocates memory is not to be called `apart`."""
    work(*args)


@cache
def _streams(device: torch.device) -> list[torch.cuda.Stream]:
    return [torch.cuda.Stream(device) for _ in range(BRANCHES)]
