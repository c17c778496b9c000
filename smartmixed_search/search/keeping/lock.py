"""The lock of a sweep: one writer at a time, told by process and host, and none that outlives its holder."""

import errno
import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from smartmixed_search.errors import SweepError
from smartmixed_search.system.files import is_local, not_writable, read_bytes, write_atomically

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
"""What file systems say that know no locks, as some on a network do."""

REFRESH_SECONDS = 15.0
STALE_SECONDS = 90.0
"""A lease that was not seen to change for so long is stale. Clocks are not asked: those of two hosts need not agree."""
_LOOK_SECONDS = 1.0
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
            raise SweepError(f"this sweep was taken over by {self.lost}; wait for it, or stop it")


def lock_path(directory: Path) -> Path:
    """Return where the lock of a sweep's directory is."""
    return directory / ".lock"


def refuse_if_held(path: Path, sweep: str) -> None:
    """Say at once that another process holds a sweep's lock, where that can be said at once; takes nothing.

    Raises:
        SweepError: another process of this machine holds it.
    """
    with suppress(OSError):  # there is none, or what is wrong will be said where it is taken
        if is_local(path):
            with path.open(encoding="utf-8") as file:
                _flock(file, fcntl.LOCK_SH, sweep)
    found = _read(_lease_of(path))
    if found is not None and _runs_here(found):
        raise _held(sweep, _who(found["pid"], found["host"]))


@contextmanager
def one_writer(path: Path, sweep: str, say: Callable[[str], None] = lambda message: None) -> Iterator[Lock]:
    """Hold a sweep's lock: of the operating system where it can be had, and ends with the process, otherwise a lease.

    Args:
        path: of the lock's file.
        sweep: name of the sweep, for the message.
        say: shows the user what is being waited for.

    Raises:
        SweepError: another process holds it.
    """
    if is_local(path):
        with _opened(path) as file:
            if _flock(file, fcntl.LOCK_EX, sweep):
                file.truncate(0)
                file.write(f"{_who(os.getpid(), socket.gethostname())}\n")
                file.flush()
                yield Lock()
                return
    with _lease(_lease_of(path), sweep, say) as lock:
        yield lock


def _flock(file: TextIO, kind: int, sweep: str) -> bool:
    """Take the operating system's lock; return whether the file's system knows any.

    Raises:
        SweepError: another process holds it.
    """
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        raise _held(sweep, file.read().strip()) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True


def _opened(path: Path) -> TextIO:
    try:
        return path.open("a+", encoding="utf-8")
    except OSError as error:
        raise SweepError(not_writable(path.parent, error)) from error


def _lease_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lease")


@contextmanager
def _lease(path: Path, sweep: str, say: Callable[[str], None]) -> Iterator[Lock]:
    """Hold a lock that is a file, refreshed by a thread, on storage that knows no locks."""
    pid, host, namespace = os.getpid(), socket.gethostname(), _namespace()
    mine = {"pid": pid, "host": host, "namespace": namespace, "started": _started(pid), "token": uuid.uuid4().hex}
    found = _read(path)
    if found is not None and _is_alive(path, found, say):
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


def _is_alive(path: Path, found: dict[str, Any], say: Callable[[str], None]) -> bool:
    """Whether a lease's holder is there: as a process, where this one would see it, or by going on to refresh it."""
    if _is_of_here(found):
        return _runs_here(found)
    who = _who(found["pid"], found["host"])
    say(f"looking for up to {STALE_SECONDS:.0f} seconds whether {who}, which has run this sweep, still does")
    until = time.monotonic() + STALE_SECONDS
    while time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
        now = _read(path)
        if now != found:
            return now is not None
    return False


def _is_of_here(found: dict[str, Any]) -> bool:
    """Whether a lease's process id means the same here; leases of earlier versions do not say."""
    namespace = _namespace()
    return namespace is not None and found.get("namespace") == namespace


def _runs_here(found: dict[str, Any]) -> bool:
    return _is_of_here(found) and found.get("started") == _started(found["pid"]) is not None


def _namespace() -> str | None:
    """Return what tells apart two places in which one process id may be that of two processes; None: it is unknown."""
    try:
        if Path("/proc/self").readlink().name != str(os.getpid()):  # it shows the processes of another namespace
            return None
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return None


def _started(pid: int) -> int | None:
    """Return when a process of this namespace was started, in ticks since the boot; None if it runs no longer."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return None if state == "Z" else int(fields[18])


def _read(path: Path) -> dict[str, Any] | None:
    """Read a lease; one that is damaged is as good as absent, because a holder that lives writes it again."""
    with suppress(ValueError, TypeError):
        found = dict(json.loads(read_bytes(path) or b""))
        if found.keys() >= {"pid", "host", "token"}:
            return found
    return None


def _write(path: Path, mine: dict[str, Any]) -> None:
    write_atomically(path, json.dumps(mine | {"time": time.time()}))


def _who(pid: int, host: str) -> str:
    return f"process {pid} on {host}"


def _held(sweep: str, holder: str) -> SweepError:
    return SweepError(
        f"sweep {sweep!r} is being run by {holder or 'another process'}; wait for it, stop it, or choose another --name"
    )
