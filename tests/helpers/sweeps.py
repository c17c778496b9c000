"""Sweeps: one through Ray whose trials do next to no work, and one that is there without having been run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from smartmixed_search.search.keeping.directory import SweepDirectory
from smartmixed_search.search.keeping.events import Settled
from smartmixed_search.search.keeping.ledger import Ledger
from smartmixed_search.search.keeping.resolved import Resolved
from smartmixed_search.search.summary import SweepSummary
from smartmixed_search.search.sweep import run_sweep
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.system.checksums import checksum
from smartmixed_search.trials.config import TrialConfig
from tests.helpers import trials

RESOLVED = Resolved(
    name="demo", hash="a" * 64, seed=0, dataset={"name": "digits", "checksum": "c" * 16}, space={"dataset": "digits"}
)
STRATEGIES = ("smartmixed", "relu")


def make_sweep(output: str | Path, name: str = "demo", finished: int = 3, seed: int = 0) -> SweepDirectory:
    """A sweep of finished trials that no store knows."""
    resolved = replace(RESOLVED, name=name, seed=seed, space={"dataset": "digits", "trials": 3, "epochs": 4})
    directory = SweepDirectory.of(output, name)
    with directory.claim(resolved, "dataset: digits\ntrials: 3\nepochs: 4\n"), Ledger(directory.ledger) as ledger:
        for number in range(finished):
            config = TrialConfig(
                dataset="digits", architecture=(4 + number,), strategies=STRATEGIES, epochs=4, seed=seed
            )
            files = directory.trial(config.key)
            files.path.mkdir()
            files.weights.write_bytes(b"weights")
            files.save_result(replace(trials.synthetic_result(config), weights_checksum=checksum(b"weights")))
            ledger.propose(number, config.to_dict(), {})
            ledger.settle(Settled(number=number, key=config.key, status="finished", objective=0.5, confidence=0.6))
    return directory


def run_demo(
    output_dir: Path, run: Any = trials.instant, changes: dict[str, Any] | None = None, **options: Any
) -> SweepSummary:
    """Run the sweep `demo` to its end."""
    space = SearchSpace.from_dict(trials.SPACE | (changes or {}))
    options = {"name": "demo", "concurrency": 1} | options  # starting a worker takes longer than all it does here
    return run_sweep(space, output_dir=output_dir, run=run, progress=False, **options)
