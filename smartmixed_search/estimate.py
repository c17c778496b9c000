"""What a sweep would cost: networks, parameters, memory, and time from one timed step."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from smartmixed_search.config import TrialConfig
from smartmixed_search.datasets import Dataset
from smartmixed_search.evaluation import EVALUATION_BATCH
from smartmixed_search.measurement import count_parameters
from smartmixed_search.training import TwoPhaseTraining

_TIMED_STEPS = 3
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
    seconds: float
    """Wall time of all trials, one after another."""


def estimate(
    configs: Sequence[TrialConfig], trials: int, dataset: Dataset, device: str | torch.device = "cpu"
) -> Estimate:
    """Estimate what a sweep costs; a configuration of middling size is timed for a few steps.

    Args:
        configs: at least one; the trials are taken to be these, in turn.
        trials: number of trials.
        dataset: their data.
        device: where they would be trained.
    """
    sizes = [count_parameters([dataset.features, *config.architecture, dataset.classes]) for config in configs]
    middle = configs[sizes.index(statistics.median_low(sizes))]
    selection, fixed = _seconds_per_parameter(middle, dataset, torch.device(device))
    networks = [len(config.members) * config.replicates for config in configs]
    turns = [len(range(place, trials, len(configs))) for place in range(len(configs))]
    return Estimate(
        trials=trials,
        networks=max(networks),
        network_epochs=sum(t * n * config.epochs for t, n, config in zip(turns, networks, configs, strict=True)),
        parameters=(min(sizes), max(sizes)),
        memory=max(_memory(config, dataset, size) for config, size in zip(configs, sizes, strict=True)),
        seconds=sum(
            t * n * size * _weighted_steps(config, dataset, selection, fixed)
            for t, n, size, config in zip(turns, networks, sizes, configs, strict=True)
        ),
    )


def _weighted_steps(config: TrialConfig, dataset: Dataset, selection: float, fixed: float) -> float:
    steps = -(-len(dataset.x_train) // config.batch_size)
    validation = 1 + len(dataset.x_val) / (3 * len(dataset.x_train))  # a forward pass is a third of a step
    epochs = config.selection_epochs * selection + (config.epochs - config.selection_epochs) * fixed
    return steps * validation * epochs


def _seconds_per_parameter(config: TrialConfig, dataset: Dataset, device: torch.device) -> tuple[float, float]:
    """Time a step of either phase, per parameter of the whole stack."""
    training = TwoPhaseTraining(config, dataset, device)
    batch = min(config.batch_size, len(dataset.x_train))
    x = training.data.x_train[:batch].expand(config.replicates, -1, -1).contiguous()
    y = training.data.y_train[:batch].expand(config.replicates, -1).contiguous()
    learned = training.stack.parameters.weights + training.stack.parameters.biases
    parameters = sum(tensor.numel() for tensor in learned)
    with torch.no_grad():
        selection = _median_seconds(lambda: training.train_step(x, y), device)
        training.hand_off()
        fixed = _median_seconds(lambda: training.train_step(x, y), device)
    return selection / parameters, fixed / parameters


def _median_seconds(step: Callable[[], object], device: torch.device) -> float:
    seconds = []
    for _ in range(_TIMED_STEPS + 1):
        start = time.perf_counter()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def _memory(config: TrialConfig, dataset: Dataset, parameters: int) -> int:
    networks = len(config.members) * config.replicates
    copies = _COPIES_WITH_MOMENTS if config.handoff_from == "best" else _COPIES
    activations = sum(config.architecture) * max(config.batch_size, EVALUATION_BATCH) * _ACTIVATION_COPIES
    data = sum(array.nbytes for array in dataset.arrays().values())
    return networks * (parameters * copies + activations) * _FLOAT_BYTES + data
