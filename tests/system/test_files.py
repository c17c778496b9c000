import errno
import os
from pathlib import Path
from typing import cast

import fsspec
import pytest
from upath import UPath

from smartmixed_search.errors import ConfigError
from smartmixed_search.system.files import (
    is_full,
    is_gone,
    is_local,
    locate,
    read_bytes,
    remove,
    remove_temporaries,
    temporary_for,
    write_atomically,
)


@pytest.fixture(params=["disk", "objects"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    fsspec.filesystem("memory").store.clear()
    return tmp_path if request.param == "disk" else cast(Path, UPath("memory://runs"))


def test_local_places_are_plain_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for where in ("runs", Path("runs"), f"file://{tmp_path}/runs", f"local://{tmp_path}/runs"):
        found = locate(where)
        assert found == tmp_path / "runs"
        assert type(found) is type(tmp_path)


def test_other_places_are_what_fsspec_knows() -> None:
    found = locate("memory://bucket/runs")
    assert not is_local(found)
    assert str(found / "demo") == "memory://bucket/runs/demo"
    assert locate(found) is not None
    assert not is_local(locate(found))


@pytest.mark.parametrize("uri", ["nowhere://bucket/runs", "http+nothing://x"])
def test_unknown_storage_is_refused(uri: str) -> None:
    with pytest.raises(ConfigError, match="a URI must be of storage that fsspec knows, but got "):
        locate(uri)


def test_content_is_replaced(folder: Path) -> None:
    for content in ("first", b"second"):
        write_atomically(folder / "file", content)
    assert read_bytes(folder / "file") == b"second"
    assert [item.name for item in folder.iterdir()] == ["file"]


def test_no_content_is_none(folder: Path) -> None:
    assert read_bytes(folder / "file") is None
    assert read_bytes(folder / "folder" / "file") is None


def test_failed_write_leaves_the_old_content_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomically(tmp_path / "file", "old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(OSError, match="full"):
        write_atomically(tmp_path / "file", "new")
    assert [item.read_text() for item in tmp_path.iterdir()] == ["old"]


def test_processes_of_equal_ids_do_not_share_a_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    assert temporary_for(path) != temporary_for(path)
    taken = temporary_for(path)
    taken.touch()
    monkeypatch.setattr("smartmixed_search.system.files.temporary_for", lambda _: taken)
    with pytest.raises(FileExistsError):
        write_atomically(path, "mine")


def test_what_killed_writers_left_is_removed(folder: Path) -> None:
    write_atomically(folder / "file", "kept")
    write_atomically(folder / ".hidden", "kept")
    if is_local(folder):
        temporary_for(folder / "file").write_text("half")
        (folder / ".file.4711.tmp").write_text("of an earlier version")
    remove_temporaries(folder)
    assert sorted(item.name for item in folder.iterdir()) == [".hidden", "file"]


def test_folder_is_removed_with_its_content(folder: Path) -> None:
    (folder / "state").mkdir()
    write_atomically(folder / "state" / "part", b"x")
    for _ in range(2):
        remove(folder / "state")
        assert read_bytes(folder / "state" / "part") is None


def test_full_disk_and_quota_are_told_apart_from_other_errors() -> None:
    assert is_full(OSError(errno.ENOSPC, "full"))
    assert is_full(OSError(errno.EDQUOT, "quota"))
    assert not is_full(OSError(errno.EACCES, "denied"))
    assert not is_full(ValueError("full"))


def test_disk_that_takes_nothing_any_more_is_told_apart_from_other_errors() -> None:
    assert is_gone(OSError(errno.EROFS, "read-only"))
    assert is_gone(OSError(errno.ESTALE, "stale"))
    assert not is_gone(OSError(errno.ENOSPC, "full"))
    assert not is_gone(OSError(errno.EACCES, "denied"))
