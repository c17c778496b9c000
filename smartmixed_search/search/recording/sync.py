"""The later delivery of sweeps: what is settled and not in MLflow, brought there without running anything."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from smartmixed_search.errors import ConfigError, SweepError
from smartmixed_search.errors.messages import counted, one_of
from smartmixed_search.search.keeping.directory import SweepDirectory
from smartmixed_search.search.keeping.ledger import Ledger
from smartmixed_search.search.keeping.log import read_lines
from smartmixed_search.search.keeping.resolved import Resolved
from smartmixed_search.search.proposing.queue import EXHAUSTED_AFTER
from smartmixed_search.search.recording.recorder import Recorder
from smartmixed_search.search.recording.sweep_store import check_name
from smartmixed_search.space.files import read_yaml
from smartmixed_search.space.keys import FREE
from smartmixed_search.system.files import locate, read_bytes, write_atomically


@dataclass(frozen=True, kw_only=True)
class Synced:
    """How a sweep stands in a store."""

    settled: int
    """Trials that have settled."""
    delivered: int
    """Trials that were delivered just now."""
    missing: int
    """Trials that the store still does not have."""
    problem: str | None
    """Why it does not, in one line."""


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    trials: int
    complete: bool


def find_sweeps(output_dir: str | Path, name: str | None = None) -> list[SweepDirectory]:
    """Return the sweeps under an output directory that have trials, by name: all of them, or the one of that name.

    Raises:
        SweepError: there is none, or none of that name.
    """
    if name is not None and _has_trials(named := SweepDirectory.of(output_dir, name)):
        return [named]
    found = [directory for directory in _directories(locate(output_dir)) if _has_trials(directory)]
    if not found:
        raise SweepError(
            f"no sweep with trials to deliver in {str(locate(output_dir))!r}; give the --output-dir it was run with"
        )
    if name is not None:
        raise SweepError(one_of("a sweep", name, (directory.name for directory in found)))
    return found


def _directories(output: Path) -> list[SweepDirectory]:
    try:
        names = sorted(path.name for path in output.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = []
    for name in names:
        try:
            found.append(SweepDirectory.of(output, name))
        except SweepError:  # the store's own files, and whatever else is there
            continue
    return found


def _has_trials(directory: SweepDirectory) -> bool:
    try:
        return any(True for _ in read_lines(directory.ledger))
    except NotADirectoryError:
        return False
    except OSError:  # which is said when it is to be delivered
        return True


def sync_sweep(directory: SweepDirectory, uri: str, say: Callable[[str], None]) -> Synced:
    """Deliver what a store does not have of a sweep, and record how the sweep stands.

    Args:
        directory: of a sweep whose only writer this process is (`directory.hold()`).
        uri: of a store that was prepared: the one the sweep was run with, or another one.
        say: shows the user how far it is.

    Raises:
        SweepError: the store has another sweep of that name, or the sweep's files are damaged.
        TrackingError: the store cannot be reached, or refuses.
    """
    resolved = directory.load_resolved()
    check_name(uri, resolved)
    with Ledger(directory.ledger) as ledger:
        asked = _trials_asked_for(directory, resolved, len(ledger.settled), say)
        recorder = Recorder(directory, resolved, uri, say, running=False)
        recorder.follow(ledger.events)
        recorder.drain(lambda: True)
        problem = _lost(recorder.lost) if recorder.lost else recorder.problem
        recorder.close(_outcome(asked, ledger))
    return Synced(
        settled=len(ledger.settled), delivered=recorder.delivered, missing=recorder.undelivered, problem=problem
    )


def _lost(keys: Sequence[str]) -> str:
    results = f"the results of {len(keys)} trials are" if len(keys) > 1 else f"the result of trial {keys[0]} is"
    return f"{results} gone or damaged: run the sweep's command again, which trains again what is lost"


def _trials_asked_for(directory: SweepDirectory, resolved: Resolved, settled: int, say: Callable[[str], None]) -> int:
    """Return what `space.yaml` says; one that is gone or damaged is written again."""
    content = read_bytes(directory.space) or b""
    with suppress(ConfigError, UnicodeDecodeError):
        found = read_yaml(content.decode())
        if isinstance(found, dict) and _is_of(found, resolved):
            return int(found["trials"])
    trials = max(int(resolved.space["trials"]), settled)
    say(f"{directory.space.name} is gone or damaged: it is written again, asking for {counted(trials, 'trial')}")
    space = {**resolved.space, "trials": trials}
    write_atomically(directory.space, yaml.safe_dump(space, sort_keys=False, allow_unicode=True))
    return trials


def _is_of(space: Mapping[str, Any], resolved: Resolved) -> bool:
    """Whether a space is the one that a sweep was begun with, except for what may change when it is continued."""
    trials = space.get("trials")
    if type(trials) is not int or trials < 1:
        return False
    fixed = resolved.space.keys() - {*FREE, "dataset"}  # a file may have moved
    return all(key in space and space[key] == resolved.space[key] for key in fixed)


def _outcome(asked: int, ledger: Ledger) -> _Outcome:
    enough = len(ledger.settled) >= asked or ledger.consecutive_duplicates >= EXHAUSTED_AFTER
    return _Outcome(trials=max(asked, len(ledger.settled)), complete=enough and not ledger.unfinished)
