"""A session of a sweep: claim the directory, run what is left, record it, sum it up. A sweep may take several."""

import signal
import socket
import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType

from smartmixed_search.datasets import Dataset
from smartmixed_search.errors import ConfigError, SweepError
from smartmixed_search.files import is_full
from smartmixed_search.plugins import current_folder
from smartmixed_search.resources import Resources
from smartmixed_search.search.cluster import cluster_nodes, ray_session, slots, trial_resources
from smartmixed_search.search.directory import Resolved, SweepDirectory
from smartmixed_search.search.driver import SweepDriver
from smartmixed_search.search.halving import Halving
from smartmixed_search.search.ledger import Ledger, count_settled
from smartmixed_search.search.lock import Lock
from smartmixed_search.search.lost import lost_results
from smartmixed_search.search.progress import ProgressPrinter
from smartmixed_search.search.queue import Proposes, TrialQueue
from smartmixed_search.search.recorder import Recorder, meet_store
from smartmixed_search.search.study import StudyView
from smartmixed_search.search.summary import SweepSummary, summarize
from smartmixed_search.search.tuning import Placement, run_trials
from smartmixed_search.search.worker import Job, SharedDataset, TrialFunction
from smartmixed_search.space import SearchSpace


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A sweep whose every part has been found valid."""

    space: SearchSpace
    dataset: Dataset
    directory: SweepDirectory
    resolved: Resolved
    tracking_uri: str
    proposer: Proposes
    """Whose first proposals are the sweep's trials."""


def carry_out(
    plan: Plan,
    *,
    concurrency: int | None,
    ray_address: str | None,
    max_failures: int,
    reuse: bool,
    deterministic: bool,
    progress: bool,
    run: TrialFunction,
) -> SweepSummary:
    """Run a sweep's trials that are left; the arguments are those of `sweep.run_sweep`.

    Raises:
        UserError: something given is not valid; no sweep has been begun or changed.
    """
    check_count("concurrency", concurrency, 1)
    check_count("max_failures", max_failures, 0)
    printer = ProgressPrinter(sys.stderr, plan.space.options["objective"], quiet=not progress)
    lost = lost_results(plan.directory, plan.resolved, plan.tracking_uri)
    with ExitStack() as stack:
        placement = None
        if lost or count_settled(plan.directory.ledger) < plan.space.trials:
            printer.step("starting Ray" if ray_address is None else f"joining the Ray cluster at {ray_address}")
            stack.enter_context(ray_session(ray_address))
            placement = _place(plan.space.resources, concurrency, max_failures)
        meet_store(plan.tracking_uri, plan.resolved, continued=plan.directory.resolved.exists())
        lock = stack.enter_context(plan.directory.claim(plan.resolved, plan.space.to_yaml()))
        ledger = stack.enter_context(Ledger(plan.directory.ledger))
        return _Session(plan, ledger, lock, printer, reuse, deterministic).run(placement, run, lost)


def check_count(name: str, value: int | None, least: int) -> None:
    """Make sure that a number that may be given is large enough.

    Raises:
        ConfigError: it is not.
    """
    if value is not None and value < least:
        raise ConfigError(f"{name} must be at least {least}, however: {value}")


def _place(wanted: Resources, concurrency: int | None, max_failures: int) -> Placement:
    nodes = cluster_nodes()
    resources = trial_resources(wanted.cpus_per_trial, wanted.gpus_per_trial, nodes)
    return Placement(resources=resources, concurrency=concurrency or slots(resources, nodes), max_failures=max_failures)


class _Session:
    """Runs the trials that the ledger has no outcome for, and sees all of them recorded."""

    def __init__(
        self, plan: Plan, ledger: Ledger, lock: Lock, printer: ProgressPrinter, reuse: bool, deterministic: bool
    ) -> None:
        self._plan, self._printer = plan, printer
        self._ledger, self._lock = ledger, lock
        self._reuse, self._deterministic = reuse, deterministic

    def run(self, placement: Placement | None, run: TrialFunction, lost: Collection[str]) -> SweepSummary:
        plan, directory, space = self._plan, self._plan.directory, self._plan.space
        self._printer.say(f"sweep {directory.name} in {directory.path}")
        sizes = plan.dataset.sizes
        recorder = Recorder(directory, plan.resolved, plan.tracking_uri, self._printer.say, sizes=sizes)
        concurrency = 1 if placement is None else placement.concurrency
        queue = TrialQueue(
            self._ledger, plan.proposer, space.trials, concurrency=concurrency, reuse=self._reuse, restore=lost
        )
        # A confirmation proposes nothing, so Optuna has nothing to be told.
        studies = [] if plan.resolved.confirms else [StudyView(directory.study, directory.name, space)]
        halving = Halving(self._ledger, space.rungs)
        driver = SweepDriver(directory, queue, halving, [*studies, recorder], self._printer, self._lock.check)
        with _interruptible(driver):
            driver.guard(driver.resume)
            if placement is not None and not queue.done and not driver.stopping:
                job = Job(
                    run=run,
                    dataset=SharedDataset.put(plan.dataset),
                    resources=placement.resources,
                    directory=directory,
                    space=space,
                    folder=current_folder(),
                    reuse=self._reuse,
                    deterministic=self._deterministic,
                )
                run_trials(driver, job, placement, directory.scratch)
            self._printer.close()
            recorder.drain(lambda: not driver.stopping)
        for study in studies:
            driver.guard(study.close)
        summary = summarize(
            queue,
            directory,
            plan.tracking_uri,
            recorder.undelivered,
            lost=len(recorder.lost),
            interrupted=driver.interrupted,
            confirms=None if plan.resolved.confirmed is None else plan.resolved.confirmed.sweep,
        )
        recorder.close(summary)
        if driver.fault is not None:
            raise SweepError(directory.full(socket.gethostname())) if is_full(driver.fault) else driver.fault
        for line in summary.messages():
            self._printer.say(line)
        return summary


@contextmanager
def _interruptible(driver: SweepDriver) -> Iterator[None]:
    """Let a first Ctrl-C, or SIGTERM, end the sweep in good order, and a second one at once."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may handle signals
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: FrameType | None) -> None:
        driver.interrupt()
        for either in before:  # Ray's own handler of SIGTERM would exit without a word
            signal.signal(either, signal.default_int_handler)

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    except KeyboardInterrupt:
        driver.interrupt()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
