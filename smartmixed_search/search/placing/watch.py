"""The watch over the Ray that a sweep runs on: where it has ended, training must not wait for it in silence.

Tune's loop waits inside of Ray for an answer of the cluster's head. When that is gone, Ray ends the whole process after
a minute, with a line of its own; when this machine's raylet is, trials are never placed again.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import ray
from ray._private import ray_constants

from smartmixed_search.errors import SweepError

_EVERY_SECONDS = 5.0
_ANSWER_SECONDS = 5.0
_TIMES = 3
"""How often in a row Ray must not answer: a moment without a network is not the end."""
_LAST_ANSWER_SECONDS = 60.0
"""How long an answer that is under way is waited for: Ray ends the process of who asks for a Ray that has been left."""
_GRACE_SECONDS = 10.0
"""How long training has to come to its end by itself."""
_PARTS = (ray_constants.PROCESS_TYPE_RAYLET, ray_constants.PROCESS_TYPE_GCS_SERVER)

AGAIN = "run the same command again to continue"
RAY_LOST = f"Ray has ended, or is out of reach, while trials were running; {AGAIN}"


def check_own_ray() -> None:
    """Make sure that the Ray that this process has started, if it has, has lost none of its parts.

    Raises:
        SweepError: one has ended. Without the raylet Ray ends the whole process within seconds, and says nothing.
    """
    node = ray._private.worker._global_node
    if node is not None and any(kind in _PARTS for kind, _ in node.dead_processes()):
        raise SweepError(RAY_LOST)


def ray_answers() -> bool:
    """Whether the connected cluster is there, this process's node included."""
    context = ray.get_runtime_context()
    host, _, port = context.gcs_address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_SECONDS).close()
        return any(node["Alive"] and node["NodeID"] == context.get_node_id() for node in ray.nodes())
    except Exception:  # of any layer: it has not answered
        return False


@contextmanager
def watched(
    answers: Callable[[], bool],
    lost: Callable[[], None],
    leave: Callable[[], None],
    every: float = _EVERY_SECONDS,
    grace: float = _GRACE_SECONDS,
) -> Iterator[None]:
    """Watch over Ray for the length of the context.

    Args:
        answers: whether Ray is there.
        lost: called, in a thread of its own, once it is not; should end the context.
        leave: called if the context does not end after that; ends the process, as no call into Ray can be broken off.
        every: seconds between two looks.
        grace: seconds that the context has to end.
    """
    over = threading.Event()

    def watch() -> None:
        misses = 0
        while misses < _TIMES:
            if over.wait(every):
                return
            misses = 0 if answers() else misses + 1
        lost()
        if not over.wait(grace):
            leave()

    thread = threading.Thread(target=watch, name="smartmixed-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(_LAST_ANSWER_SECONDS)
