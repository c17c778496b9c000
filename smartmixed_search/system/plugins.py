"""Plugins: modules of the user's own that register activation functions. To import one is to run it.

A space imports the plugins that it names. A configuration imports nothing, and nothing else that is read does: a record
of a sweep may be a stranger's, so what it names must have been imported already, by whoever trusts it.
"""

import importlib
import importlib.machinery
import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import in_short

_log = logging.getLogger(__name__)

_confirmed: set[str] = set()
"""The modules whose code somebody has asked for; that one is imported says nothing, for `subprocess` is too."""


def import_plugins(names: Iterable[str], folder: str | None = None) -> None:
    """Import modules; each is logged, with where it lies, before it is run.

    Args:
        names: of the modules.
        folder: where a module is looked for that is found nowhere else; default: the current folder.

    Raises:
        ConfigError: a module cannot be imported.
    """
    for name in names:
        confirm(name)
        if is_imported(name):
            continue
        try:
            with _last_on_path(folder or current_folder()):
                _log.info("importing plugin %r%s", name, _from_where(name))
                importlib.import_module(name)
        except (Exception, SystemExit) as error:  # a plugin is the user's code: whatever it raises is theirs to mend
            raise ConfigError(f"a plugin must be an importable module, but got {name!r} ({in_short(error)})") from error


def require_plugins(names: Iterable[str]) -> None:
    """Make sure that the plugins which a record names have been imported by whoever reads it.

    Raises:
        ConfigError: one has not.
    """
    missing = [name for name in names if not is_imported(name)]
    if missing:
        raise ConfigError(
            f"the record names plugins that you have not confirmed, and importing one runs it: {', '.join(missing)}; "
            f"if you trust them, give {' '.join(f'--plugin {name}' for name in missing)} (in Python: plugins={missing})"
        )


def confirm(name: str) -> None:
    """Take note that the functions of a module may be called, whoever's record names them."""
    _confirmed.add(name)


def require_confirmed(name: str) -> None:
    """Make sure that a module whose functions a record wants to have called was asked for by whoever reads it.

    Raises:
        ConfigError: it was not.
    """
    if name not in _confirmed or not is_imported(name):
        raise ConfigError(
            f"the network is made by {name}, which you have not confirmed, and making it runs it; if you trust it, "
            f"give --plugin {name} (in Python: sms.own of the function itself, or plugins=[{name!r}])"
        )


def is_imported(name: str) -> bool:
    """Whether a module has been imported."""
    return sys.modules.get(name) is not None


def current_folder() -> str | None:
    """Return the current folder, unless it has been deleted."""
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return None


@contextmanager
def _last_on_path(folder: str | None) -> Iterator[None]:
    """Look for modules in a folder, after all other places, for the length of the context."""
    if folder is None or folder in sys.path:
        yield
        return
    sys.path.append(folder)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(folder)


def _from_where(name: str) -> str:
    """Say where a module, or the package that it is in, would be imported from; nothing if that is not a file."""
    spec = importlib.machinery.PathFinder.find_spec(name.partition(".")[0])
    return f" from {spec.origin}" if spec and spec.origin else ""
