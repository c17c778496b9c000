"""What a sweep would cost: networks, parameters, memory, and time from one timed step."""

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from smartmixed_search.datasets import Dataset
from smartmixed_search.engine.draws import NOISE_STEPS
from smartmixed_search.engine.evaluation import EVALUATION_BATCH
from smartmixed_search.engine.parts import Part, in_parts
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.errors import ResourceError
from smartmixed_search.families import family_of, format_architecture
from smartmixed_search.system.machine import machine_memory
from smartmixed_search.trials.config import TrialConfig

_ENOUGH_SECONDS = 1.0
_UNCOUNTED = 2  # on a GPU the first is rehearsed, the second captured
_COPIES = 6  # of every parameter: itself, its gradient, two moments, two checkpoints
_COPIES_WITH_MOMENTS = 8  # a handoff from the best epoch keeps its moments too
_ACTIVATION_COPIES = 4  # output, gradient, and what selecting neurons keep
_FLOAT_BYTES = 4
_MOST_WORK = {"cpu": 2**32, "cuda": 2**38}
"""Products of a step, activations counted in, above which a smaller stack is timed in its place."""
_LEAST_BATCH = 128  # a step on fewer examples is not that much quicker
_MOST_REPLICATES = 64  # time is proportional to them, and each takes a while to set up
_UNIT_WORK = 256  # noise and activation of a neuron take about as long as that many products
_MOST_EPOCHS = 1000  # a step takes as long, however many follow
_GIB = 2**30
_SHOWN = 60  # characters of an architecture in a message


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The cost of a sweep."""

    trials: int
    networks: int
    """Networks of one trial: (strategies + controls) × replicates × splits of the data."""
    network_epochs: int
    """Epochs over all networks of all trials."""
    parameters: tuple[int, int]
    """Weights and biases of one network of the smallest and of the largest architecture."""
    memory: int
    """Bytes of the largest trial, the dataset included."""
    parts: int
    """Into how many the largest stack has to be split at least; a GPU that is shared may hold less at once."""
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

    Raises:
        ResourceError: one network of a trial needs more memory than there is.

    """
    sizes = [_parameters(config, dataset) for config in configs]
    networks = [len(config.members) * config.replicates for config in configs]  # those of one split train at once
    trained = [n * config.splits for n, config in zip(networks, configs, strict=True)]
    turns = [len(range(place, trials, len(configs))) for place in range(len(configs))]
    memory = [_memory(config, dataset, size, n) for config, size, n in zip(configs, sizes, networks, strict=True)]
    parts = max(
        _parts(config, dataset, size, torch.device(device)) for config, size in zip(configs, sizes, strict=True)
    )
    stack_sizes = [n * size for n, size in zip(networks, sizes, strict=True)]
    step_seconds, timed_parts = _step_times(configs, stack_sizes, dataset, device)
    return Estimate(
        trials=trials,
        networks=max(trained),
        network_epochs=sum(t * n * config.epochs for t, n, config in zip(turns, trained, configs, strict=True)),
        parameters=(min(sizes), max(sizes)),
        memory=max(memory),
        parts=max(parts, timed_parts),
        seconds=sum(
            t * _trial_seconds(config, dataset, seconds)
            for t, config, seconds in zip(turns, configs, step_seconds, strict=True)
        ),
    )


