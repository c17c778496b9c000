"""Real processes: each started in a session of its own, found by what /proc says, and none left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

ROOT = Path(__file__).parents[2]
_LISTEN = "0A"


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables of every process here: this tree is the one it imports, and Ray does not call home."""
    paths = os.pathsep.join(
        filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
    )  # an empty one is the current folder
    return os.environ | {"PYTHONPATH": paths, "RAY_USAGE_STATS_ENABLED": "0"} | dict(changes or {})


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait for a condition; fail, naming what was waited for, where it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds:g} seconds still not so: {what}"
        time.sleep(0.05)


@dataclass(frozen=True)
class Process:
    """A process that was started here, with everything that it started: they share a session."""

    popen: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(
        cls,
        command: Sequence[str | Path],
        log: Path,
        variables: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> "Process":
        """Start a command; what it prints goes to the end of a file."""
        with log.open("ab") as file:
            popen = subprocess.Popen(
                [str(word) for word in command],
                env=environment(variables),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
                user=user,
                cwd=ROOT if user is None else "/",
            )
        return cls(popen, log)

    @property
    def members(self) -> list[int]:
        """Pids of the living processes of the session."""
        return [pid for pid in _pids() if _session(pid) == self.popen.pid]

    @property
    def running(self) -> bool:
        """Whether the process itself has not ended."""
        return self.popen.poll() is None

    @property
    def output(self) -> str:
        """What the log holds."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait(self, seconds: float = 240) -> int:
        """Wait for its end; return its exit status."""
        return self.popen.wait(seconds)

    def signal(self, number: int) -> None:
        """Send a signal to the process alone."""
        self.popen.send_signal(number)

    def kill_all(self) -> None:
        """SIGKILL every process of the session."""
        for pid in self.members:
            kill(pid)
        self.popen.wait()


@contextmanager
def cleaned_up(process: Process) -> Iterator[Process]:
    """Leave nothing of a process behind, however the context ends."""
    try:
        yield process
    finally:
        process.kill_all()


def python(*arguments: str | Path) -> list[str | Path]:
    """Return a command of this Python."""
    return [sys.executable, *arguments]


def kill(pid: int) -> None:
    """SIGKILL one process, unless it is gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def title(pid: int) -> str:
    """Return a process's command line, or what it calls itself."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def holding_on(process: Process) -> list[int]:
    """Return the pids of what a killed process has left behind, but for Ray's agents, which linger for minutes."""
    return [pid for pid in process.members if title(pid) not in ("ray::DashboardAgent", "ray::RuntimeEnvAgent", "")]


def listening(process: Process) -> set[IPv4Address | IPv6Address]:
    """Return the addresses on which a process and what it has started accept connections over TCP."""
    found: set[IPv4Address | IPv6Address] = set()
    inodes = {inode for pid in process.members for inode in _sockets(pid)}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == _LISTEN and inode in inodes:
                found.add(_address(local.partition(":")[0]))
    return found


def _address(hexadecimal: str) -> IPv4Address | IPv6Address:
    """Read an address as the kernel writes it: words of 32 bits, each with its lowest byte first."""
    words = (bytes.fromhex(hexadecimal[start : start + 8])[::-1] for start in range(0, len(hexadecimal), 8))
    address = ip_address(b"".join(words))
    return getattr(address, "ipv4_mapped", None) or address


def _sockets(pid: int) -> Iterator[str]:
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                kind, _, inode = str(entry.readlink()).partition(":")
                if kind == "socket":
                    yield inode.strip("[]")


def trial_workers(process: Process) -> list[int]:
    """Return the pids of Ray's workers that train a trial."""
    return [pid for pid in process.members if title(pid).startswith("ray::ImplicitFunc")]


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _session(pid: int) -> int | None:
    """Return a living process's session; None for one that is gone, or a zombie."""
    try:
        state, _, _, session = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:4]
    except OSError:
        return None
    return None if state == "Z" else int(session)
