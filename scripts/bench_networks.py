"""How long a step takes of networks that are modules, against the same networks as anybody would train them.

    python scripts/bench_networks.py [--rounds 3] [NAME ...]

The plain way: one module after another, the drop-in `SelectiveActivation` (which stacks all outputs of the pool), and
torch's Adam. Both ways take turns in one process; what counts is the ratio. Run it on a quiet machine.
"""

import argparse
import time
from collections.abc import Callable
from itertools import chain
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from smartmixed_search.datasets import Dataset
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.families import family_of, parse_architecture
from smartmixed_search.families.family import Site
from smartmixed_search.method.modules import FixedActivation, SelectiveActivation, freeze_selections
from smartmixed_search.tasks.classification import Classification
from smartmixed_search.trials.config import SMARTMIXED, TrialConfig

CASES = {
    "conv": ("conv(stages=3, width=16)", (1, 28, 28)),
    "residual": ("conv(stages=3, width=16, residual=True)", (1, 28, 28)),
    "transformer": ("transformer(patch=4, width=128, depth=4)", (1, 28, 28)),
    "mixer": ("mixer(patch=4, width=64, depth=4)", (1, 28, 28)),
}
BATCH, BATCHES, STEPS = 128, 8, 4


def dataset(shape: tuple[int, ...]) -> Dataset:
    """Return made-up examples."""
    rng = np.random.default_rng(0)
    arrays: dict[str, NDArray[Any]] = {}
    for split, count in (("train", BATCH * BATCHES), ("val", BATCH), ("test", BATCH)):
        arrays[f"x_{split}"] = rng.random((count, *shape), dtype=np.float32)
        arrays[f"y_{split}"] = rng.integers(0, 10, count)
    return Dataset.from_arrays(arrays, name="made-up", checksum="0" * 16, task=Classification(10), shape=shape)


class Plain:
    """Seven networks as anybody would train them."""

    def __init__(self, config: TrialConfig, data: Dataset) -> None:
        family, self.data = family_of(config.architecture), data

        def site_of(name: str) -> Callable[[Site], nn.Module]:
            if name == SMARTMIXED:
                return lambda site: SelectiveActivation(site.units, config.pool, dim=site.dim)
            return lambda site: FixedActivation(name)

        self.networks = [
            family.build(config.architecture, data.shape, 10, site_of(name), np.random.default_rng(0))
            for name in config.strategies
        ]
        self._optimizers()

    def hand_off(self) -> None:
        """Freeze the choices of the first."""
        freeze_selections(self.networks[0])
        self._optimizers()

    def _optimizers(self) -> None:
        self.optimizers = [torch.optim.Adam(network.parameters()) for network in self.networks]

    def step(self, batch: Tensor) -> None:
        """Train all of them on one batch."""
        for network, optimizer in zip(self.networks, self.optimizers, strict=True):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(self.data.x_train[batch]), self.data.y_train[batch])
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()


def seconds(step: Callable[[], object]) -> float:
    """Return the time of a step."""
    step()
    start = time.perf_counter()
    for _ in range(STEPS):
        step()
    return (time.perf_counter() - start) / STEPS


def main() -> None:
    """Time the cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[*CASES], metavar="NAME", help=", ".join(CASES))
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for name in arguments.names:
        text, shape = CASES[name]
        config = TrialConfig(dataset="made-up", architecture=parse_architecture(text), epochs=1000, batch_size=BATCH)
        data = dataset(shape)
        ours, plain = TwoPhaseTraining(config, data, torch.device("cpu")), Plain(config, data)
        for phase in ("selection", "fixed"):
            mine, theirs = in_turn(ours, plain, arguments.rounds)
            ratio = f"{theirs / mine:.2f} × as fast"
            print(f"{name}, {phase}: {1000 * mine:.0f} ms, plain {1000 * theirs:.0f} ms, {ratio}", flush=True)
            if phase == "selection":
                ours.hand_off()
                plain.hand_off()


def in_turn(ours: TwoPhaseTraining, plain: Plain, rounds: int) -> tuple[float, float]:
    """Return the seconds of a step of both ways."""
    steps = chain.from_iterable(ours.steps_of_epoch() for _ in range(rounds * STEPS))
    batch = torch.arange(BATCH)
    times = [(seconds(lambda: next(steps)), seconds(lambda: plain.step(batch))) for _ in range(rounds)]
    mine, theirs = (median(column) for column in zip(*times, strict=True))
    return mine, theirs


if __name__ == "__main__":
    main()
