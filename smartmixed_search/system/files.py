"""Files: on a disk or on shared storage that fsspec knows, and written so that a crash leaves them whole or absent."""

import errno
import os
import shutil
from pathlib import Path
from typing import Any, cast

from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import in_short

_TEMPORARY = ".tmp"
_GONE = (errno.EROFS, errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENOTCONN)
"""What a disk says that has become read-only, broken, or is no longer there."""


def locate(where: str | Path) -> Path:
    """Return the path of a file or folder: absolute if it is on a disk, otherwise an object with a path's methods.

    Such an object is universal_pathlib's; whatever happens to files that may be elsewhere uses what the two share.

    Args:
        where: a path, or a URI such as `s3://bucket/runs`.

    Raises:
        ConfigError: no such storage is known, or the package that knows it is not installed.

    Example:
        >>> locate("file:///tmp/runs")
        PosixPath('/tmp/runs')
    """
    if "://" not in str(where):
        return Path(where).absolute()
    from upath import UPath

    try:
        path = UPath(where)
        protocol = path.fs.protocol
    except (ImportError, ValueError) as error:
        raise ConfigError(
            f"a URI must be of storage that fsspec knows, but got {str(where)!r} ({in_short(error, kind=False)})"
        ) from error
    return Path(path.path).absolute() if {"file", "local"} & {protocol, *protocol} else cast(Path, path)


def is_local(path: Path) -> bool:
    """Whether a path is on a disk of this machine, or mounted like one."""
    return isinstance(path, Path)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file's content in one step: a reader, or a crash, finds the old content or the new, never a part."""
    data = content.encode() if isinstance(content, str) else content
    if not is_local(path):
        path.write_bytes(data)  # object stores know no other way
        return
    temporary = temporary_for(path)
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def check_place(path: Path, what: str) -> None:
    """Make sure, before the work, that its outcome can be written: a file, in a folder of this machine.

    Args:
        path: of the file; an older one may be there.
        what: names the path to the user.

    Raises:
        ConfigError: the folder is missing or takes no file, or something else than a file is there.
    """
    if path.exists() and not path.is_file():
        raise ConfigError(f"{what} must be a file, but {str(path)!r} is not one")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise ConfigError(f"{what} must be in a folder that exists, but got {str(path)!r}")
    from tempfile import TemporaryFile  # every command line's start would bring all of hashlib along

    try:
        with TemporaryFile(dir=folder):  # permissions alone do not tell: of a disk that may only be read, say
            pass
    except OSError as error:
        raise ConfigError(
            f"{what} must be in a folder that takes files, but got {str(path)!r} ({error.strerror})"
        ) from error


def temporary_for(path: Path) -> Path:
    """Return a new name beside a path; no other process has it, on this host or another, in a container or not."""
    return path.with_name(f".{path.name}.{os.urandom(8).hex()}{_TEMPORARY}")


def remove_temporaries(folder: Path) -> None:
    """Remove what writers that were killed have left in a folder, which nobody writes to now."""
    if is_local(folder):
        for left in folder.glob(f".*{_TEMPORARY}"):
            left.unlink(missing_ok=True)


def sync_directory(path: Path) -> None:
    """Make names created in a directory of a disk durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_bytes(path: Path) -> bytes | None:
    """Return a file's content; None if there is none.

    To ask first whether it exists would be slower, and would leave a gap for another process.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def remove(folder: Path) -> None:
    """Remove a folder and whatever is in it, if it is there."""
    if is_local(folder):
        shutil.rmtree(folder, ignore_errors=True)
    elif folder.exists():
        storage: Any = folder
        storage.fs.rm(storage.path, recursive=True)


def not_writable(folder: Path, error: OSError) -> str:
    """Return what the user is told where a sweep cannot be written."""
    return (
        f"cannot write to the output directory {folder} ({error.strerror}); "
        "see to it and run the same command again, or give another one"
    )


def is_full(error: BaseException) -> bool:
    """Whether an error says that there is no room on a disk."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def is_gone(error: BaseException) -> bool:
    """Whether an error says that a disk takes nothing any more, whoever writes."""
    return isinstance(error, OSError) and error.errno in _GONE
