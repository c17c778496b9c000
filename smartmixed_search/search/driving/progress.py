"""The live progress line of a sweep, on stderr: how far it is, how well it does, how long it will take."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from smartmixed_search.errors.messages import concealed
from smartmixed_search.system.durations import in_words
from smartmixed_search.tasks.metric import ACCURACY, Metric

_REWRITE_SECONDS = 0.5
_LINE_SECONDS = 10.0
END_SECONDS = 15.0
"""For recording the last trial, registering the best networks, and the answer: 10 to 20 seconds on two cores."""
_CREDIBLE_SHARE = 0.5
"""Of a trial, over all that are running, from which on the time that is left is estimated."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a sweep stands."""

    total: int
    """Trials asked for."""
    settled: int
    """Trials that have ended, in this session or an earlier one; failed and stopped ones are among them."""
    failed: int
    stopped: int
    running: dict[int, float]
    """Share of its epochs that each running trial has done, by number."""
    best: tuple[float, str] | None
    """Highest validation objective so far, and the architecture that has it."""
    objectives: tuple[int, float]
    """Of how many trials it is the best, and their median: the best of many looks better than it is."""
    elapsed: float
    """Seconds of this session."""
    training: float
    """Seconds since a worker first reported an epoch; as `elapsed` until then."""
    settled_before: int
    """Trials that had ended when this session began."""

    @property
    def seconds_left(self) -> float | None:
        """Estimate until the last trial has ended, from what was done in this session; None while that is too little.

        How long workers took to start does not come again, and is left out.
        """
        partly = sum(self.running.values())
        settled = self.settled - self.settled_before
        if not settled and partly < _CREDIBLE_SHARE:
            return None
        done = settled + partly
        return max(0.0, self.total - self.settled - partly) * self.training / done


def format_progress(progress: Progress, objective: str, metric: Metric = ACCURACY) -> str:
    """Write a sweep's progress as one line; `objective` is `margin`, or `metric`: SmartMixed's value of it.

    Example:
        >>> half = Progress(total=8, settled=3, failed=0, stopped=0, running={3: 0.5, 4: 0.5}, best=(0.0125, "512-256"),
        ...                 objectives=(3, 0.002), elapsed=80.0, training=60.0,
        ...                 settled_before=0)
        >>> for part in format_progress(half, "margin").split(" · "):
        ...     print(part)
        3/8 settled
        2 running
        best of 3 on validation: margin +0.0125 (512-256), median +0.0020
        80 seconds elapsed
        about 75 seconds left
    """
    parts = [f"{progress.settled}/{progress.total} settled"]
    if progress.running:
        parts.append(f"{len(progress.running)} running")
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    if progress.stopped:
        parts.append(f"{progress.stopped} stopped early")
    if progress.best is not None:
        parts.append(_best(progress.best, *progress.objectives, None if objective == "margin" else metric))
    parts.append(f"{in_words(progress.elapsed)} elapsed")
    if progress.settled < progress.total and progress.seconds_left is not None:
        parts.append(f"about {in_words(progress.seconds_left + END_SECONDS)} left")
    return " · ".join(parts)


def _best(best: tuple[float, str], count: int, median: float, metric: Metric | None) -> str:
    def write(value: float) -> str:
        return f"{value:+z.4f}" if metric is None else f"{metric.oriented(value):.4f}"

    objective = "margin" if metric is None else metric.name
    of = f" of {count}" if count > 1 else ""
    beside = f", median {write(median)}" if count > 1 else ""
    return f"best{of} on validation: {objective} {write(best[0])} ({best[1]}){beside}"


class ProgressPrinter:
    """Prints progress: one line rewritten in place on a terminal, a line every so often anywhere else."""

    def __init__(
        self,
        stream: TextIO,
        objective: str,
        metric: Metric = ACCURACY,
        *,
        quiet: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._objective, self._metric = objective, metric
        self._quiet = quiet
        self._clock = clock
        self._live = stream.isatty()
        self._printed_at = float("-inf")
        self._printed: Progress | None = None

    def update(self, progress: Progress) -> None:
        """Print progress if it is time to: at once when a trial has settled, or no more often than can be read."""
        if not self._quiet and self._is_due(progress):
            self._print(progress)

    def _is_due(self, progress: Progress) -> bool:
        pause = self._clock() - self._printed_at
        news = self._printed is None or progress.settled != self._printed.settled
        if self._live:
            return news or pause >= _REWRITE_SECONDS
        return pause >= _LINE_SECONDS or (news and progress.settled == progress.total)

    def step(self, message: str) -> None:
        """Print what is being done now, unless the user wants no progress."""
        if not self._quiet:
            self.say(message)

    def close(self) -> None:
        """Leave the line as it is, and let the next output begin on a line of its own."""
        if self._live and self._printed is not None:
            self._write("\n")

    def say(self, message: str) -> None:
        """Print a message on a line of its own, without the secrets of URIs in it."""
        message = concealed(message)
        self._write(f"\r\x1b[K{message}\n" if self._live else f"{message}\n")

    def _print(self, progress: Progress) -> None:
        line = format_progress(progress, self._objective, self._metric)
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            self._write(f"\r\x1b[K{line if len(line) <= width else line[: width - 1] + '…'}")
        else:
            self._write(line + "\n")
        self._printed_at, self._printed = self._clock(), progress

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
