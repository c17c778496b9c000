"""Which trials a store has, as a sweep's directory remembers it: what is not among them waits to be delivered."""

import json
import threading
from contextlib import suppress
from pathlib import Path

from smartmixed_search.search.keeping.log import Log, read_lines


class Deliveries:
    """The trials that were delivered to one store.

    They only count what waits while the store is away: a store that is there knows better which trials it has. So an
    entry that could not be written, on a full disk say, is not a loss.

    Args:
        path: of the log; its folder exists.
        store: identity of the store; deliveries to another one do not count.
    """

    def __init__(self, path: Path, store: str) -> None:
        self._path = path
        self._store = store
        self._lock = threading.Lock()
        self._log: Log | None = None
        self._closed = False
        self._keys: set[str] = set()
        with suppress(Exception):  # of whatever storage
            self._keys = {key for key, store in map(_parse, read_lines(path)) if store == self._store}

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def add(self, key: str) -> None:
        """Remember that the store has a trial; without effect after `close`."""
        with self._lock:
            if key in self._keys or self._closed:
                return
            self._keys.add(key)
            with suppress(Exception):  # of whatever storage
                self._log = self._log or Log(self._path, durable=False)
                self._log.append({"key": key, "store": self._store})

    def close(self) -> None:
        """Write nothing more: the next one to hold the sweep may."""
        with self._lock:
            self._closed = True
            if self._log is not None:
                self._log.close()
                self._log = None


def _parse(line: bytes) -> tuple[str, str]:
    try:
        entry = json.loads(line)
        return entry["key"], entry["store"]
    except (ValueError, KeyError, TypeError):  # not durable: the machine may have died at it
        return "", ""
