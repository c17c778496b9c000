"""A session of a sweep: claim the directory, run what is left, record it, sum it up. A sweep may take several."""

import os
import signal
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType

from ray.exceptions import RayError
from ray.tune import TuneError

from smartmixed_search.datasets import Dataset
from smartmixed_search.errors import SweepError
from smartmixed_search.errors.messages import counted
from smartmixed_search.search.driving.driver import Follower, SweepDriver
from smartmixed_search.search.driving.progress import ProgressPrinter
from smartmixed_search.search.execution import Execution
from smartmixed_search.search.keeping.directory import SweepDirectory
from smartmixed_search.search.keeping.ledger import Ledger, count_settled
from smartmixed_search.search.keeping.lock import Lock
from smartmixed_search.search.keeping.resolved import Resolved
from smartmixed_search.search.placing.cluster import cluster_nodes, ray_session, slots, trial_resources
from smartmixed_search.search.placing.ray_tune import Placement, run_trials
from smartmixed_search.search.placing.watch import AGAIN, RAY_LOST, check_own_ray, ray_answers, watched
from smartmixed_search.search.placing.worker import Job, SharedDataset, TrialFunction
from smartmixed_search.search.proposing.halving import Halving
from smartmixed_search.search.proposing.queue import Proposes, TrialQueue
from smartmixed_search.search.proposing.study import StudyView
from smartmixed_search.search.recording.lost import lost_results
from smartmixed_search.search.recording.recorder import Recorder
from smartmixed_search.search.recording.sweep_store import meet_store
from smartmixed_search.search.summary import SweepSummary, summarize
from smartmixed_search.space.resources import Resources
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.system.plugins import current_folder


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


def carry_out(plan: Plan, execution: Execution, run: TrialFunction) -> SweepSummary:
    """Run a sweep's trials that are left; `run` trains one.

    Raises:
        UserError: something given is not valid; no sweep has been begun or changed.
    """
    metric = plan.space.metric_for(plan.dataset.task)
    printer = ProgressPrinter(sys.stderr, plan.space.options["objective"], metric, quiet=not execution.progress)
    directory = plan.directory
    with directory.in_use(), ExitStack() as stack:
        lost = lost_results(directory, plan.resolved, plan.tracking_uri)
        cluster = stack.enter_context(ExitStack())
        placement = None
        left = count_settled(directory.ledger, but_failed=execution.retry_failed) < plan.space.trials
        if lost or left:
            address = execution.ray_address
            printer.step("starting Ray" if address is None else f"joining the Ray cluster at {address}")
            cluster.enter_context(ray_session(address))
            placement = _place(plan.space.resources, execution.concurrency)
        meet_store(plan.tracking_uri, plan.resolved, continued=directory.resolved.exists())
        lock = stack.enter_context(directory.claim(plan.resolved, plan.space.to_yaml(), printer.say))
        ledger = stack.enter_context(Ledger(directory.ledger))
        if left and execution.retry_failed and (reopened := ledger.reopen_failed()):
            printer.say(f"trying {counted(reopened, 'failed trial')} again")
        session = _Session(plan, execution, ledger, lock, printer)
        return session.run(placement, cluster, run, lost)


def _place(wanted: Resources, concurrency: int | None) -> Placement:
    nodes = cluster_nodes()
    resources = trial_resources(wanted.cpus_per_trial, wanted.gpus_per_trial, nodes)
    return Placement(resources=resources, concurrency=concurrency or slots(resources, nodes))


class _Session:
    """Runs the trials that the ledger has no outcome for, and sees all of them recorded."""

    def __init__(self, plan: Plan, execution: Execution, ledger: Ledger, lock: Lock, printer: ProgressPrinter) -> None:
        self._plan, self._execution, self._printer = plan, execution, printer
        self._ledger, self._lock = ledger, lock

    def run(
        self, placement: Placement | None, cluster: ExitStack, run: TrialFunction, lost: Collection[str]
    ) -> SweepSummary:
        """Run trials on a cluster, which is left before anything that it is not needed for."""
        plan, directory, say = self._plan, self._plan.directory, self._printer.say
        say(f"sweep {directory.name} in {directory.path}")
        recorder = Recorder(directory, plan.resolved, plan.tracking_uri, say, sizes=plan.dataset.sizes)
        queue = self._queue(placement, lost)
        # A confirmation proposes nothing, so Optuna has nothing to be told.
        studies = [] if plan.resolved.confirms else [StudyView(directory.study, directory.name, plan.space)]
        driver = self._driver(queue, [*studies, recorder])
        with _interruptible(driver):
            driver.guard(driver.resume)
            if placement is not None and not queue.done and not driver.stopping:
                self._train(driver, placement, run)
            self._printer.close()
            cluster.close()
            recorder.drain(lambda: not driver.stopping)
        for study in studies:
            driver.guard(study.close)
        summary = self._summary(queue, recorder, interrupted=driver.interrupted)
        recorder.close(summary)
        if driver.fault is not None:
            raise driver.fault
        for line in summary.messages():
            say(line)
        return summary

    def _queue(self, placement: Placement | None, lost: Collection[str]) -> TrialQueue:
        return TrialQueue(
            self._ledger,
            self._plan.proposer,
            self._plan.space.trials,
            concurrency=1 if placement is None else placement.concurrency,
            reuse=self._execution.reuse,
            restore=lost,
        )

    def _driver(self, queue: TrialQueue, followers: Sequence[Follower]) -> SweepDriver:
        return SweepDriver(
            self._plan.directory,
            queue,
            Halving(self._ledger, self._plan.space.rungs),
            followers,
            self._printer,
            max_failures=self._execution.max_failures,
            check=self._check,
        )

    def _summary(self, queue: TrialQueue, recorder: Recorder, *, interrupted: bool) -> SweepSummary:
        confirmed = self._plan.resolved.confirmed
        return summarize(
            queue,
            self._plan.directory,
            self._plan.tracking_uri,
            recorder.undelivered,
            lost=len(recorder.lost),
            interrupted=interrupted,
            confirms=None if confirmed is None else confirmed.sweep,
        )

    def _check(self) -> None:
        self._lock.check()
        check_own_ray()

    def _train(self, driver: SweepDriver, placement: Placement, run: TrialFunction) -> None:
        job = Job(
            run=run,
            dataset=SharedDataset.put(self._plan.dataset),
            resources=placement.resources,
            directory=self._plan.directory,
            space=self._plan.space,
            folder=current_folder(),
            reuse=self._execution.reuse,
            deterministic=self._execution.deterministic,
        )

        def leave() -> None:
            self._printer.say(f"error: {RAY_LOST}")
            os._exit(2)

        with watched(ray_answers, lambda: driver.end(SweepError(RAY_LOST)), leave):
            try:
                run_trials(driver, job, placement, self._plan.directory.scratch)
            except (RayError, TuneError) as error:
                last = str(error).strip().rpartition("\n")[2]
                driver.end(SweepError(f"Ray failed while trials were running ({last}); {AGAIN}"))


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
