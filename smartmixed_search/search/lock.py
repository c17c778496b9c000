"""The lock of a sweep: one writer at a time, told by process and host, and none that outlives its holder."""

import errno
import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from smartmixed_search.errors import SweepError
from smartmixed_search.files import is_local, not_writable, read_bytes, write_atomically

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
"""What file systems say that know no locks, as some on a network do."""

REFRESH_SECONDS = 15.0
STALE_SECONDS = 90.0
"""A lease that was not refreshed for so long is stale; clocks of hosts that share one must agree better than that."""
_SETTLE_SECONDS = 1.0
"""After which two processes that took a lease at the same moment see which of them has it."""


class Lock:
    """A lock that is held; `check` says whether it still is."""

    def __init__(self) -> None:
        self.lost: str | None = None
        """Who has taken it over, if somebody has: after this process did not run for a while, say."""

    def check(self) -> None:
        """Make sure that this process is still the only writer.

        Raises:
            SweepError: another process has taken over.
        """
        if self.lost is not None:
            raise SweepError(f"a sweep must have one writer, however: it was taken over by {self.lost}; wait for it")


@contextmanager
def one_writer(path: Path, sweep: str) -> Iterator[Lock]:
    """Hold a sweep's lock: of the operating system where it can be had, and ends with the process, else a lease.

    Args:
        path: of the lock's file.
        sweep: name of the sweep, for the message.

    Raises:
        SweepError: another process holds it.
    """
    if is_local(path):
        with _opened(path) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise _held(sweep, file.read().strip()) from None
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
            else:
                file.truncate(0)
                file.write(f"{_who(os.getpid(), socket.gethostname())}\n")
                file.flush()
                yield Lock()
                return
    with _lease(path.with_name(f"{path.name}.lease"), sweep) as lock:
        yield lock


def _opened(path: Path) -> TextIO:
    try:
        return path.open("a+", encoding="utf-8")
    except OSError as error:
        raise SweepError(not_writable(path.parent, error)) from error


@contextmanager
def _lease(path: Path, sweep: str) -> Iterator[Lock]:
    """Hold a lock that is a file, refreshed by a thread, on storage that knows no locks."""
    mine = {"pid": os.getpid(), "host": socket.gethostname(), "token": uuid.uuid4().hex}
    found = _read(path)
    if found is not None and not _is_stale(found):
        raise _held(sweep, _who(found["pid"], found["host"]))
    _write(path, mine)
    time.sleep(_SETTLE_SECONDS)
    found = _read(path)
    if found is None or found["token"] != mine["token"]:
        raise _held(sweep, "another" if found is None else _who(found["pid"], found["host"]))
    lock, released = Lock(), threading.Event()
    thread = threading.Thread(target=_refresh, args=(path, mine, lock, released), daemon=True)
    thread.start()
    try:
        yield lock
    finally:
        released.set()
        thread.join()
        if lock.lost is None:
            path.unlink(missing_ok=True)


def _refresh(path: Path, mine: dict[str, Any], lock: Lock, released: threading.Event) -> None:
    while lock.lost is None and not released.wait(REFRESH_SECONDS):
        try:
            found = _read(path)
            if found is not None and found["token"] != mine["token"]:
                lock.lost = _who(found["pid"], found["host"])
            else:
                _write(path, mine)
        except Exception:  # of whatever storage: it may be back before the lease is stale
            continue


def _is_stale(found: dict[str, Any]) -> bool:
    """Whether a lease's holder is gone: it does not refresh it, or it is no process of this very host any more."""
    if found["host"] == socket.gethostname() and not Path(f"/proc/{found['pid']}").exists() and Path("/proc").is_dir():
        return True
    return bool(time.time() - found["time"] > STALE_SECONDS)


def _read(path: Path) -> dict[str, Any] | None:
    content = read_bytes(path)
    return None if content is None else dict(json.loads(content))


def _write(path: Path, mine: dict[str, Any]) -> None:
    write_atomically(path, json.dumps(mine | {"time": time.time()}))


def _who(pid: int, host: str) -> str:
    return f"process {pid} on {host}"


def _held(sweep: str, holder: str) -> SweepError:
    return SweepError(
        f"a sweep must have one writer, however: {sweep!r} is being run by {holder or 'another'}; "
        "wait for it, stop it, or choose another --name"
    )
