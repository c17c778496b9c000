"""A sweep's directory: where its files are, whose space it holds, and which process may write to it."""

import fcntl
import hashlib
import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from smartmixed_search.datasets import Dataset
from smartmixed_search.errors import SweepError
from smartmixed_search.result import TrialResult
from smartmixed_search.search.files import write_atomically
from smartmixed_search.space import SearchSpace

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TAKEN = {"mlflow.db", "mlartifacts"}
_IDENTITY = {"seed": "seed", "dataset": "dataset", "hash": "space"}


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What makes a sweep the sweep it is; equal on every re-entry."""

    name: str
    hash: str
    """Hash of the resolved space."""
    seed: int
    dataset: dict[str, str]
    """The dataset's `name` and `checksum`."""
    space: dict[str, Any]
    """The resolved space as a plain dict."""

    @classmethod
    def of(cls, name: str, space: SearchSpace, dataset: Dataset) -> Self:
        """Return what a sweep of a space over a dataset is."""
        return cls(
            name=name,
            hash=space.hash,
            seed=space.seed,
            dataset={"name": dataset.name, "checksum": dataset.checksum},
            space=space.to_dict(),
        )

    @property
    def key(self) -> str:
        """Identity of the sweep whatever its name: hash of space, seed and data, 16 hex digits."""
        identity = [self.hash, self.seed, self.dataset]
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Return the content of `resolved.json`, but for its date."""
        return asdict(self)


@dataclass(frozen=True)
class TrialDirectory:
    """The files of one trial."""

    path: Path

    @property
    def result(self) -> Path:
        """The trial's result; where it exists, the trial is trained."""
        return self.path / "result.json"

    @property
    def weights(self) -> Path:
        """SmartMixed's frozen networks."""
        return self.path / "weights.safetensors"

    @property
    def error(self) -> Path:
        """Why the last attempt raised: the reason in the first line, then the traceback."""
        return self.path / "error.txt"

    @property
    def delivered(self) -> Path:
        """Marks that MLflow has the trial."""
        return self.path / "delivered"

    def load_result(self) -> TrialResult | None:
        """Read the trial's result, if it is trained."""
        if not self.result.exists():
            return None
        return TrialResult.from_dict(json.loads(self.result.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class SweepDirectory:
    """The files of one sweep. Every path is absolute, so that workers may run anywhere."""

    path: Path

    @classmethod
    def of(cls, output_dir: Path, name: str) -> Self:
        """Return the directory of the sweep of that name.

        Raises:
            SweepError: the name cannot be that of a sweep.
        """
        if not _NAME.fullmatch(name) or name in _TAKEN:
            raise SweepError(
                "a sweep's name must be up to 100 letters, digits, '.', '_' and '-', starting with a letter or digit, "
                f"and none of {', '.join(sorted(_TAKEN))}, however: {name!r}"
            )
        return cls(output_dir.absolute() / name)

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
    def ledger(self) -> Path:
        """Which trials exist and how they ended."""
        return self.path / "ledger.jsonl"

    @property
    def study(self) -> Path:
        """Optuna's journal, derived from the ledger."""
        return self.path / "study.journal"

    @property
    def trials(self) -> Path:
        """Holds one directory for every trial, named by its key."""
        return self.path / "trials"

    def trial(self, key: str) -> "TrialDirectory":
        """Return the directory of the trial of that key."""
        return TrialDirectory(self.trials / key)

    @property
    def scratch(self) -> Path:
        """Ray Tune's own files, which nothing reads."""
        return self.path / "ray"

    def check(self, wanted: Resolved) -> None:
        """Make sure that the directory is free or holds the very same sweep; writes nothing.

        Raises:
            SweepError: it holds another sweep, or something that is no sweep.
        """
        if self.resolved.exists():
            self._compare(json.loads(self.resolved.read_text(encoding="utf-8")), wanted.to_dict())
        elif self.path.exists() and any(not item.name.startswith(".") for item in self.path.iterdir()):
            raise SweepError(
                f"a sweep's directory must be new or hold a sweep, however: {str(self.path)!r} holds other files; "
                "choose another --name"
            )

    def _compare(self, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
        for field, what in _IDENTITY.items():
            if found[field] != wanted[field]:
                raise SweepError(
                    f"a sweep that is continued must keep its {what}, however: {self.name!r} has "
                    f"{_short(found[field])}, not {_short(wanted[field])}; choose another --name"
                )

    @contextmanager
    def claim(self, wanted: Resolved, space_yaml: str) -> Iterator[None]:
        """Make the directory, or re-enter it, and be its only writer until the context ends.

        Raises:
            SweepError: another process is writing, or the directory holds another sweep.
        """
        self.check(wanted)
        self.path.mkdir(parents=True, exist_ok=True)
        with _lock(self.path / ".lock", self.name):
            self.check(wanted)
            if not self.resolved.exists():
                created = datetime.now(UTC).isoformat(timespec="seconds")
                write_atomically(self.resolved, json.dumps(wanted.to_dict() | {"created": created}, indent=1) + "\n")
            if not self.space.exists():
                write_atomically(self.space, space_yaml)
            self.trials.mkdir(exist_ok=True)
            yield


def _short(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{value['name']} ({value['checksum']})"
    return str(value)[:12]


@contextmanager
def _lock(path: Path, sweep: str) -> Iterator[None]:
    """Hold a lock that ends with this process, however it ends, so that it is never stale."""
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise SweepError(
                f"a sweep must have one writer, however: {sweep!r} is being run by {file.read().strip() or 'another'}; "
                "wait for it, stop it, or choose another --name"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield
