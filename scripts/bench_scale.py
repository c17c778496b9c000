#!/usr/bin/env python
"""How far one driver goes: a sweep of many trials that train nothing, over several local raylets.

The sweep runs twice, without MLflow and with it. Each is killed (SIGKILL) when half of its trials are settled, and
continued by the same command. Measured: trials a second and the driver's memory on the way, and what it takes to go on:
the time from the command to the first trial that settles, the same for a new sweep, and for one that is complete.
"""

import argparse
import math
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarking import SWEEP_SPACE, progress

NODES = 3
SLOTS = 2
"""Trials that each raylet holds at once."""
EPOCHS = 10
"""Length of the curves that every trial returns."""


class Untracked:
    """Stands in for the recorder where deliveries to MLflow are not to be measured."""

    undelivered = 0
    lost: Sequence[str] = ()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **options: None


def drive(folder: Path, trials: int, address: str, tracked: bool) -> None:
    """Be the driver: run the sweep, or continue it, with trials that all have the same figures."""
    from smartmixed_search.datasets import load_dataset
    from smartmixed_search.engine.trial import run_trial
    from smartmixed_search.search import session
    from smartmixed_search.search.sweep import run_sweep
    from smartmixed_search.space.space import SearchSpace
    from smartmixed_search.trials.config import TrialConfig

    example = run_trial(TrialConfig(dataset="digits", architecture=(8, 4), epochs=EPOCHS), load_dataset("digits"))

    def train_nothing(config: TrialConfig, dataset: object, **options: object) -> Any:
        return replace(example, config=config, key=config.key, objective=-abs(config.phase_fraction - 0.3))

    if not tracked:
        vars(session)["Recorder"] = Untracked  # no option: only a benchmark wants it
    space = SearchSpace.from_dict(SWEEP_SPACE | {"trials": trials}, name="scale")
    run_sweep(
        space, name="scale", output_dir=folder, ray_address=address, run=train_nothing, reuse=False, progress=False
    )


@dataclass(frozen=True)
class Sample:
    """Where a driver is at a moment."""

    seconds: float
    """Since it was started."""
    settled: int
    megabytes: float


class Driver:
    """A driver in a process of its own, looked at from outside."""

    def __init__(self, folder: Path, trials: int, address: str, tracked: bool) -> None:
        self._ledger = folder / "scale" / "ledger.jsonl"
        self._started = time.monotonic()
        arguments = ["drive", str(folder), str(trials), address, *(["--tracked"] if tracked else [])]
        self._process = subprocess.Popen([sys.executable, __file__, *arguments])
        self.samples: list[Sample] = []

    def watch(self, until: int | None = None) -> float:
        """Take samples until that many trials are settled, or the driver ends; return the seconds since its start."""
        while self._process.poll() is None and (until is None or not self.samples or self.samples[-1].settled < until):
            self.samples.append(Sample(time.monotonic() - self._started, self.settled, self._megabytes()))
            time.sleep(0.2)
        assert self._process.returncode in (None, 0), f"the driver ended with {self._process.returncode}"
        return time.monotonic() - self._started

    def kill(self) -> None:
        """SIGKILL it."""
        self._process.kill()
        self._process.wait()

    @property
    def settled(self) -> int:
        """Trials that are settled."""
        return self._ledger.read_bytes().count(b'"event": "settled"') if self._ledger.exists() else 0

    def _megabytes(self) -> float:
        try:
            pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0.0
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def local_cluster() -> Iterator[str]:
    """Start several raylets with a token of their own; yield the address."""
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(NODES):
            cluster.add_node(num_cpus=SLOTS)
        yield cluster.address
    finally:
        cluster.shutdown()


def first_new(samples: list[Sample], before: int) -> float:
    """Return after how many seconds the first trial was settled that had not been before; NaN: none was left."""
    return next((sample.seconds for sample in samples if sample.settled > before), math.nan)


def print_way(samples: list[Sample], trials: int) -> None:
    """Print how it went, tenth by tenth."""
    print(f"{'settled':>8} {'trials/s':>9} {'driver MiB':>11}")
    last = next((sample for sample in samples if sample.settled > samples[0].settled), samples[-1])
    for tenth in range(1, 11):
        reached = next((sample for sample in samples if sample.settled >= tenth * trials // 10), None)
        if reached is not None and reached.settled > last.settled:
            rate = (reached.settled - last.settled) / (reached.seconds - last.seconds)
            print(f"{reached.settled:>8} {rate:>9.2f} {reached.megabytes:>11.0f}")
            last = reached


def measure(trials: int, address: str, tracked: bool) -> None:
    """Run a sweep, kill it half way, continue it, and call it once more."""
    with tempfile.TemporaryDirectory() as folder:
        begin = partial(Driver, Path(folder), trials, address, tracked)
        print(f"\n{trials} trials, {NODES} raylets of {SLOTS}, {'with' if tracked else 'without'} MLflow")
        first = begin()
        first.watch(until=trials // 2)
        first.kill()
        half = first.settled
        progress(f"killed with {half} settled")
        second = begin()
        second.watch()
        print_way(first.samples, trials)
        print(f"killed with {half} settled, and continued:")
        print_way(second.samples, trials)
        new, continued, complete = first_new(first.samples, 0), first_new(second.samples, half), begin().watch()
        print(f"seconds from the command to the first settled trial: {new:.1f} for a new sweep, {continued:.1f} with")
        print(f"{half} settled; seconds in all for a complete sweep: {complete:.1f}", flush=True)


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["drive"]:
        folder, trials, address, *flag = sys.argv[2:]
        drive(Path(folder), int(trials), address, tracked=bool(flag))
        return
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--untracked", type=int, default=2000, metavar="N", help="trials without MLflow")
    options.add_argument("--tracked", type=int, default=200, metavar="N", help="trials with MLflow")
    chosen = options.parse_args()
    with local_cluster() as address:
        for number, tracked in ((chosen.tracked, True), (chosen.untracked, False)):
            if number:
                measure(number, address, tracked)


if __name__ == "__main__":
    main()
