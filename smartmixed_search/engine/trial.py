"""A trial: one configuration and one dataset in, one trained and measured stack out. A pure function."""

import json
import platform
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smartmixed_search.datasets import Dataset
from smartmixed_search.engine.epochs import Report, TrialEpochs, printed
from smartmixed_search.engine.evaluation import uninformed
from smartmixed_search.engine.measurement import Measured, measure
from smartmixed_search.engine.networks import EpochReport
from smartmixed_search.engine.parts import Part, in_parts
from smartmixed_search.engine.reuse import reusable
from smartmixed_search.engine.state import States
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.errors import ConfigError, TrialInterrupted
from smartmixed_search.export.weights import serialize
from smartmixed_search.system.checksums import checksum
from smartmixed_search.system.denormals import flushed_denormals
from smartmixed_search.system.files import locate, write_atomically
from smartmixed_search.system.plugins import require_plugins
from smartmixed_search.tasks.metric import ACCURACY, Metric
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.metrics import metric_of
from smartmixed_search.trials.ranking import objective
from smartmixed_search.trials.records import Choice, NetworkResult
from smartmixed_search.trials.result import TrialResult


def run_trial(
    config: TrialConfig,
    dataset: Dataset,
    device: str | torch.device = "cpu",
    report: Report | None = None,
    weights_path: str | Path | None = None,
    *,
    state_dir: Path | None = None,
    stop: Callable[[], bool] | None = None,
    reuse: TrialResult | None = None,
    handoff_epochs: Collection[int] = (),
    progress: bool = False,
) -> TrialResult:
    """Train and measure all networks of one configuration, in parts if they do not fit into memory at once.

    Args:
        config: what to train.
        dataset: data of the name that the configuration gives.
        device: where to train.
        report: called after every epoch; see `Report`.
        weights_path: file to write SmartMixed's frozen networks to (safetensors); None: they are not kept.
        state_dir: folder where an earlier attempt at the trial, that was killed, left how far it was: training goes on
            from there, to the same numbers, and leaves its own progress there. Once the result is
            durable, nothing in it is needed.
        stop: asked after every epoch but the last whether to stop.
        reuse: an earlier result on the same dataset, from which to take over the networks that training would only
            give again; see `reuse.reusable`.
        handoff_epochs: selection lengths, each less than the epochs, of trials that may reuse this one's networks.
        progress: whether stderr says now and then how far the training is.

    Raises:
        ConfigError: the dataset is not the one that the configuration names, or is split another number of times, a
            plugin has not been imported, or metric, objective or output are not of the dataset's task.
        ResourceError: a network by itself does not fit into memory.
        TrialInterrupted: `stop` said so; how far the trial is has been written to `state_dir`.

    Example:
        >>> from smartmixed_search.datasets import load_dataset
        >>> config = TrialConfig(dataset="digits", architecture=(8,), epochs=2, strategies=("smartmixed", "relu"))
        >>> [network.strategy for network in run_trial(config, load_dataset("digits")).networks]
        ['smartmixed', 'relu']
    """
    metric = _metric(config, dataset)
    splits = [split.limited(config.train_examples) for split in dataset.splits]
    target = None if weights_path is None else locate(weights_path)
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)  # or be told before the training
    states, device = States(state_dir), torch.device(device)
    nothing = uninformed(dataset.task, dataset.y_val, metric)
    environment = _environment(device) | {"dataset_checksum": dataset.checksum}
    reused = reusable(config, environment, reuse, [len(split.x_test) for split in splits])
    part = Part.whole(config).without({network.strategy for network in reused})
    if progress:
        report = printed(config, report, sys.stderr)
    epochs = TrialEpochs(config, metric, [len(split.x_val) for split in splits], nothing, report)
    epochs.reuse(reused)
    attempt = _Attempt(config, splits, device, epochs, states, stop, handoff_epochs, networks=part.networks)
    with flushed_denormals():
        parts = [
            measured
            for split in range(config.splits)
            for measured in in_parts(config, part.of_split(split, config.splits), attempt.train)
        ]
    choices = [choice for part in parts for choice in part.choices]
    weights_checksum = None
    if target is not None:
        weights = {name: tensor for part in parts for name, tensor in part.weights.items()}
        weights_checksum = _save_weights(config, splits, choices, weights, target)
    return assemble(
        config,
        [*reused, *(network for part in parts for network in part.networks)],
        choices,
        selection_steps=config.selection_epochs * -(-len(splits[0].x_train) // config.batch_size),
        seconds=states.seconds,
        environment=environment | {"parts": str(len(parts))},
        metric=metric,
        uninformed=nothing,
        task=dataset.task.name,
        target_deviation=dataset.task.target_deviation(dataset.y_test),
        weights_path=None if target is None else str(target),
        weights_checksum=weights_checksum,
    )


def _metric(config: TrialConfig, dataset: Dataset) -> Metric:
    """Return what ranks, once the dataset is what the configuration asks for; see `run_trial`."""
    if dataset.name != config.dataset:
        raise ConfigError(f"the dataset must be {config.dataset!r}, as configured, but got {dataset.name!r}")
    require_plugins(config.plugins)
    if len(dataset.splits) != config.splits:
        raise ConfigError(
            f"the dataset must be split {config.splits} times, as configured by folds and repeats, but it is "
            f"{len(dataset.splits)} times; load_dataset takes the same folds and repeats"
        )
    return metric_of(config.metric, config.objective, dataset.task.receiving(config.output).name)


class _Attempt:
    """One attempt at a trial: trains its parts, each from where an earlier attempt left it.

    Args:
        config: the trial's configuration.
        splits: its data, in every way in which they are split.
        device: where to train.
        epochs: told of every epoch of every part.
        states: where the parts are found, and left.
        stop: asked whether to stop.
        handoff_epochs: see `run_trial`.
        networks: how many there are to train.
    """

    def __init__(
        self,
        config: TrialConfig,
        splits: Sequence[Dataset],
        device: torch.device,
        epochs: TrialEpochs,
        states: States,
        stop: Callable[[], bool] | None,
        handoff_epochs: Collection[int],
        *,
        networks: int,
    ) -> None:
        self._config, self._splits, self._device = config, splits, device
        self._epochs, self._states, self._stop = epochs, states, stop
        self._handoff_epochs = handoff_epochs
        self._left = networks

    def train(self, part: Part) -> Measured:
        """Train a part, all of one split, to its end, and measure it."""
        split = self._splits[part.replicates[0] % len(self._splits)]
        training = TwoPhaseTraining(self._config, split, self._device, part=part, handoff_epochs=self._handoff_epochs)
        self._states.restore(training)
        report = self._epochs.of(part)
        for epoch, measured in enumerate(training.curves[training.metric.exact("val")]):
            report(epoch, measured.cpu().numpy())
        training.run(partial(self._after_epoch, training, report))
        with torch.no_grad():
            outcome = measure(training)
        self._left -= part.networks
        return outcome

    def _after_epoch(self, training: TwoPhaseTraining, report: EpochReport, epoch: int, measured: np.ndarray) -> None:
        report(epoch, measured)
        ends = training.epoch == self._config.epochs
        if ends and training.part.networks == self._left:
            return  # of the last part: only the result is missing
        stop = self._stop is not None and self._stop()
        if stop or ends or self._states.due:
            self._states.save(training)
        if stop:
            raise TrialInterrupted(
                f"the trial was asked to stop, after {training.epoch} of {self._config.epochs} epochs"
            )


def assemble(
    config: TrialConfig,
    networks: Iterable[NetworkResult],
    choices: Iterable[Choice],
    *,
    selection_steps: int,
    seconds: float,
    environment: dict[str, str],
    metric: Metric = ACCURACY,
    uninformed: float = 0.0,
    **facts: Any,
) -> TrialResult:
    """Put a trial's networks and choices together, whichever parts trained them, in the configuration's order.

    Args:
        config: the trial's configuration.
        networks: one for each member and replicate, in any order.
        choices: one for each replicate, in any order.
        selection_steps: see `TrialResult`, as for the others.
        seconds: wall time of all parts.
        environment: what the trial ran with.
        metric: what ranks.
        uninformed: see `ranking.objective`.
        facts: what else a result has.
    """
    places = {name: place for place, name in enumerate(config.members)}
    ordered = sorted(networks, key=lambda network: (network.replicate, places[network.strategy]))
    assert len({(n.replicate, n.strategy) for n in ordered}) == len(ordered) == config.all_replicates * len(places)
    return TrialResult(
        config=config,
        key=config.key,
        networks=ordered,
        choices=sorted(choices, key=lambda choice: choice.replicate),
        objective=objective(ordered, config.objective, metric, uninformed),
        selection_epochs=config.selection_epochs,
        selection_steps=selection_steps,
        seconds=seconds,
        environment=environment,
        metric=Metric.from_dict(metric.to_dict()),
        **facts,
    )


def _save_weights(
    config: TrialConfig,
    splits: Sequence[Dataset],
    choices: Iterable[Choice],
    weights: dict[str, Tensor],
    path: Path,
) -> str:
    """Write SmartMixed's checkpoints of all replicates, with what `weights` lists as metadata; return the checksum."""
    functions = {choice.replicate: choice.functions for choice in choices}
    metadata = {"config": json.dumps(config.to_dict()), "choices": json.dumps(functions)}
    known = [split.preparation.to_dict() for split in splits if split.preparation is not None]
    if not isinstance(config.architecture, tuple):
        metadata["sizes"] = json.dumps([splits[0].shape, splits[0].task.outputs])
    if known:
        metadata["preparation"] = json.dumps(known[0] if len(known) == 1 else known)
    content = serialize(weights, metadata)
    write_atomically(path, content)
    return checksum(content)


def _environment(device: torch.device) -> dict[str, str]:
    """Describe what a result may depend on beside configuration and data."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "device": device.type,
        "device_name": name,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
        "deterministic": str(torch.are_deterministic_algorithms_enabled()).lower(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
