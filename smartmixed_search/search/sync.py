"""The later delivery of sweeps: what is settled and not in MLflow, brought there without running anything."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from smartmixed_search.errors import SweepError, one_of
from smartmixed_search.files import locate
from smartmixed_search.search.directory import SweepDirectory
from smartmixed_search.search.ledger import Ledger
from smartmixed_search.search.log import read_lines
from smartmixed_search.search.queue import EXHAUSTED_AFTER
from smartmixed_search.search.recorder import Recorder, check_name
from smartmixed_search.space_files import read_yaml


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
            f"there must be a sweep with trials to deliver, however: {str(locate(output_dir))!r} holds none; give the "
            "--output-dir it was run with"
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
        recorder = Recorder(directory, resolved, uri, say, running=False)
        recorder.follow(ledger.events)
        recorder.drain(lambda: True)
        problem = recorder.problem
        recorder.close(_outcome(directory, ledger))
    return Synced(
        settled=len(ledger.settled), delivered=recorder.delivered, missing=recorder.undelivered, problem=problem
    )


def _outcome(directory: SweepDirectory, ledger: Ledger) -> _Outcome:
    asked = int(read_yaml(directory.space.read_text(encoding="utf-8"))["trials"])
    enough = len(ledger.settled) >= asked or ledger.consecutive_duplicates >= EXHAUSTED_AFTER
    return _Outcome(trials=max(asked, len(ledger.settled)), complete=enough and not ledger.unfinished)
