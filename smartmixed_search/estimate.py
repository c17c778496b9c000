"""What a sweep would cost: networks, parameters, memory, and time from one timed step."""

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from smartmixed_search.config import TrialConfig
from smartmixed_search.datasets import Dataset
from smartmixed_search.evaluation import EVALUATION_BATCH
from smartmixed_search.measurement import count_parameters
from smartmixed_search.parts import Part, in_parts
from smartmixed_search.steps import NOISE_STEPS
from smartmixed_search.training import TwoPhaseTraining

_ENOUGH_SECONDS = 1.0
_UNCOUNTED = 2  # on a GPU the first is rehearsed, the second captured
_COPIES = 6  # of every parameter: itself, its gradient, two moments, two checkpoints
_COPIES_WITH_MOMENTS = 8  # a handoff from the best epoch keeps its moments too
_ACTIVATION_COPIES = 4  # output, gradient, and what selecting neurons keep
_FLOAT_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The cost of a sweep."""

    trials: int
    networks: int
    """Networks of one trial: (strategies + controls) × replicates."""
    network_epochs: int
    """Epochs over all networks of all trials."""
    parameters: tuple[int, int]
    """Weights and biases of one network of the smallest and of the largest architecture."""
    memory: int
    """Bytes of the largest trial, the dataset included."""
    parts: int
    """Into how many the largest stack had to be split to be timed; a GPU that is shared may hold less at once."""
    seconds: float
    """Wall time of all trials, one after another."""


def estimate(
    configs: Sequence[TrialConfig], trials: int, dataset: Dataset, device: str | torch.device = "cpu"
) -> Estimate:
    """Estimate what a sweep costs; some steps of the smallest and of the largest stack are timed.

    Args:
        configs: at least one; the trials are taken to be these, in turn.
        trials: number of trials.
        dataset: their data.
        device: where they would be trained.
    """
    sizes = [count_parameters([dataset.features, *config.architecture, dataset.classes]) for config in configs]
    networks = [len(config.members) * config.replicates for config in configs]
    turns = [len(range(place, trials, len(configs))) for place in range(len(configs))]
    step_seconds, parts = _step_times(
        configs, [n * size for n, size in zip(networks, sizes, strict=True)], dataset, device
    )
    return Estimate(
        trials=trials,
        networks=max(networks),
        network_epochs=sum(t * n * config.epochs for t, n, config in zip(turns, networks, configs, strict=True)),
        parameters=(min(sizes), max(sizes)),
        memory=max(_memory(config, dataset, size) for config, size in zip(configs, sizes, strict=True)),
        parts=parts,
        seconds=sum(
            t * _trial_seconds(config, dataset, seconds)
            for t, config, seconds in zip(turns, configs, step_seconds, strict=True)
        ),
    )


def _trial_seconds(config: TrialConfig, dataset: Dataset, step_seconds: np.ndarray) -> float:
    """Return the time of a trial whose steps take [selection, fixed] seconds."""
    steps = -(-len(dataset.x_train) // config.batch_size)
    validation = 1 + len(dataset.x_val) / (3 * len(dataset.x_train))  # a forward pass is a third of a step
    epochs = np.array([config.selection_epochs, config.epochs - config.selection_epochs])
    return float(steps * validation * (epochs * step_seconds).sum())


def _step_times(
    configs: Sequence[TrialConfig], stack_sizes: Sequence[int], dataset: Dataset, device: str | torch.device
) -> tuple[np.ndarray, int]:
    """Time a step of either phase of the smallest and the largest stack, and interpolate.

    Returns:
        Seconds [configs, 2], and the number of parts of the largest stack.
    """
    ends = sorted(
        {stack_sizes.index(min(stack_sizes)), stack_sizes.index(max(stack_sizes))}, key=stack_sizes.__getitem__
    )
    parts = [_time_steps(configs[place], dataset, torch.device(device)) for place in ends]
    timed = np.array([part.sum(0) for part in parts])
    at = [stack_sizes[place] for place in ends]
    return np.stack([np.interp(stack_sizes, at, timed[:, phase]) for phase in (0, 1)], axis=1), len(parts[-1])


def _time_steps(config: TrialConfig, dataset: Dataset, device: torch.device) -> np.ndarray:
    """Return the seconds of a selection step and of a fixed step, of every part that fits into memory: [parts, 2]."""
    return np.array(in_parts(config, Part.whole(config), lambda part: _time_part(config, part, dataset, device)))


def _time_part(config: TrialConfig, part: Part, dataset: Dataset, device: torch.device) -> tuple[float, float]:
    training = TwoPhaseTraining(config, dataset, device, part=part)
    steps = itertools.chain.from_iterable(training.steps_of_epoch() for _ in itertools.count())
    with torch.no_grad():
        selection = _seconds_per_step(steps, device)
        x, y = training.data.x_val.to(training.layout.dtype), training.data.y_val
        training.evaluate(training.stack, x, y, x.new_tensor(config.temperature))  # may take more memory than a step
        training.hand_off()
        return selection, _seconds_per_step(steps, device)


def _seconds_per_step(steps: Iterator[None], device: torch.device) -> float:
    """Take as many steps as noise is drawn for at once, or as fit into a second; the first ones do not count."""
    for _ in itertools.islice(steps, _UNCOUNTED):
        pass
    taken, start = 0, time.perf_counter()
    while taken < NOISE_STEPS and time.perf_counter() - start < _ENOUGH_SECONDS:
        next(steps)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken += 1
    return (time.perf_counter() - start) / taken


def _memory(config: TrialConfig, dataset: Dataset, parameters: int) -> int:
    networks = len(config.members) * config.replicates
    copies = _COPIES_WITH_MOMENTS if config.handoff_from == "best" else _COPIES
    activations = sum(config.architecture) * max(config.batch_size, EVALUATION_BATCH) * _ACTIVATION_COPIES
    data = sum(array.nbytes for array in dataset.arrays().values())
    return networks * (parameters * copies + activations) * _FLOAT_BYTES + data
