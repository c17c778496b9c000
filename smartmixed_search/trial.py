"""A trial: one configuration and one dataset in, one trained and measured stack out. A pure function."""

import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from smartmixed_search.config import SMARTMIXED, TrialConfig
from smartmixed_search.datasets import Dataset
from smartmixed_search.errors import ConfigError
from smartmixed_search.handoff import original_order
from smartmixed_search.measurement import measure
from smartmixed_search.ranking import objective
from smartmixed_search.result import Choice, TrialResult
from smartmixed_search.training import EpochReport, TwoPhaseTraining

Report = Callable[[int, dict[str, float]], None]
"""Called after every epoch with its number, from 0, and `epoch`, `epochs` and the objective at that epoch."""


def run_trial(
    config: TrialConfig,
    dataset: Dataset,
    device: str | torch.device = "cpu",
    report: Report | None = None,
    weights_path: str | Path | None = None,
) -> TrialResult:
    """Train and measure all networks of one configuration.

    Args:
        config: what to train.
        dataset: data of the name that the configuration gives.
        device: where to train.
        report: called after every epoch.
        weights_path: file to write SmartMixed's frozen networks to (safetensors); None: they are not kept.

    Raises:
        ConfigError: the dataset is not the one that the configuration names.

    Example:
        >>> from smartmixed_search.datasets import load_dataset
        >>> config = TrialConfig(dataset="digits", architecture=(8,), epochs=2, strategies=("smartmixed", "relu"))
        >>> [network.strategy for network in run_trial(config, load_dataset("digits")).networks]
        ['smartmixed', 'relu']
    """
    if dataset.name != config.dataset:
        raise ConfigError(f"the dataset must be {config.dataset!r}, as configured, however: {dataset.name!r}")
    start = time.perf_counter()
    training = TwoPhaseTraining(config, dataset, torch.device(device))
    training.run(report and _epoch_report(config, len(dataset.x_val), report))
    with torch.no_grad():
        networks = measure(training)
    if weights_path is not None:
        _save_weights(training, Path(weights_path))
    return TrialResult(
        config=config,
        key=config.key,
        networks=networks,
        choices=describe_choices(training),
        objective=objective(networks, config.objective),
        selection_epochs=config.selection_epochs,
        selection_steps=training.selection_steps,
        seconds=time.perf_counter() - start,
        environment=_environment(training.layout.device),
        weights_path=None if weights_path is None else str(weights_path),
    )


def describe_choices(training: TwoPhaseTraining) -> list[Choice]:
    """Return what the selection phase of every replicate arrived at, on the host."""
    selected, pool = training.selected, training.layout.pool
    assert selected is not None
    names = np.array([activation.name for activation in pool])
    functions = [names[choice.cpu().numpy()] for choice in selected.choices]
    confidence = [p.max(-1).values.mean(-1).tolist() for p in selected.probabilities]
    entropy = [torch.special.entr(p).sum(-1).mean(-1).tolist() for p in selected.probabilities]
    changed = [share.tolist() for share in selected.changed]
    return [
        Choice(
            replicate=replicate,
            functions=[layer[replicate].tolist() for layer in functions],
            confidence=[layer[replicate] for layer in confidence],
            entropy=[layer[replicate] for layer in entropy],
            changed=[layer[replicate] for layer in changed],
        )
        for replicate in range(training.config.replicates)
    ]


def _save_weights(training: TwoPhaseTraining, path: Path) -> None:
    """Write SmartMixed's checkpoints, neurons in their original order, with their functions in the metadata.

    A replicate that diverged before it had a checkpoint is left out.
    """
    assert training.selected is not None
    weights, biases = original_order(training.final.parameters, training.layout.smartmixed, training.selected.orders)
    trained = (training.final.epoch[:, training.layout.smartmixed] >= 0).nonzero().flatten().tolist()
    tensors = {}
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        for replicate in trained:
            tensors[f"replicate{replicate}.layer{layer}.weight"] = weight[replicate].cpu().contiguous()
            tensors[f"replicate{replicate}.layer{layer}.bias"] = bias[replicate].cpu().contiguous()
    functions = {choice.replicate: choice.functions for choice in describe_choices(training)}
    metadata = {"config": json.dumps(training.config.to_dict()), "choices": json.dumps(functions)}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata)


def _epoch_report(config: TrialConfig, examples: int, report: Report) -> EpochReport:
    """Turn counts of correct validation examples into the objective at that epoch."""
    smartmixed = config.members.index(SMARTMIXED)
    fixed = [config.members.index(name) for name in config.fixed_strategies]

    def after_epoch(epoch: int, correct: np.ndarray) -> None:
        accuracy = correct.mean(0) / examples
        rival = accuracy[fixed].max() if config.objective == "margin" else 0.0
        report(epoch, {"epoch": epoch, "epochs": config.epochs, config.objective: float(accuracy[smartmixed] - rival)})

    return after_epoch


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
