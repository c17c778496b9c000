"""What a sweep came to, for a caller and in words."""

import html
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from smartmixed_search.errors.messages import are, counted
from smartmixed_search.search.keeping.directory import SweepDirectory
from smartmixed_search.search.keeping.events import Settled, best_of
from smartmixed_search.search.proposing.queue import EXHAUSTED_AFTER, TrialQueue
from smartmixed_search.tracking.store.uris import shown
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.convergence import CONVERGED_CONFIDENCE, UNDECIDED, count_unconverged
from smartmixed_search.trials.records import FAILED, FINISHED, SETTLED, STOPPED

_REASONS_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class BestTrial:
    """The finished trial of highest validation objective."""

    number: int
    key: str
    objective: float
    config: TrialConfig


@dataclass(frozen=True, kw_only=True)
class SweepSummary:
    """How a sweep or confirmation stands at the end of `run_sweep` or `confirm_sweep`."""

    name: str
    directory: Path
    tracking_uri: str = field(repr=False)
    """May hold a password."""
    trials: int
    """Distinct trials that were asked for."""
    settled: dict[str, int]
    """Number of settled trials by status: `finished`, `failed`, `stopped`."""
    best: BestTrial | None
    """The finished trial of highest validation objective."""
    failures: dict[str, str]
    """Why trials failed, by key."""
    unconverged: int
    """Finished trials whose mean choice confidence is below 0.5."""
    exhausted: bool
    """Whether the space held fewer trials than were asked for."""
    interrupted: bool
    """Whether the user stopped the sweep."""
    undelivered: int
    """Settled trials that MLflow does not have yet."""
    confirms: str | None = None
    """Name of the sweep that was confirmed, if this was a confirmation."""
    lost: int = 0
    """Those trials that MLflow does not have because their results are gone or damaged."""

    @property
    def complete(self) -> bool:
        """Whether nothing is left to run."""
        return self.exhausted or sum(self.settled.values()) >= self.trials

    def messages(self) -> list[str]:
        """Return what a user should know, a line each."""
        lines = []
        if self.exhausted:
            lines.append(f"space exhausted: the last {EXHAUSTED_AFTER} proposals were trials this sweep has already")
        if self.failures:
            lines.append(f"{len(self.failures)} of {counted(self.trials, 'trial')} failed:")
            counts = Counter(self.failures.values()).most_common()
            lines += [f"  {count} × {reason}" for reason, count in counts[:_REASONS_SHOWN]]
            lines += [f"  … and {len(counts) - _REASONS_SHOWN} further reasons"] if len(counts) > _REASONS_SHOWN else []
            lines.append("  the same command with --retry-failed tries them again")
        if self.unconverged:
            lines.append(
                f"selection has not converged in {self.unconverged} of "
                f"{counted(self.settled[FINISHED], 'finished trial')} "
                f"(mean choice confidence below {CONVERGED_CONFIDENCE}): {UNDECIDED}; "
                "more steps (epochs, phase_fraction, a smaller batch_size) or a higher logit_learning_rate help"
            )
        if self.settled[STOPPED]:
            lines.append(
                f"{self.settled[STOPPED]} of {counted(self.trials, 'trial')} stopped early: what was stopped is in no "
                "leaderboard, and those that finished are a selected sample"
            )
        if self.undelivered > self.lost:
            waiting = self.undelivered - self.lost
            trials = f"{counted(waiting, 'trial')} {are(waiting)}"
            lines.append(f"{trials} not in MLflow yet: `smartmixed-search sync` delivers what is missing")
        if self.lost:
            lines.append(
                f"{counted(self.lost, 'finished trial')} {are(self.lost)} not in MLflow, because results are gone or "
                "damaged: run the same command again to train what is missing again"
            )
        if self.interrupted:
            lines.append(
                f"interrupted with {sum(self.settled.values())} of {counted(self.trials, 'trial')} settled: "
                "run the same command again to continue"
            )
        return lines

    def _repr_html_(self) -> str:
        rows = {"sweep": self.name, "tracking store": shown(self.tracking_uri), "trials": str(self.trials)}
        rows |= {status: str(number) for status, number in self.settled.items()}
        if self.best is not None:
            rows["best trial"] = f"{self.best.key}, objective {self.best.objective:+z.4f}"
        cells = "".join(f"<tr><th>{name}</th><td>{html.escape(value)}</td></tr>" for name, value in rows.items())
        notes = "".join(f"<p>{html.escape(line)}</p>" for line in self.messages())
        return f"<table>{cells}</table>{notes}"


def summarize(
    queue: TrialQueue,
    directory: SweepDirectory,
    tracking_uri: str,
    undelivered: int,
    *,
    lost: int,
    interrupted: bool,
    confirms: str | None = None,
) -> SweepSummary:
    """Sum up the ledger."""
    settled = queue.ledger.settled.values()
    best = best_of(settled)
    counts = Counter(one.status for one in settled)
    return SweepSummary(
        name=directory.name,
        directory=directory.path,
        tracking_uri=tracking_uri,
        trials=queue.trials,
        settled={status: counts[status] for status in SETTLED},
        best=None if best is None else _best_trial(queue, best),
        failures={one.key: one.reason or "" for one in settled if one.status == FAILED},
        unconverged=count_unconverged(one.confidence for one in settled),
        exhausted=queue.exhausted,
        interrupted=interrupted,
        undelivered=undelivered,
        lost=lost,
        confirms=confirms,
    )


def _best_trial(queue: TrialQueue, best: Settled) -> BestTrial:
    assert best.objective is not None
    config = queue.proposal(best.number).config
    return BestTrial(number=best.number, key=best.key, objective=best.objective, config=config)
