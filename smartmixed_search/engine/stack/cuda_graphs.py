"""CUDA graphs: work of hundreds of small kernels is captured once, and from then on launched as one.

What is captured must ask nothing of the host, and must find whatever changes from one time to the next in tensors
that stay where they are: a replay runs the same kernels, with the same arguments, on the same addresses.
"""

import warnings
from collections.abc import Callable, Hashable
from typing import Protocol

import torch

from smartmixed_search.system.memory import is_out_of_memory

WORTHWHILE = 16
"""Times that work must be left to do for a capture to be tried: capturing costs as much as a few eager runs."""

Work = Callable[[], None]


class Recorder(Protocol):
    """How work becomes something that can be replayed."""

    def rehearse(self, work: Work) -> None:
        """Do the work as it will be captured: what libraries set up at its first run must be there before."""

    def record(self, work: Work) -> Work:
        """Return what repeats the work, without doing it now."""


class CudaRecorder:
    """Captures on a stream of its own, into one memory pool: its graphs must be dropped together, and it with them.

    The graphs are replayed one after another and hand nothing on in that pool, so they may share it; but once all are
    gone, it takes no more. And with any graph, torch frees the workspace that cuBLAS has on the stream where it was
    captured, though other graphs may use it (pytorch/pytorch#193402).

    Args:
        device: where the work is done.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def rehearse(self, work: Work) -> None:
        """See `Recorder`."""
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            work()
        current.wait_stream(self._stream)

    def record(self, work: Work) -> Work:
        """See `Recorder`."""
        graph = torch.cuda.CUDAGraph()
        current = torch.cuda.stream(torch.cuda.current_stream(self._device))  # torch < 2.15 loses it if capturing fails
        with current, torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
            work()
        return graph.replay


def recorder(device: torch.device) -> Recorder | None:
    """Return the recorder for a device, if it has one."""
    return CudaRecorder(device) if device.type == "cuda" and torch.cuda.is_available() else None


class Graphs:
    """Does recurring pieces of work: the first time as they are, from the second time on from a recording.

    Args:
        make_recorder: returns what records; if that is None, everything is always done as it is.
    """

    def __init__(self, make_recorder: Callable[[], Recorder | None]) -> None:
        self._make_recorder = make_recorder
        self._recorder = make_recorder()
        self._rehearsed: set[Hashable] = set()
        self._replays: dict[Hashable, Work] = {}

    def forget(self) -> None:
        """Drop all recordings, because what was recorded has changed."""
        self._rehearsed.clear()
        self._replays.clear()
        if self._recorder is not None:
            self._recorder = self._make_recorder()

    def run(self, key: Hashable, work: Work, times: int) -> None:
        """Do a piece of work.

        Args:
            key: tells pieces of work apart.
            work: changes nothing but the contents of tensors.
            times: how often it is still to be done, about.
        """
        if key not in self._replays:
            if self._recorder is None or (times < WORTHWHILE and key not in self._rehearsed):
                return work()
            if key not in self._rehearsed:
                self._rehearsed.add(key)
                return self._recorder.rehearse(work)
            recorded = self._record(self._recorder, work)
            if recorded is None:
                return work()
            self._replays[key] = recorded
        self._replays[key]()

    def _record(self, recorder: Recorder, work: Work) -> Work | None:
        """Record a piece of work; where that fails, say why, and record no more."""
        try:
            return recorder.record(work)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            reason = str(_first(error)).partition("\n")[0]
        warnings.warn(f"training goes on without CUDA graphs: a step could not be captured ({reason})", stacklevel=2)
        self._recorder = None
        self._replays.clear()  # graphs of one recorder go together: see its docstring
        return None


def _first(error: BaseException) -> BaseException:
    """Return the error that all others of a chain arose from: the end of a failed capture raises one of its own."""
    while error.__context__ is not None:
        error = error.__context__
    return error
