import errno
import fcntl
import json
import os
import socket
import time
from pathlib import Path
from typing import Any, cast

import fsspec
import pytest
from upath import UPath

from smartmixed_search.errors import SweepError
from smartmixed_search.search import lock
from smartmixed_search.search.lock import one_writer

THIS = f"process {os.getpid()} on {socket.gethostname()}"


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "REFRESH_SECONDS", 0.02)
    monkeypatch.setattr(lock, "_SETTLE_SECONDS", 0.05)


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
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "token": "other", "time": time.time()}
    return json.dumps(holder | changes).encode()


def hold(path: Path) -> None:
    with one_writer(path, "demo"):
        pass


def test_second_writer_is_told_who_the_first_is(path):
    with one_writer(path, "demo"), pytest.raises(SweepError, match=f"'demo' is being run by {THIS}"):
        hold(path)


def test_released_lock_is_free(path):
    hold(path)
    hold(path)


def test_lease_that_was_not_refreshed_is_stale(lease):
    lease.write_bytes(held_by(host="elsewhere", time=time.time() - lock.STALE_SECONDS - 1))
    hold(lease.with_name(".lock"))


def test_lease_of_another_host_holds_while_it_is_fresh(lease):
    lease.write_bytes(held_by(host="elsewhere", pid=7))
    with pytest.raises(SweepError, match="process 7 on elsewhere"):
        hold(lease.with_name(".lock"))


def test_lease_of_a_process_that_is_gone_is_stale_at_once(lease):
    lease.write_bytes(held_by(pid=2**22 + 1))  # larger than any process id
    hold(lease.with_name(".lock"))


def test_of_two_that_take_a_lease_at_once_one_has_it(lease, monkeypatch):
    monkeypatch.setattr(lock.time, "sleep", lambda _: lease.write_bytes(held_by(pid=7)))  # the other wrote last
    with pytest.raises(SweepError, match="process 7"):
        hold(lease.with_name(".lock"))
    assert json.loads(lease.read_bytes())["pid"] == 7


def test_holder_learns_that_its_lease_was_taken_over(lease):
    with one_writer(lease.with_name(".lock"), "demo") as held:
        held.check()
        lease.write_bytes(held_by(host="elsewhere", pid=7))
        while held.lost is None:
            time.sleep(0.01)
        with pytest.raises(SweepError, match="taken over by process 7 on elsewhere"):
            held.check()
    assert json.loads(lease.read_bytes())["pid"] == 7


def test_lease_is_refreshed(lease):
    with one_writer(lease.with_name(".lock"), "demo"):
        first = json.loads(lease.read_bytes())["time"]
        while json.loads(lease.read_bytes())["time"] == first:
            time.sleep(0.01)
