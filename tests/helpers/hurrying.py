"""Stores without what takes time and makes no difference to a test: waiting for the disk, asking what is known."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache, partial
from typing import Any

import pytest

Sessions = Callable[..., AbstractContextManager[Any]]
_SETTINGS = ("foreign_keys = ON", "busy_timeout = 20000", "case_sensitive_like = true")
"""MLflow's own of SQLite, for each of its thousands of sessions; they last as long as the connection."""


@contextmanager
def unsynced() -> Iterator[None]:
    """Within the context nothing waits for the disk: no test's files need outlive a power cut."""
    from sqlalchemy import Engine, event

    def hurry(connection: Any, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        event.listen(Engine, "connect", hurry)
        yield
        event.remove(Engine, "connect", hurry)


@contextmanager
def remembering() -> Iterator[None]:
    """Within the context MLflow reads its schema's revisions once, and sets every connection up once."""
    from mlflow.store.db import utils

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "_get_latest_schema_revision", cache(utils._get_latest_schema_revision))
        patch.setattr(utils, "_get_managed_session_maker", partial(_sessions, utils._get_managed_session_maker))
        yield


def _sessions(make: Callable[..., Sessions], maker: object, db_type: str) -> Sessions:
    """Return what MLflow's `make` would, but for the settings."""
    if db_type != "sqlite":
        return make(maker, db_type)
    from sqlalchemy import text

    managed = make(maker, None)

    @contextmanager
    def session(read_only: bool = True) -> Iterator[Any]:
        with managed(read_only) as opened:
            known = opened.connection().info
            if "settings" not in known:
                known["settings"] = [opened.execute(text(f"PRAGMA {setting}")) for setting in _SETTINGS]
            yield opened

    return session
