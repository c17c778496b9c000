"""CUDA graphs: work of hundreds of small kernels is captured once, and from then on launched as one.

What is captured must ask nothing of the host, and must find whatever changes from one time to the next in tensors
that stay where they are: a replay runs the same kernels, with the same arguments, on the same addresses.
"""

import warnings
from collections.abc import Callable, Hashable
from typing import Protocol

import torch

from smartmixed_search.parts import is_out_of_memory

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
    """Captures on a stream of its own, into one memory pool.

    The graphs are replayed one after another and hand nothing on in that pool, so they may share it. Torch frees the
    workspace that cuBLAS has on a stream with any graph captured there (pytorch/pytorch#193402): graphs of one
    recorder must be dropped together.

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
        with torch.cuda.device(self._device), torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
            work()
        return graph.replay


def recorder(device: torch.device) -> Recorder | None:
    """Return the recorder for a device, if it has one."""
    return CudaRecorder(device) if device.type == "cuda" and torch.cuda.is_available() else None


class Graphs:
    """Does recurring pieces of work: the first time as they are, from the second time on from a recording.

    Args:
        recorder: what records; None: everything is always done as it is.
    """

    def __init__(self, recorder: Recorder | None) -> None:
        self._recorder = recorder
        self._rehearsed: set[Hashable] = set()
        self._replays: dict[Hashable, Work] = {}

    def forget(self) -> None:
        """Drop all recordings, because what was recorded has changed."""
        self._rehearsed.clear()
        self._replays.clear()

    def run(self, key: Hashable, work: Work, times: int) -> None:
        """Do a piece of work.

        Args:
            key: tells pieces of work apart.
            work: changes nothing but the contents of tensors.
            times: how often it is still to be done, this time included.
        """
        if key in self._replays:
            self._replays[key]()
        elif self._recorder is None or (times < WORTHWHILE and key not in self._rehearsed):
            work()
        elif key not in self._rehearsed:
            self._rehearsed.add(key)
            self._recorder.rehearse(work)
        else:
            self._replay_from_now_on(key, work, self._recorder)

    def _replay_from_now_on(self, key: Hashable, work: Work, recorder: Recorder) -> None:
        """Record a piece of work, and do it; where recording fails, say why and record no more."""
        try:
            self._replays[key] = recorder.record(work)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            self._recorder = None
            reason = str(_first(error)).partition("\n")[0]
            warnings.warn(
                f"training goes on without CUDA graphs: a step could not be captured ({reason})", stacklevel=2
            )
            work()
        else:
            self._replays[key]()


def _first(error: BaseException) -> BaseException:
    """Return the error that all others of a chain arose from: the end of a failed capture raises one of its own."""
    while error.__context__ is not None:
        error = error.__context__
    return error
