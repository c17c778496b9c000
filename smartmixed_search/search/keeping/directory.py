"""A sweep's directory: where its files are, whose space it holds, and which process may write to it."""

import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from smartmixed_search.errors import SweepError
from smartmixed_search.search.keeping.lock import Lock, lock_path, one_writer
from smartmixed_search.search.keeping.resolved import Resolved
from smartmixed_search.search.keeping.trial_directory import TrialDirectory
from smartmixed_search.system.checksums import seal, unseal
from smartmixed_search.system.files import (
    is_full,
    is_gone,
    is_local,
    locate,
    not_writable,
    read_bytes,
    remove_temporaries,
    write_atomically,
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TAKEN = {"mlflow.db", "mlartifacts"}


@dataclass(frozen=True)
class SweepDirectory:
    """The files of one sweep. Every path is absolute or a URI's, so that workers may run anywhere."""

    path: Path

    @classmethod
    def of(cls, output_dir: str | Path, name: str) -> Self:
        """Return the directory of the sweep of that name.

        Raises:
            SweepError: the name cannot be that of a sweep.
        """
        if not _NAME.fullmatch(name) or name in _TAKEN:
            raise SweepError(
                "a sweep's name must be up to 100 letters, digits, '.', '_' and '-', starting with a letter or digit, "
                f"and not one of {', '.join(sorted(_TAKEN))}, but got {name!r}; choose another --name"
            )
        return cls(locate(output_dir) / name)

    @property
    def name(self) -> str:
        """The sweep's name."""
        return self.path.name

    @property
    def resolved(self) -> Path:
        """What the sweep is, written first and never changed."""
        return self.path / "resolved.json"

    @property
    def space(self) -> Path:
        """The resolved space, loadable again."""
        return self.path / "space.yaml"

    @property
    def environment(self) -> Path:
        """What the sweep's numbers may depend on beside space, seed and data."""
        return self.path / "environment.json"

    @property
    def ledger(self) -> Path:
        """Which trials exist and how they ended."""
        return self.path / "ledger.jsonl"

    @property
    def study(self) -> Path:
        """Optuna's journal, derived from the ledger."""
        return self.path / "study.journal"

    @property
    def deliveries(self) -> Path:
        """Which trials which MLflow store has; whatever else is settled waits to be delivered."""
        return self.path / "deliveries.jsonl"

    @property
    def stop(self) -> Path:
        """Asks the running trials to keep where they are, and to end."""
        return self.path / "stop"

    @property
    def trials(self) -> Path:
        """Holds one directory for every trial, named by its key."""
        return self.path / "trials"

    def trial(self, key: str) -> TrialDirectory:
        """Return the directory of the trial of that key."""
        return TrialDirectory(self.trials / key)

    @property
    def scratch(self) -> Path:
        """Ray Tune's own files, which nothing reads."""
        return self.path / "ray"

    def load_resolved(self) -> Resolved:
        """Read what the sweep is.

        Raises:
            SweepError: there is no sweep in this directory.
        """
        begun = self.begun
        if begun is None:
            raise SweepError(
                f"no sweep in {str(self.path)!r}; start one with smartmixed-search run SPACE --name {self.name}"
            )
        return begun

    @property
    def begun(self) -> Resolved | None:
        """What the sweep is, if there is one in this directory.

        Raises:
            SweepError: its description is damaged.
        """
        content = read_bytes(self.resolved)
        if content is None:
            return None
        with suppress(ValueError):
            found = unseal(content)
            if found.keys() >= {field.name for field in fields(Resolved) if field.default is MISSING}:
                return Resolved.from_dict(found)
        raise SweepError(f"{str(self.resolved)!r} is damaged; restore it from a copy, or choose another --name")

    def check(self, wanted: Resolved) -> None:
        """Make sure that the directory is free or holds the very same sweep; writes nothing.

        Raises:
            SweepError: it holds another sweep, or something that is not a sweep.
        """
        begun = self.begun
        if begun is not None:
            begun.require_same(wanted)
        elif (
            is_local(self.path) and self.path.exists() and any(not i.name.startswith(".") for i in self.path.iterdir())
        ):
            raise SweepError(
                f"a sweep's directory must be new or hold a sweep, but {str(self.path)!r} holds other files; "
                "choose another --name"
            )

    def unshared(self, host: str) -> str:
        """Return what the user is told where a node does not see this directory."""
        return (
            f"every node must see the output directory, but {host} finds no sweep in {self.path}; "
            "give a folder on a shared file system, or a URI such as s3://bucket/runs, as --output-dir"
        )

    def unusable(self, error: BaseException) -> str | None:
        """Return what the user is told if an error says that this directory takes nothing any more; None otherwise."""
        host = socket.gethostname()
        if is_full(error):
            return (
                f"{host} finds no room in the output directory {self.path}; make some, and run "
                "the same command again to continue"
            )
        if is_gone(error):
            return (
                f"{host} cannot write to the output directory {self.path} any more "
                f"({error}); see to it, and run the same command again to continue"
            )
        return None

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Say in one line what keeps this directory from being written.

        Raises:
            SweepError: that line.
        """
        try:
            yield
        except OSError as error:
            message = self.unusable(error)
            if message is None:
                raise
            raise SweepError(message) from error

    @property
    def lock(self) -> Path:
        """Says which process is writing."""
        return lock_path(self.path)

    def hold(self, say: Callable[[str], None] = lambda message: None) -> AbstractContextManager[Lock]:
        """Be the only writer of a sweep that exists, until the context ends.

        `say` shows the user what is being waited for.

        Raises:
            SweepError: another process is writing.
        """
        return one_writer(self.lock, self.name, say)

    @contextmanager
    def claim(
        self, wanted: Resolved, space_yaml: str, say: Callable[[str], None] = lambda message: None
    ) -> Iterator[Lock]:
        """Make the directory, or re-enter it, and be its only writer until the context ends: see `hold`.

        Raises:
            SweepError: another process is writing, or the directory holds another sweep.
        """
        self.check(wanted)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SweepError(not_writable(self.path, error)) from error
        with self.hold(say) as lock:
            self.check(wanted)
            remove_temporaries(self.path)
            if not self.resolved.exists():
                created = datetime.now(UTC).isoformat(timespec="seconds")
                resolved = seal(wanted.to_dict() | {"created": created})
                write_atomically(self.resolved, json.dumps(resolved, indent=1) + "\n")
            write_atomically(self.space, space_yaml)  # an extended sweep asks for more trials
            self.trials.mkdir(exist_ok=True)
            self.stop.unlink(missing_ok=True)
            yield lock
