"""What is in the files of a folder, or of a zip."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from smartmixed_search.errors import DatasetError

ZIP = ".zip"


def is_zip(path: Path) -> bool:
    """Return whether a path is that of a zip, by its ending."""
    return path.suffix.lower() == ZIP


def read_files(path: Path, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Yield names of files of a folder or zip, and their contents.

    Raises:
        DatasetError: one cannot be read.
    """
    for name in names:
        try:
            yield name, _archive(path).read(name) if is_zip(path) else (path / name).read_bytes()
        except (OSError, BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:  # also of a locked zip
            raise DatasetError(f"{name} of {str(path)!r} cannot be read ({error}); replace it or remove it") from error


@lru_cache(maxsize=1)
def _archive(path: Path) -> ZipFile:
    """Open a zip once in a process: the list of its files takes a while to read."""
    return ZipFile(path)
