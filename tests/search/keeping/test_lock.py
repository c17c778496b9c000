import errno
import fcntl
import itertools
import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any, cast

import fsspec
import pytest
from upath import UPath

from smartmixed_search.errors import SweepError
from smartmixed_search.search.keeping import lock
from smartmixed_search.search.keeping.lock import one_writer

THIS = f"process {os.getpid()} on {socket.gethostname()}"


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "REFRESH_SECONDS", 0.02)
    monkeypatch.setattr(lock, "_SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(lock, "_LOOK_SECONDS", 0.01)


@pytest.fixture(params=["flock", "no flock", "objects"])
def path(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a lock, on storage of each kind."""
    if request.param == "no flock":

        def refuse(*_: object) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(fcntl, "flock", refuse)
    fsspec.filesystem("memory").store.clear()
    return cast(Path, UPath("memory://sweep/.lock")) if request.param == "objects" else tmp_path / ".lock"


@pytest.fixture
def lease() -> Path:
    fsspec.filesystem("memory").store.clear()
    return cast(Path, UPath("memory://sweep/.lock.lease"))


def held_by(**changes: Any) -> bytes:
    """Return the lease of this process, or of one that differs in something."""
    pid = os.getpid()
    namespace, started = lock._namespace(), lock._started(pid)
    holder = {"pid": pid, "host": socket.gethostname(), "namespace": namespace, "started": started, "token": "other"}
    return json.dumps(holder | {"time": time.time()} | changes).encode()


def refresh(lease: Path, released: threading.Event) -> None:
    """Be a holder elsewhere, whose clock is far behind."""
    for beat in itertools.count():
        lease.write_bytes(held_by(host="elsewhere", namespace="another", pid=7, time=beat))
        if released.wait(0.02):
            return


def hold(path: Path) -> None:
    with one_writer(path, "demo"):
        pass


def test_second_writer_is_told_who_the_first_is(path: Path) -> None:
    with one_writer(path, "demo"), pytest.raises(SweepError, match=f"'demo' is being run by {THIS}"):
        hold(path)


def test_released_lock_is_free(path: Path) -> None:
    hold(path)
    hold(path)


ELSEWHERE = [
    pytest.param({"host": "elsewhere", "namespace": "another"}, id="another host"),
    pytest.param({"namespace": "another"}, id="a container on this host, with the same process id"),
    pytest.param({"namespace": None}, id="a place that does not know where it is"),
]


@pytest.mark.parametrize("holder", ELSEWHERE)
def test_lease_that_is_not_seen_to_change_is_stale_whatever_its_clock_says(
    lease: Path, monkeypatch: pytest.MonkeyPatch, holder: dict[str, Any]
) -> None:
    monkeypatch.setattr(lock, "STALE_SECONDS", 0.1)
    lease.write_bytes(held_by(**holder, time=time.time() + 3600))
    said: list[str] = []
    with one_writer(lease.with_name(".lock"), "demo", said.append):
        assert json.loads(lease.read_bytes())["token"] != "other"
    assert len(said) == 1
    assert said[0].startswith("looking for up to 0 seconds whether process")


def test_lease_of_an_earlier_version_is_judged_by_seeing_it_change(
    lease: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "STALE_SECONDS", 0.1)
    earlier = {"pid": os.getpid(), "host": socket.gethostname(), "token": "other", "time": time.time()}
    lease.write_bytes(json.dumps(earlier).encode())
    hold(lease.with_name(".lock"))


def test_lease_that_is_seen_to_change_holds_whatever_its_clock_says(lease: Path) -> None:
    released = threading.Event()
    holder = threading.Thread(target=refresh, args=(lease, released))
    holder.start()
    try:
        with pytest.raises(SweepError, match="process 7 on elsewhere"):
            hold(lease.with_name(".lock"))
    finally:
        released.set()
        holder.join()


def test_lease_that_is_given_back_meanwhile_is_free(lease: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lease.write_bytes(held_by(namespace="another"))
    monkeypatch.setattr(lock.time, "sleep", lambda _: lease.unlink(missing_ok=True) if is_others(lease) else None)
    hold(lease.with_name(".lock"))


def is_others(lease: Path) -> bool:
    return b'"other"' in lease.read_bytes()


@pytest.mark.parametrize(
    "holder",
    [
        pytest.param({"pid": 2**22 + 1}, id="larger than any process id"),
        pytest.param({"started": 1}, id="its process id was given to another process"),
    ],
)
def test_lease_of_a_process_that_is_gone_is_stale_at_once(lease: Path, holder: dict[str, Any]) -> None:
    lease.write_bytes(held_by(**holder))
    hold(lease.with_name(".lock"))


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"pid": 7}'])
def test_damaged_lease_is_as_good_as_absent(lease: Path, content: bytes) -> None:
    lease.write_bytes(content)
    lock.refuse_if_held(lease.with_name(".lock"), "demo")
    hold(lease.with_name(".lock"))
    assert not lease.exists()


def test_processes_of_another_namespace_are_not_mistaken_for_those_here(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lock._namespace() is not None
    monkeypatch.setattr(os, "getpid", lambda: 1)  # as in a namespace of its own that sees the /proc of all
    assert lock._namespace() is None


def test_held_lock_is_refused_before_it_is_asked_for(path: Path) -> None:
    lock.refuse_if_held(path, "demo")
    with one_writer(path, "demo"), pytest.raises(SweepError, match=f"'demo' is being run by {THIS}"):
        lock.refuse_if_held(path, "demo")
    lock.refuse_if_held(path, "demo")


def test_of_two_that_take_a_lease_at_once_one_has_it(lease: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock.time, "sleep", lambda _: lease.write_bytes(held_by(pid=7)))  # the other wrote last
    with pytest.raises(SweepError, match="process 7"):
        hold(lease.with_name(".lock"))
    assert json.loads(lease.read_bytes())["pid"] == 7


def test_holder_learns_that_its_lease_was_taken_over(lease: Path) -> None:
    with one_writer(lease.with_name(".lock"), "demo") as held:
        held.check()
        lease.write_bytes(held_by(host="elsewhere", pid=7))
        while held.lost is None:
            time.sleep(0.01)
        with pytest.raises(SweepError, match="taken over by process 7 on elsewhere"):
            held.check()
    assert json.loads(lease.read_bytes())["pid"] == 7


def test_lease_is_refreshed(lease: Path) -> None:
    with one_writer(lease.with_name(".lock"), "demo"):
        first = json.loads(lease.read_bytes())["time"]
        while json.loads(lease.read_bytes())["time"] == first:
            time.sleep(0.01)
