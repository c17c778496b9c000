#!/usr/bin/env python
"""What a sweep costs beside the training: driver, delivery to MLflow, queries, start-up.

The trials train nothing, so that whatever they take is overhead. The bare loop is Ray Tune with reused actors and a
function that reports once. Ours keeps every guarantee: the ledger is synced to the disk before anything follows it,
results are durable, and Optuna proposes. `local` leaves the delivery to MLflow for later, `delivering` does it beside.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, redirect_stdout
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarking import SWEEP_SPACE, Row, interleaved, parser, per_call, progress, report
from ray import tune
from store_of_runs import make_store

from smartmixed_search.datasets import load_dataset
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.search.driving.driver import Follower, SweepDriver
from smartmixed_search.search.driving.progress import ProgressPrinter
from smartmixed_search.search.keeping.directory import SweepDirectory
from smartmixed_search.search.keeping.events import Event, Settled
from smartmixed_search.search.keeping.ledger import Ledger
from smartmixed_search.search.keeping.resolved import Resolved
from smartmixed_search.search.placing.cluster import TrialResources, ray_session
from smartmixed_search.search.placing.ray_tune import Placement, run_trials
from smartmixed_search.search.placing.worker import Job, SharedDataset
from smartmixed_search.search.proposing.halving import Halving
from smartmixed_search.search.proposing.proposals import Proposer
from smartmixed_search.search.proposing.queue import Handout, TrialQueue
from smartmixed_search.search.proposing.study import StudyView
from smartmixed_search.search.recording.recorder import Recorder
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.tracking.questions.queries import top
from smartmixed_search.tracking.schema import EXPERIMENT_PREFIX
from smartmixed_search.tracking.store.store import analyze_store, connect, prepare_store
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.result import TrialResult

CONCURRENCY = 2
WARM_UP = 0.1  # share of the trials that is not counted: workers start up


class Clock:
    """Follows the ledger, and notes when each trial was settled, and the driver's memory then."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.megabytes: list[float] = []

    def follow(self, events: Sequence[Event]) -> None:
        """Take note."""
        if events and isinstance(events[-1], Settled):
            self.tick()

    def tick(self) -> None:
        """Take note of one more trial."""
        self.times.append(time.perf_counter())
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.megabytes.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)

    def per_trial(self, values: list[float]) -> float:
        """Return by how much a value grows with a trial, after the warm-up."""
        first = max(4, round(WARM_UP * len(values)))
        return (values[-1] - values[first]) / (len(values) - 1 - first)


class TimedDriver(SweepDriver):
    """A driver that notes how long each proposal takes, everything that follows the ledger included."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.proposals: list[float] = []

    def next(self) -> Handout | None:
        """Return the next trial."""
        start = time.perf_counter()
        try:
            return super().next()
        finally:
            self.proposals.append(time.perf_counter() - start)


class ClockCallback(tune.Callback):
    """Lets the clock know of Tune's trials."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Take note of one more trial."""
        self._clock.tick()


def report_once(config: dict[str, Any]) -> None:
    """Train nothing, as a bare Tune function."""
    tune.report({"objective": config["x"]})


