import errno
import os
from pathlib import Path
from typing import cast

import fsspec
import pytest
from upath import UPath

from smartmixed_search.search.keeping.log import Log, read_lines


@pytest.fixture(params=["disk", "objects"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Of a log, on a disk or on storage that cannot append."""
    if request.param == "disk":
        return tmp_path / "log"
    fsspec.filesystem("memory").store.clear()
    return cast(Path, UPath("memory://sweep/log"))


def numbers(path: Path) -> list[bytes]:
    return list(read_lines(path))


def test_log_that_is_not_there_has_no_lines(path: Path) -> None:
    assert numbers(path) == []


def test_reopened_log_goes_on_where_it_ended(path: Path) -> None:
    for start in (0, 150, 199, 200, 201):
        with Log(path) as log:
            assert len(log.lines) == start
            for number in range(start, {0: 150, 150: 199, 199: 200, 200: 201, 201: 500}[start]):
                log.append({"n": number})
    assert numbers(path) == [b'{"n": %d}' % number for number in range(500)]


def test_every_line_is_there_when_append_returns(path: Path) -> None:
    with Log(path) as log:
        for number in range(3):
            log.append({"n": number})
            assert len(numbers(path)) == number + 1


def test_torn_last_line_is_left_out_and_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'{"n": 0}\n{"n": 1, "long": "torn in the mid')
    assert numbers(path) == [b'{"n": 0}']
    with Log(path) as log:
        log.append({"n": 1})
    assert path.read_bytes() == b'{"n": 0}\n{"n": 1}\n'


def test_disk_that_fills_up_inside_a_line_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, pwrite = tmp_path / "log", os.pwrite

    def short(descriptor: int, data: bytes, offset: int) -> int:
        if len(data) < 6:
            raise OSError(errno.ENOSPC, "full")
        return pwrite(descriptor, data[:6], offset)

    with Log(path) as log:
        log.append({"n": 0})
        monkeypatch.setattr(os, "pwrite", short)
        with pytest.raises(OSError, match="full"):
            log.append({"n": 1})
        assert path.read_bytes() == b'{"n": 0}\n'
        monkeypatch.undo()
        log.append({"n": 2})
    assert numbers(path) == [b'{"n": 0}', b'{"n": 2}']


def test_write_that_fails_on_an_object_store_is_not_made_up_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec.filesystem("memory").store.clear()
    path = cast(Path, UPath("memory://sweep/log"))
    with Log(path) as log:
        log.append({"n": 0})
        with monkeypatch.context() as patch:
            patch.setattr(type(path), "write_bytes", lambda *_: (_ for _ in ()).throw(OSError("away")))
            with pytest.raises(OSError, match="away"):
                log.append({"n": 1})
        log.append({"n": 2})
    assert numbers(path) == [b'{"n": 0}', b'{"n": 2}']
