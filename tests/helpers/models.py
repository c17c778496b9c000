"""Trials with weights, recorded as the tests of registered models need them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from smartmixed_search.export.weights import TrainedNetwork
from smartmixed_search.tracking.writing.writer import Tracker
from smartmixed_search.trials.result import TrialResult
from tests.helpers.factories import make_result
from tests.helpers.networks import write_weights
from tests.helpers.tracked import make_tracker


def trial(folder: Path, seed: int, diverged: int | None = None, plugins: Sequence[str] = ()) -> TrialResult:
    """A finished trial of three replicates; validation prefers replicate 2, the test replicate 0."""
    result = make_result(
        architecture=(40, 24),
        accuracies={"smartmixed": [0.9, 0.8, 0.7], "relu": 0.5},
        val_accuracies={"smartmixed": [0.7, 0.8, 0.9], "relu": 0.5},
        replicates=3,
        seed=seed,
        weights_path=str(folder / f"weights-{seed}"),
    )
    write_weights(folder / f"weights-{seed}", [replicate for replicate in range(3) if replicate != diverged], plugins)
    lost = ("smartmixed", diverged)
    networks = [
        replace(n, val={**n.val, "loss": None}) if (n.strategy, n.replicate) == lost else n for n in result.networks
    ]
    return replace(result, networks=networks)


def stand_in(network: TrainedNetwork, path: Path) -> None:
    path.mkdir()
    (path / "MLmodel").write_text(str(network.replicate))


def results(folder: Path, *objectives: float) -> list[TrialResult]:
    return [replace(trial(folder, seed), objective=value) for seed, value in enumerate(objectives)]


def record(uri: str, *made: TrialResult, sweep: str = "mine") -> Tracker:
    tracker = make_tracker(uri, sweep)
    for result in made:
        tracker.record_trial(result)
    tracker.close_sweep("finished", {"finished": len(made)})
    return tracker
