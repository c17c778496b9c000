"""A log: JSON objects, one a line, only ever appended; what has been appended survives a crash of the writer."""

import json
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from smartmixed_search.system.files import is_local, read_bytes, sync_directory

_CHUNK = 100
"""Lines of one object of a log on storage that cannot append: this much is written again with every line."""


class Log:
    """A log that is open for its one writer; a context manager that closes it.

    On a disk a line is appended to the file and made durable. Object stores cannot append: there the log is a row of
    objects, `PATH.00000` and so on, and the last of them is written again with every line.

    Args:
        path: of the file; its folder exists.
        durable: whether `append` returns only once the line is on the disk.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.lines = list(read_lines(path))
        """What the log held when it was opened."""
        self._writer: _Writer = _File(path, durable) if is_local(path) else _Chunks(path, self.lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, entry: dict[str, Any]) -> None:
        """Append one object."""
        self._writer.append(json.dumps(entry).encode() + b"\n")

    def close(self) -> None:
        """Close the log; what is in it stays."""
        self._writer.close()


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a log, which another process may be writing; none if there is no log.

    A torn last line, inside which the writer was killed, is left out: nobody has acted on it.
    """
    for content in _contents(path):
        yield from content[: _whole(content)].splitlines()


def _contents(path: Path) -> Iterator[bytes]:
    for number in range(1) if is_local(path) else count():
        content = read_bytes(path if is_local(path) else _chunk(path, number))
        if content is None:
            return
        yield content


def _whole(content: bytes) -> int:
    return content.rfind(b"\n") + 1


def _chunk(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number:05d}")


class _Writer(Protocol):
    def append(self, line: bytes) -> None: ...

    def close(self) -> None: ...


class _File:
    """Writes without a buffer: what a full disk did not take must not be tried again at the end."""

    def __init__(self, path: Path, durable: bool) -> None:
        self._durable = durable
        self._length = _whole(read_bytes(path) or b"")
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        os.ftruncate(self._descriptor, self._length)
        sync_directory(path.parent)

    def append(self, line: bytes) -> None:
        written = 0
        try:
            while written < len(line):
                written += os.pwrite(self._descriptor, line[written:], self._length + written)
            if self._durable:
                os.fsync(self._descriptor)
        except BaseException:  # Ctrl-C in the middle, say
            os.ftruncate(self._descriptor, self._length)
            raise
        self._length += written

    def close(self) -> None:
        os.close(self._descriptor)


class _Chunks:
    def __init__(self, path: Path, lines: list[bytes]) -> None:
        self._path = path
        self._number, last = divmod(len(lines), _CHUNK)
        self._lines = [line + b"\n" for line in lines[len(lines) - last :]]

    def append(self, line: bytes) -> None:
        lines = [*self._lines, line]
        _chunk(self._path, self._number).write_bytes(b"".join(lines))
        full = len(lines) == _CHUNK
        self._number, self._lines = (self._number + 1, []) if full else (self._number, lines)

    def close(self) -> None:
        pass
