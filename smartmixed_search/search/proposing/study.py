"""The sweep as an Optuna study in a file, for optuna-dashboard to look at; derived from the ledger, never read back.

The file has the format of Optuna's `JournalFileBackend`. Its one writer needs none of that backend's locks, and since
the file is written again from the ledger at every start, it need not be durable either.
"""

import json
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from smartmixed_search.search.keeping.events import Duplicate, Event, Proposed, Rung, Settled
from smartmixed_search.search.proposing.sampling import STATES, distributions, quiet_optuna
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.system.files import is_local, write_atomically
from smartmixed_search.trials.config import TrialConfig

_REWRITE_SECONDS = 30.0
"""How often a journal is written again where files cannot be appended to."""


class StudyView:
    """A study whose trials are the sweep's proposals, under their numbers.

    User attributes: `architecture`, `key`, and for a duplicate `duplicate_of`, the number of the original, whose
    state and value it shares.

    Args:
        path: of the journal file.
        name: of the study.
        space: whose proposals they are.
    """

    def __init__(self, path: Path, name: str, space: SearchSpace) -> None:
        self._path = path
        self._space = space
        self._journal = _Journal()
        self._storage = JournalStorage(self._journal)
        with quiet_optuna():
            self._study = self._storage.create_new_study([StudyDirection.MAXIMIZE], name)
        self._seen = 0
        self._written = 0
        self._rewritten_at = 0.0
        self._settled: dict[int, Settled] = {}
        self._awaiting: defaultdict[int, list[int]] = defaultdict(list)

    def follow(self, events: Sequence[Event]) -> None:
        """Bring the study up to date with all events of the ledger so far; the first call writes its file again."""
        for event in events[self._seen :]:
            self._note(event)
        self._seen = len(events)
        if self._written and is_local(self._path):
            with self._path.open("a", encoding="utf-8") as file:
                file.write("".join(self._journal.lines[self._written :]))
            self._written = len(self._journal.lines)
        elif not self._written or time.monotonic() - self._rewritten_at > _REWRITE_SECONDS:
            self.close()

    def close(self) -> None:
        """Write the file again, unless it is up to date."""
        if self._written != len(self._journal.lines):
            write_atomically(self._path, "".join(self._journal.lines))
            self._written, self._rewritten_at = len(self._journal.lines), time.monotonic()

    def _note(self, event: Event) -> None:
        match event:
            case Proposed():
                self._add(event)
            case Duplicate():
                self._storage.set_trial_user_attr(self._trial(event.number), "duplicate_of", event.of)
                self._awaiting[event.of].append(event.number)
            case Rung():
                trial = self._trial(event.number)
                self._storage.set_trial_intermediate_value(trial, event.epochs, event.margin)
            case Settled():
                self._settled[event.number] = event
                self._end(event.number, event)
        for original in [number for number in self._awaiting if number in self._settled]:
            for number in self._awaiting.pop(original):
                self._end(number, self._settled[original])

    def _add(self, event: Proposed) -> None:
        config = TrialConfig.from_dict(event.config)
        trial = create_trial(
            state=TrialState.RUNNING,
            params=event.params,
            distributions=distributions(self._space, event.params),
            user_attrs={"architecture": event.config["architecture"], "key": config.key},
        )
        created = self._storage.create_new_trial(self._study, trial)
        assert self._storage.get_trial_number_from_id(created) == event.number, "proposals are numbered without gaps"

    def _end(self, number: int, settled: Settled) -> None:
        values = None if settled.objective is None else [settled.objective]
        self._storage.set_trial_state_values(self._trial(number), STATES[settled.status], values)

    def _trial(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study, number)


class _Journal(BaseJournalBackend):
    """Optuna's journal in memory, line by line as its file has them."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines[log_number_from:]]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self.lines += [json.dumps(log, separators=(",", ":")) + "\n" for log in logs]
