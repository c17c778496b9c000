"""A sweep from start to end: check everything, claim the directory, run what is left, record it, sum it up."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from smartmixed_search.datasets import Dataset, load_dataset
from smartmixed_search.errors import ConfigError, SweepError
from smartmixed_search.files import is_full
from smartmixed_search.resources import Resources
from smartmixed_search.search.cluster import cluster_nodes, ray_session, slots, trial_resources
from smartmixed_search.search.directory import Resolved, SweepDirectory
from smartmixed_search.search.driver import SweepDriver
from smartmixed_search.search.halving import Halving
from smartmixed_search.search.ledger import Ledger, count_settled
from smartmixed_search.search.lock import Lock
from smartmixed_search.search.progress import ProgressPrinter
from smartmixed_search.search.proposals import Proposer
from smartmixed_search.search.queue import TrialQueue
from smartmixed_search.search.recorder import Recorder, meet_store
from smartmixed_search.search.study import StudyView
from smartmixed_search.search.summary import SweepSummary, summarize
from smartmixed_search.search.tuning import Placement, run_trials
from smartmixed_search.search.worker import Job, SharedDataset, TrialFunction
from smartmixed_search.space import SearchSpace
from smartmixed_search.tracking.store import (
    DEFAULT_OUTPUT_DIR,
    OUTPUT_DIR_VARIABLE,
    check_store,
    resolve_tracking_uri,
)
from smartmixed_search.trial import run_trial

__all__ = ["SweepSummary", "run_sweep"]


def run_sweep(
    space: SearchSpace | str,
    *,
    name: str | None = None,
    trials: int | None = None,
    output_dir: str | Path | None = None,
    tracking_uri: str | None = None,
    data_dir: str | Path | None = None,
    concurrency: int | None = None,
    ray_address: str | None = None,
    max_failures: int = 1,
    reuse: bool = True,
    progress: bool = True,
    run: TrialFunction = run_trial,
) -> SweepSummary:
    """Launch a sweep, or continue the one of that name, and return when no trial is left to run.

    Nothing is written before everything given has been found valid. A trial that fails does not end the sweep. Ctrl-C
    and SIGTERM end it early; the summary says so, and the same call continues it, as it does after a crash.

    Args:
        space: the search space, or the name or path of one.
        name: the sweep's name; default: that of the space and six digits of its hash.
        trials: distinct configurations to settle; default: what the space says. More than before extend a sweep.
        output_dir: holds the sweep's directory: a folder, or a URI that fsspec knows; default:
            `SMARTMIXED_OUTPUT_DIR`, else `smartmixed-runs`.
        tracking_uri: MLflow's store; default: `MLFLOW_TRACKING_URI`, else a SQLite file in the output directory.
        data_dir: see `load_dataset`.
        concurrency: trials at once, at most; default: as many as the cluster holds.
        ray_address: of a running Ray cluster; default: this machine alone.
        max_failures: how often a trial that fails is tried again.
        reuse: whether trials take over baselines that an earlier trial of the sweep has trained under equal settings.
        progress: whether the progress line is shown; it and all messages go to stderr.
        run: `run_trial`, or a module-level function of its signature.

    Raises:
        UserError: something given is not valid; no sweep has been begun or changed.
    """
    _check_count("concurrency", concurrency, 1)
    _check_count("max_failures", max_failures, 0)
    plan = _plan(_resolve_space(space, trials), name, output_dir, tracking_uri, data_dir)
    printer = ProgressPrinter(sys.stderr, plan.space.options["objective"], quiet=not progress)
    with ExitStack() as stack:
        placement = None
        if count_settled(plan.directory.ledger) < plan.space.trials:
            stack.enter_context(ray_session(ray_address))
            placement = _place(plan.space.resources, concurrency, max_failures)
        meet_store(plan.tracking_uri, plan.resolved, continued=plan.directory.resolved.exists())
        lock = stack.enter_context(plan.directory.claim(plan.resolved, plan.space.to_yaml()))
        ledger = stack.enter_context(Ledger(plan.directory.ledger))
        return _Session(plan, ledger, lock, printer, reuse).run(placement, run)


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """A sweep whose every part has been found valid."""

    space: SearchSpace
    dataset: Dataset
    directory: SweepDirectory
    resolved: Resolved
    tracking_uri: str


def _plan(
    space: SearchSpace,
    name: str | None,
    output_dir: str | Path | None,
    tracking_uri: str | None,
    data_dir: str | Path | None,
) -> _Plan:
    dataset = load_dataset(space.dataset, data_dir)
    dataset.limited(space.most_train_examples)  # or be told before anything is written
    output = output_dir or os.environ.get(OUTPUT_DIR_VARIABLE) or DEFAULT_OUTPUT_DIR
    directory = SweepDirectory.of(output, name or space.default_sweep_name)
    resolved = Resolved.of(directory.name, space, dataset)
    directory.check(resolved)
    uri = resolve_tracking_uri(tracking_uri, output)
    if not directory.resolved.exists():  # a sweep that is continued does so also without the store
        check_store(uri)
    return _Plan(space=space, dataset=dataset, directory=directory, resolved=resolved, tracking_uri=uri)


def _resolve_space(space: SearchSpace | str, trials: int | None) -> SearchSpace:
    _check_count("trials", trials, 1)
    if isinstance(space, str):
        space = SearchSpace.load(space)
    return space if trials is None else replace(space, trials=trials)


def _check_count(name: str, value: int | None, least: int) -> None:
    if value is not None and value < least:
        raise ConfigError(f"{name} must be at least {least}, however: {value}")


def _place(wanted: Resources, concurrency: int | None, max_failures: int) -> Placement:
    nodes = cluster_nodes()
    resources = trial_resources(wanted.cpus_per_trial, wanted.gpus_per_trial, nodes)
    return Placement(resources=resources, concurrency=concurrency or slots(resources, nodes), max_failures=max_failures)


class _Session:
    """Runs the trials that the ledger has no outcome for, and sees all of them recorded."""

    def __init__(self, plan: _Plan, ledger: Ledger, lock: Lock, printer: ProgressPrinter, reuse: bool) -> None:
        self._plan, self._printer = plan, printer
        self._ledger, self._lock, self._reuse = ledger, lock, reuse

    def run(self, placement: Placement | None, run: TrialFunction) -> SweepSummary:
        plan, directory, space = self._plan, self._plan.directory, self._plan.space
        self._printer.say(f"sweep {directory.name} in {directory.path}")
        recorder = Recorder(directory, plan.resolved, plan.tracking_uri, self._printer.say)
        concurrency = 1 if placement is None else placement.concurrency
        queue = TrialQueue(self._ledger, Proposer(space), space.trials, concurrency=concurrency, reuse=self._reuse)
        study = StudyView(directory.study, directory.name, space)
        halving = Halving(self._ledger, space.rungs)
        driver = SweepDriver(directory, queue, halving, [study, recorder], self._printer, self._lock.check)
        with _interruptible(driver):
            driver.guard(driver.resume)
            if placement is not None and not queue.done and not driver.stopping:
                job = Job(
                    run=run,
                    dataset=SharedDataset.put(plan.dataset),
                    resources=placement.resources,
                    directory=directory,
                    space=space,
                    reuse=self._reuse,
                )
                run_trials(driver, job, placement, directory.scratch)
            self._printer.close()
            recorder.drain(lambda: not driver.stopping)
        driver.guard(study.close)
        summary = summarize(queue, directory, plan.tracking_uri, recorder.undelivered, interrupted=driver.interrupted)
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
