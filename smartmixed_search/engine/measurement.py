"""The figures of every network of a trained stack, at its checkpoints, on the host."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smartmixed_search.engine.evaluation import Evaluation
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.families import family_of
from smartmixed_search.trials.config import CONTROLS, SMARTMIXED
from smartmixed_search.trials.records import CONTROL, DIVERGED, FINISHED, RANKED, Choice, NetworkResult, accuracy_at


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What is kept of a trained stack, on the host: every network's figures, SmartMixed's choices and weights."""

    networks: list[NetworkResult]
    choices: list[Choice]
    """One per replicate; none without SmartMixed."""
    weights: dict[str, Tensor]
    """SmartMixed's checkpoints, units in their original order, as `replicate0.layer0.weight` and so on.

    A replicate that diverged before it had a checkpoint is left out.
    """


def measure(training: TwoPhaseTraining) -> Measured:
    """Compute what is kept of a trained stack; nothing of it stays on the device."""
    return Measured(
        networks=measure_networks(training), choices=describe_choices(training), weights=frozen_weights(training)
    )


def measure_networks(training: TwoPhaseTraining) -> list[NetworkResult]:
    """Compute every network's figures: the test split is looked at here, once per checkpoint, and nowhere else."""
    part, data, networks = training.part, training.data, training.networks
    tested, validated = len(data.y_test), len(data.y_val)
    final = _Table(training.evaluate("test", training.final), tested)
    at_handoff = {length: correct.cpu().numpy() for length, correct in training.test_correct_at.items()}
    phase1 = _phase1(training) if SMARTMIXED in part.members else []
    best = {name: tensor.cpu().numpy() for name, tensor in training.final.figures().items()}
    curves = _curves(training)
    alive = networks.optimizer.alive.cpu().numpy()
    epochs = training.epochs_alive.cpu().numpy()
    steps = (networks.optimizer.steps + training.steps_before_handoff).cpu().numpy()
    architecture, shape = training.config.architecture, data.shape
    parameters = family_of(architecture).parameters(architecture, shape, training.task.outputs)

    def network(row: int, column: int) -> NetworkResult:
        at, name = (row, column), part.members[column]
        found, is_smartmixed = best["epoch"][at] >= 0, name == SMARTMIXED
        val_correct = round(best["correct"][at]) if found else 0
        series = {key: values[row][column] for key, values in curves.items()}
        test_correct_at = {} if is_smartmixed else {str(n): float(correct[at]) for n, correct in at_handoff.items()}
        return NetworkResult(
            strategy=name,
            role=CONTROL if name in CONTROLS else RANKED,
            replicate=part.replicates[row],
            status=FINISHED if alive[at] else DIVERGED,
            parameters=parameters,
            best_epoch=int(best["epoch"][at]) if found else None,
            val_loss=_finite(best["loss"][at]) if found else None,
            val_accuracy=val_correct / validated,
            val_correct=val_correct,
            test_loss=final.loss(at) if found else None,
            test_accuracy=final.accuracy(at) if found else 0.0,
            test_correct=final.correct(at) if found else 0,
            val_loss_last=series["val_loss"][-1],
            val_accuracy_last=series["val_accuracy"][-1] or 0.0,
            epochs=int(epochs[at]),
            steps=int(steps[at]),
            test_accuracy_at_handoff=accuracy_at(training.config.selection_epochs, test_correct_at, tested),
            test_correct_at=test_correct_at,
            phase1=phase1[row] if is_smartmixed else {},
            curves=series,
        )

    return [network(row, column) for row in range(len(part.replicates)) for column in range(len(part.members))]


def _phase1(training: TwoPhaseTraining) -> list[dict[str, float | None]]:
    """Measure SmartMixed's phase-1 checkpoints with their argmax choices and with sampled ones, per replicate."""
    epochs = training.early.epoch[:, training.layout.columns[SMARTMIXED]].tolist()
    rows: list[dict[str, float | None]] = [{"best_epoch": epoch if epoch >= 0 else None} for epoch in epochs]
    for split in ("val", "test"):
        examples = len(getattr(training.data, f"y_{split}"))
        for kind in ("argmax", "sampled"):
            table = _Table(training.evaluate_selection(split, sampled=kind == "sampled"), examples)
            for replicate, row in enumerate(rows):
                found = row["best_epoch"] is not None
                row[f"{split}_accuracy_{kind}"] = table.accuracy((replicate, 0)) if found else 0.0
                row[f"{split}_loss_{kind}"] = table.loss((replicate, 0)) if found else None
    return rows


def describe_choices(training: TwoPhaseTraining) -> list[Choice]:
    """Return what the selection phase of every replicate arrived at; nothing if SmartMixed is not among the members."""
    selected, pool = training.selected, training.layout.pool
    if selected is None:
        return []
    names = np.array([activation.name for activation in pool])
    functions = [names[choice.cpu().numpy()] for choice in selected.choices]
    confidence = [p.max(-1).values.mean(-1).tolist() for p in selected.probabilities]
    entropy = [torch.special.entr(p).sum(-1).mean(-1).tolist() for p in selected.probabilities]
    changed = [share.tolist() for share in selected.changed]
    counts = [epoch.int().tolist() for epoch in training.choice_counts]
    return [
        Choice(
            replicate=replicate,
            functions=[layer[row].tolist() for layer in functions],
            confidence=[layer[row] for layer in confidence],
            entropy=[layer[row] for layer in entropy],
            changed=[layer[row] for layer in changed],
            counts=[epoch[row] for epoch in counts],
        )
        for row, replicate in enumerate(training.part.replicates)
    ]


def frozen_weights(training: TwoPhaseTraining) -> dict[str, Tensor]:
    """Return SmartMixed's checkpoints on the host; see `Measured.weights`."""
    column, selected = training.layout.smartmixed, training.selected
    if column is None or selected is None:
        return {}
    trained = (training.final.epoch[:, column] >= 0).nonzero().flatten().tolist()
    return {
        f"replicate{training.part.replicates[row]}.{name}": tensor[row].cpu().contiguous()
        for name, tensor in training.networks.weights(training.final.parameters, selected).items()
        for row in trained
    }


class _Table:
    """An evaluation on the host, in the units of a result."""

    def __init__(self, evaluation: Evaluation, examples: int) -> None:
        self._loss = evaluation.loss.cpu().numpy()
        self._correct = evaluation.correct.cpu().numpy()
        self._examples = examples

    def loss(self, at: tuple[int, int]) -> float | None:
        return _finite(self._loss[at])

    def correct(self, at: tuple[int, int]) -> int:
        return round(float(self._correct[at]))

    def accuracy(self, at: tuple[int, int]) -> float:
        return float(self._correct[at]) / self._examples


def _curves(training: TwoPhaseTraining) -> dict[str, list[list[list[float | None]]]]:
    """Return each curve as nested lists [R][S][epoch]."""
    stacked = {name: torch.stack(values, dim=-1).cpu().numpy() for name, values in training.curves.items()}
    stacked["val_accuracy"] = stacked.pop("val_correct") / len(training.data.y_val)
    return {
        name: [[[_finite(value) for value in series] for series in row] for row in values]
        for name, values in stacked.items()
    }


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