def bare(trials: int) -> float:
    """Return seconds per trial of a bare Tune loop."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
        tune.Tuner(
            tune.with_resources(report_once, {"cpu": 1}),
            param_space={"x": tune.uniform(0, 1)},
            tune_config=tune.TuneConfig(num_samples=trials, max_concurrent_trials=CONCURRENCY, reuse_actors=True),
            run_config=tune.RunConfig(name="bare", storage_path=folder, callbacks=[ClockCallback(clock)], verbose=0),
        ).fit()
    return clock.per_trial(clock.times)


def trivial(template: TrialResult) -> Callable[..., TrialResult]:
    """Return a training function that trains nothing: every trial has the same figures."""

    def run(config: TrialConfig, dataset: object, **others: object) -> TrialResult:
        return replace(template, config=config, key=config.key, objective=-abs(config.phase_fraction - 0.3))

    return run


def sweep(trials: int, run: Callable[..., TrialResult], delivering: bool) -> tuple[Clock, list[float]]:
    """Run a sweep of ours; return its clock and the seconds of each proposal."""
    space = SearchSpace.from_dict(SWEEP_SPACE | {"trials": trials}, name="bench")
    dataset, clock = load_dataset("digits"), Clock()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        directory = SweepDirectory.of(folder, "bench")
        resolved, uri = Resolved.of("bench", space, dataset), f"sqlite:///{folder}/mlflow.db"
        stack.enter_context(directory.claim(resolved, space.to_yaml()))
        ledger = stack.enter_context(Ledger(directory.ledger))
        followers: list[Follower] = [StudyView(directory.study, "bench", space), clock]
        if delivering:
            prepare_store(uri)
            recorder = Recorder(directory, resolved, uri)
            followers.append(recorder)
        queue = TrialQueue(ledger, Proposer(space), trials)
        printer = ProgressPrinter(sys.stderr, "margin", quiet=True)
        driver = TimedDriver(directory, queue, Halving(ledger, ()), followers, printer)
        resources = TrialResources(cpus=1, gpus=0)
        shared = SharedDataset.put(dataset)
        job = Job(run=run, dataset=shared, resources=resources, directory=directory, space=space)
        run_trials(driver, job, Placement(resources=resources, concurrency=CONCURRENCY), directory.scratch)
        if driver.fault is not None:
            raise driver.fault
        if delivering:
            recorder.drain(lambda: True)
    return clock, driver.proposals


def driver_rows(options: argparse.Namespace) -> list[Row]:
    """Compare the driver with the bare loop, and proposals with and without delivery."""
    trials, repeats = (60, 1) if options.quick else (150, 3)
    config = TrialConfig(dataset="digits", architecture=(8, 4), epochs=4)
    run = trivial(run_trial(config, load_dataset("digits")))
    proposals: dict[bool, list[float]] = {False: [], True: []}

    def ours(delivering: bool) -> float:
        progress(f"{trials} trials, {'delivering' if delivering else 'local'}")
        clock, found = sweep(trials, run, delivering)
        proposals[delivering].append(statistics.median(found))
        return clock.per_trial(clock.times)

    runs = {"bare": partial(bare, trials), "local": partial(ours, False), "delivering": partial(ours, True)}
    seconds = interleaved(runs, repeats)
    local, delivering = (1000 * statistics.median(proposals[one]) for one in (False, True))
    return [
        *[Row(f"driver, a trivial trial: {name}", 1000 * value, unit="ms") for name, value in seconds.items()],
        Row("driver: local over bare", seconds["local"] / seconds["bare"], 1.3, at_most=True),
        Row("driver: a proposal, local", local, unit="ms"),
        Row("driver: a proposal, delivering", delivering, unit="ms"),
        *memory_rows(200 if options.quick else 2000, run),
    ]


def memory_rows(trials: int, run: Callable[..., TrialResult]) -> list[Row]:
    """Measure the driver's memory over many trials."""
    progress(f"{trials} trials, memory")
    clock, _ = sweep(trials, run, delivering=False)
    return [
        Row(f"driver: memory after {trials} trials", clock.megabytes[-1], unit="MiB"),
        Row("driver: memory per 1,000 trials more", 1000 * clock.per_trial(clock.megabytes), unit="MiB"),
    ]


def store_rows(options: argparse.Namespace) -> list[Row]:
    """Measure recording, and `top` over many strategy runs."""
    trials = 143 if options.quick else 1143
    with tempfile.TemporaryDirectory() as folder:
        progress(f"a store of {7 * trials} strategy runs")
        uri, per_trial = make_store(Path(folder), trials)
        rows = [Row("MLflow: delivery", 8 / per_trial, unit="runs/s")]
        for by, target in (("strategy", 0.1), ("architecture", None), ("trial", None)):
            seconds = interleaved({by: per_call(partial(top, 3, by, tracking_uri=uri), 1)}, 5)[by]
            figure = f"top -k 3 --by {by} over {7 * trials} strategy runs"
            rows.append(Row(figure, seconds, None if options.quick else target, unit="s", at_most=True))
        asked = command("top", "--tracking-uri", uri)
        rows.append(Row("the same as a command, imports included", interleaved({"top": asked}, 3)["top"], unit="s"))
        progress("MLflow's own order by a metric")
        ordered = per_call(partial(best_strategies, uri), 1)
        before = interleaved({"before": ordered}, 3)["before"]
        analyze_store(uri)
        after = interleaved({"after": ordered}, 3)["after"]
        rows.append(Row("MLflow: 100 strategy runs, best rank first, never analyzed", before, unit="s"))
        rows.append(Row("MLflow: the same, analyzed", after, unit="s"))
    return rows


def best_strategies(uri: str) -> None:
    """Ask MLflow for what the saved table of all strategies asks for."""
    client = connect(uri)
    (experiment,) = client.search_experiments(filter_string=f"name LIKE '{EXPERIMENT_PREFIX}%'")
    client.search_runs(
        [experiment.experiment_id],
        "tags.`smartmixed.kind` = 'strategy'",
        max_results=100,
        order_by=["metrics.`rank` ASC"],
    )


def command(*arguments: str) -> Callable[[], float]:
    """Return a run that times a command as a user sees it."""
    program = shutil.which("smartmixed-search", path=str(Path(sys.executable).parent))
    assert program is not None, "smartmixed-search must be installed beside this Python"
    return per_call(lambda: subprocess.run([program, *arguments], stdout=subprocess.DEVNULL, check=True), 1)


def start_up() -> Row:
    """Time `--help` as a user sees it."""
    seconds = interleaved({"help": command("--help")}, 7)["help"]
    return Row("start-up of --help", seconds, 0.5, unit="s", at_most=True)


def main() -> None:
    """Measure and print."""
    options = parser(__doc__.splitlines()[0]).parse_args()
    rows = [start_up(), *store_rows(options)]
    with ray_session():
        rows += driver_rows(options)
    report(rows, as_json=options.json)


if __name__ == "__main__":
    main()
