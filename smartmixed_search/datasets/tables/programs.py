"""Tables as statistics programs save them: Stata, SPSS and R; what has labels is a category, by what the labels say."""

import importlib.util
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from smartmixed_search.datasets.tables.frames import read_frame
from smartmixed_search.datasets.tables.raw import RawTable
from smartmixed_search.errors import DatasetError
from smartmixed_search.errors.messages import in_short, show


def read_program(path: Path) -> RawTable:
    """Read a file of a statistics program.

    Raises:
        DatasetError: it cannot be read, holds nothing to read, or what reads it is not installed.
    """
    needed, read = _READERS[path.suffix.lower()]
    if importlib.util.find_spec(needed) is None:
        raise DatasetError(
            f"{path.suffix} files must have {needed} to be read, but it is not installed; "
            "pip install 'smartmixed-search[formats]'"
        )
    try:
        path.expanduser().open("rb").close()  # or each reader would tell otherwise what is not there
        frame = read(path.expanduser())
    except OSError as error:
        raise DatasetError(f"the table {str(path)!r} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # what a damaged file raises is the reader's choice
        raise DatasetError(f"the table {str(path)!r} cannot be read: {in_short(error, kind=False)}") from error
    if not isinstance(frame, pd.DataFrame):
        raise DatasetError(f"a file of R must hold one data frame, but {str(path)!r} holds {frame}; save it by saveRDS")
    return read_frame(frame, path.name)


def _of_rds(path: Path) -> Any:
    """Return the table; what is in its place, in words."""
    import rdata

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of R's classes, such as Date, that stay the numbers they are
        found = rdata.read_rds(path)
    return found if isinstance(found, pd.DataFrame) else f"a {type(found).__name__}"


def _of_rda(path: Path) -> Any:
    """Return the only table; if there are several or none, what there is, in words."""
    import rdata

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = rdata.read_rda(path)
    tables = [value for value in found.values() if isinstance(value, pd.DataFrame)]
    return tables[0] if len(tables) == 1 else ", ".join(map(show, found)) or "nothing"


_READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    ".dta": ("pandas", pd.read_stata),
    ".sav": ("pyreadstat", pd.read_spss),
    ".zsav": ("pyreadstat", pd.read_spss),
    ".rds": ("rdata", _of_rds),
    ".rda": ("rdata", _of_rda),
    ".rdata": ("rdata", _of_rda),
}
PROGRAMS = tuple(_READERS)
"""Endings of their files."""