def _trial_seconds(config: TrialConfig, dataset: Dataset, step_seconds: np.ndarray) -> float:
    """Return the time of a trial whose steps take [selection, fixed] seconds."""
    examples = len(dataset.limited(config.train_examples).x_train)
    steps = -(-examples // config.batch_size)
    validation = 1 + len(dataset.x_val) / (3 * examples)  # a forward pass is a third of a step
    epochs = np.array([config.selection_epochs, config.epochs - config.selection_epochs])
    return float(config.splits * steps * validation * (epochs * step_seconds).sum())


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
    timed = [_time_steps(configs[place], dataset, torch.device(device)) for place in ends]
    seconds = np.array([times for times, _ in timed])
    at = [stack_sizes[place] for place in ends]
    return np.stack([np.interp(stack_sizes, at, seconds[:, phase]) for phase in (0, 1)], axis=1), timed[-1][1]


def _time_steps(config: TrialConfig, dataset: Dataset, device: torch.device) -> tuple[np.ndarray, int]:
    """Return the seconds [2] of a selection step and of a fixed step, and into how many parts the stack was split."""
    timed, times_longer = _stand_in(config, dataset, _MOST_WORK[device.type])
    stack = Part.whole(timed).of_split(0, timed.splits)
    parts = in_parts(timed, stack, lambda part: _time_part(timed, part, dataset, device))
    return np.array(parts).sum(0) * times_longer, len(parts)


def _stand_in(config: TrialConfig, dataset: Dataset, most: int) -> tuple[TrialConfig, float]:
    """Return a configuration that is quick to time, the same where possible, and how many times longer steps take."""
    smaller = replace(config, epochs=min(config.epochs, _MOST_EPOCHS))
    while _work(smaller, dataset) > most or smaller.replicates > _MOST_REPLICATES:
        if smaller.replicates > 1:
            smaller = replace(smaller, replicates=smaller.replicates // 2)
        elif smaller.batch_size > _LEAST_BATCH:
            smaller = replace(smaller, batch_size=max(_LEAST_BATCH, min(smaller.batch_size, len(dataset.x_train)) // 2))
        else:
            architecture = family_of(smaller.architecture).smaller(smaller.architecture)
            if architecture is None:
                break
            smaller = replace(smaller, architecture=architecture)
    return smaller, _work(config, dataset) / _work(smaller, dataset)


def _work(config: TrialConfig, dataset: Dataset) -> int:
    per_example = _parameters(config, dataset) + _UNIT_WORK * _units(config, dataset)
    batch = max(min(config.batch_size, len(dataset.x_train)), _LEAST_BATCH)
    return len(config.members) * config.replicates * per_example * batch


def _time_part(config: TrialConfig, part: Part, dataset: Dataset, device: torch.device) -> tuple[float, float]:
    training = TwoPhaseTraining(config, dataset, device, part=part)
    steps = itertools.chain.from_iterable(training.steps_of_epoch() for _ in itertools.count())
    with torch.no_grad():
        selection = _seconds_per_step(steps, device)
        training.evaluate("val")  # may take more memory than a step
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


def _memory(config: TrialConfig, dataset: Dataset, parameters: int, networks: int) -> int:
    copies = _COPIES_WITH_MOMENTS if config.handoff_from == "best" else _COPIES
    batch = max(min(config.batch_size, len(dataset.x_train)), min(EVALUATION_BATCH, len(dataset.x_val)))
    activations = _units(config, dataset) * batch * _ACTIVATION_COPIES
    return networks * (parameters * copies + activations) * _FLOAT_BYTES + _data_memory(dataset)


def _parameters(config: TrialConfig, dataset: Dataset) -> int:
    """Return the weights and biases of one network."""
    family = family_of(config.architecture)
    return family.parameters(config.architecture, dataset.shape, dataset.task.outputs)


def _units(config: TrialConfig, dataset: Dataset) -> int:
    """Return the units of all sites of one network."""
    sites = family_of(config.architecture).sites(config.architecture, dataset.shape, dataset.task.outputs)
    return sum(site.units for site in sites)


def _data_memory(dataset: Dataset) -> int:
    return sum(array.nbytes for split in dataset.splits for array in split.arrays().values())


def _parts(config: TrialConfig, dataset: Dataset, parameters: int, device: torch.device) -> int:
    """Return how many parts of a trial's networks the memory of a device asks for at least.

    Raises:
        ResourceError: one network by itself does not fit.

    """
    whole = machine_memory() if device.type == "cpu" else torch.cuda.get_device_properties(device).total_memory
    needed, data = _memory(config, dataset, parameters, 1), _data_memory(dataset)
    if needed > whole:
        raise ResourceError(
            f"a network must fit into memory by itself, {whole / _GIB:,.1f} GiB, but one of "
            f"{_short(format_architecture(config.architecture))} with batch_size {config.batch_size} takes "
            f"{needed / _GIB:,.1f} GiB, optimiser, checkpoints and data included; "
            "a smaller architecture or batch_size helps"
        )
    at_once = (whole - data) // (needed - data)
    return -(-len(config.members) * config.replicates // at_once)


def _short(architecture: str) -> str:
    return architecture if len(architecture) <= _SHOWN else f"{architecture[:_SHOWN]}…"
