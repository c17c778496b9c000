"""A trial: one configuration and one dataset in, one trained and measured stack out. A pure function."""

import json
import platform
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from smartmixed_search.config import SMARTMIXED, TrialConfig
from smartmixed_search.datasets import Dataset
from smartmixed_search.errors import ConfigError
from smartmixed_search.measurement import Measured, measure
from smartmixed_search.parts import Part, in_parts
from smartmixed_search.ranking import objective
from smartmixed_search.result import Choice, NetworkResult, TrialResult
from smartmixed_search.training import EpochReport, TwoPhaseTraining

Report = Callable[[int, dict[str, float]], None]
"""Called once per epoch, in order, with its number, from 0, and `epoch`, `epochs` and the objective at that epoch.

That is when all networks have passed the epoch: in a trial that is trained in parts, while the last part trains.
"""


def run_trial(
    config: TrialConfig,
    dataset: Dataset,
    device: str | torch.device = "cpu",
    report: Report | None = None,
    weights_path: str | Path | None = None,
) -> TrialResult:
    """Train and measure all networks of one configuration, in parts if they do not fit into memory at once.

    Args:
        config: what to train.
        dataset: data of the name that the configuration gives.
        device: where to train.
        report: called after every epoch; see `Report`.
        weights_path: file to write SmartMixed's frozen networks to (safetensors); None: they are not kept.

    Raises:
        ConfigError: the dataset is not the one that the configuration names.
        ResourceError: a network by itself does not fit into memory.

    Example:
        >>> from smartmixed_search.datasets import load_dataset
        >>> config = TrialConfig(dataset="digits", architecture=(8,), epochs=2, strategies=("smartmixed", "relu"))
        >>> [network.strategy for network in run_trial(config, load_dataset("digits")).networks]
        ['smartmixed', 'relu']
    """
    if dataset.name != config.dataset:
        raise ConfigError(f"the dataset must be {config.dataset!r}, as configured, however: {dataset.name!r}")
    if weights_path is not None:
        Path(weights_path).parent.mkdir(parents=True, exist_ok=True)  # or be told before the training
    start = time.perf_counter()
    whole = Part.whole(config)
    epochs = None if report is None else _Epochs(config, whole, len(dataset.x_val), report)

    def train(part: Part) -> Measured:
        training = TwoPhaseTraining(config, dataset, torch.device(device), part=part)
        training.run(None if epochs is None else epochs.of(part))
        with torch.no_grad():
            return measure(training)

    parts = in_parts(config, whole, train)
    choices = [choice for part in parts for choice in part.choices]
    if weights_path is not None:
        weights = {name: tensor for part in parts for name, tensor in part.weights.items()}
        _save_weights(config, choices, weights, Path(weights_path))
    return assemble(
        config,
        [network for part in parts for network in part.networks],
        choices,
        selection_steps=config.selection_epochs * -(-len(dataset.x_train) // config.batch_size),
        seconds=time.perf_counter() - start,
        environment=_environment(torch.device(device)) | {"parts": str(len(parts))},
        weights_path=None if weights_path is None else str(weights_path),
    )


def assemble(
    config: TrialConfig,
    networks: Iterable[NetworkResult],
    choices: Iterable[Choice],
    *,
    selection_steps: int,
    seconds: float,
    environment: dict[str, str],
    weights_path: str | None = None,
) -> TrialResult:
    """Put a trial's networks and choices together, whichever parts trained them, in the configuration's order.

    Args:
        config: the trial's configuration.
        networks: one for each member and replicate, in any order.
        choices: one for each replicate, in any order.
        selection_steps: see `TrialResult`, as for the others.
        seconds: wall time of all parts.
        environment: what the trial ran with.
        weights_path: where SmartMixed's networks were written.
    """
    places = {name: place for place, name in enumerate(config.members)}
    ordered = sorted(networks, key=lambda network: (network.replicate, places[network.strategy]))
    assert len({(n.replicate, n.strategy) for n in ordered}) == len(ordered) == config.replicates * len(places)
    return TrialResult(
        config=config,
        key=config.key,
        networks=ordered,
        choices=sorted(choices, key=lambda choice: choice.replicate),
        objective=objective(ordered, config.objective),
        selection_epochs=config.selection_epochs,
        selection_steps=selection_steps,
        seconds=seconds,
        environment=environment,
        weights_path=weights_path,
    )


class _Epochs:
    """Gathers what the parts of a trial report, and reports every epoch once, when all networks have passed it.

    Parts train one after another, so all but the last only leave their counts here. An epoch that is trained again,
    in smaller parts because memory ran out after it, is not reported again.
    """

    def __init__(self, config: TrialConfig, whole: Part, examples: int, report: Report) -> None:
        self._config = config
        self._whole = whole
        self._examples = examples
        self._report = report
        self._correct = np.full((config.epochs, len(whole.replicates), len(whole.members)), np.nan)
        self._next = 0

    def of(self, part: Part) -> EpochReport:
        """Return what is to be called after every epoch of a part."""
        rows = [self._whole.replicates.index(replicate) for replicate in part.replicates]
        columns = [self._whole.members.index(name) for name in part.members]

        def after_epoch(epoch: int, correct: np.ndarray) -> None:
            self._correct[epoch][np.ix_(rows, columns)] = correct
            if epoch == self._next and not np.isnan(self._correct[epoch]).any():
                self._next += 1
                self._report(epoch, self._metrics(epoch))

        return after_epoch

    def _metrics(self, epoch: int) -> dict[str, float]:
        """Turn counts of correct validation examples into the objective at that epoch."""
        accuracy = dict(zip(self._whole.members, self._correct[epoch].mean(0) / self._examples, strict=True))
        kind = self._config.objective
        rival = max(accuracy[name] for name in self._config.fixed_strategies) if kind == "margin" else 0.0
        return {"epoch": epoch, "epochs": self._config.epochs, kind: float(accuracy[SMARTMIXED] - rival)}


def _save_weights(config: TrialConfig, choices: Iterable[Choice], weights: dict[str, Tensor], path: Path) -> None:
    """Write SmartMixed's checkpoints of all replicates, with their functions in the metadata."""
    functions = {choice.replicate: choice.functions for choice in choices}
    metadata = {"config": json.dumps(config.to_dict()), "choices": json.dumps(functions)}
    save_file(weights, path, metadata)


def _environment(device: torch.device) -> dict[str, str]:
    """Describe what a result may depend on beside configuration and data."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "device": device.type,
        "device_name": name,
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
