"""The figures of every network of a trained stack, at its checkpoints, on the host."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smartmixed_search.engine.evaluation import Evaluation
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.families import family_of
from smartmixed_search.method.rivals import start_of
from smartmixed_search.tasks.metric import Metric
from smartmixed_search.trials.config import CONTROLS, SMARTMIXED
from smartmixed_search.trials.metrics import measured_by
from smartmixed_search.trials.records import (
    CONTROL,
    DIVERGED,
    FINISHED,
    RANKED,
    SPLITS,
    Choice,
    NetworkResult,
    value_at,
)


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
    part, config, metric = training.part, training.config, training.metric
    splits = {split: _at_checkpoints(training, split) for split in SPLITS}
    at_handoff = {length: quantities.cpu().numpy() for length, quantities in training.test_at.items()}
    phase1 = _phase1(training) if SMARTMIXED in part.members else []
    curves = _curves(training)
    best = training.final.epoch.cpu().numpy()
    alive = training.networks.optimizer.alive.cpu().numpy()
    epochs = training.epochs_alive.cpu().numpy()
    steps = (training.networks.optimizer.steps + training.steps_before_handoff).cpu().numpy()
    shape = training.data.shape
    parameters = family_of(config.architecture).parameters(config.architecture, shape, training.task.outputs)
    units = sum(training.layout.site_units)

    def network(row: int, column: int) -> NetworkResult:
        at, name = (row, column), part.members[column]
        found, is_smartmixed = bool(best[at] >= 0), name == SMARTMIXED
        series = {key: values[row][column] for key, values in curves.items()}
        test_at = {} if is_smartmixed else {str(n): _finite(values[at]) for n, values in at_handoff.items()}
        return NetworkResult(
            strategy=name,
            role=CONTROL if name in CONTROLS else RANKED,
            replicate=part.replicates[row],
            status=FINISHED if alive[at] else DIVERGED,
            parameters=parameters + len(start_of(name, len(config.pool))) * units,
            best_epoch=int(best[at]) if found else None,
            val=splits["val"].figures(at, found),
            test=splits["test"].figures(at, found),
            val_last={"loss": series["val_loss"][-1], metric.name: _or_nothing(series[metric.val][-1], metric)},
            epochs=int(epochs[at]),
            steps=int(steps[at]),
            test_at_handoff=value_at(config.selection_epochs, test_at, metric, len(training.data.y_test)),
            phase1=phase1[row] if is_smartmixed else {},
            curves=series,
            test_at=test_at,
        )

    return [network(row, column) for row in range(len(part.replicates)) for column in range(len(part.members))]


def _at_checkpoints(training: TwoPhaseTraining, split: str) -> "_Table":
    """Measure all networks at their best epochs by everything; what was kept of an epoch is not computed again."""
    metrics = measured_by(training.task, training.metric)
    evaluation = training.evaluate(split, training.final, metrics)
    if split == "val":
        kept = training.final
        evaluation = Evaluation(kept.loss, {**evaluation.quantities, **kept.quantities})
    return _Table(evaluation, metrics, len(getattr(training.data, f"y_{split}")))


def _phase1(training: TwoPhaseTraining) -> list[dict[str, float | None]]:
    """Measure SmartMixed's phase-1 checkpoints with their argmax choices and with sampled ones, per replicate."""
    epochs = training.early.epoch[:, training.layout.columns[SMARTMIXED]].tolist()
    rows: list[dict[str, float | None]] = [{"best_epoch": epoch if epoch >= 0 else None} for epoch in epochs]
    metric = training.metric
    for split in SPLITS:
        examples = len(getattr(training.data, f"y_{split}"))
        for kind in ("argmax", "sampled"):
            table = _Table(training.evaluate_selection(split, sampled=kind == "sampled"), [metric], examples)
            for replicate, row in enumerate(rows):
                figures = table.figures((replicate, 0), row["best_epoch"] is not None)
                row |= {f"{split}_{name}_{kind}": figures[name] for name in (metric.name, "loss")}
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

    def __init__(self, evaluation: Evaluation, metrics: Sequence[Metric], examples: int) -> None:
        self._loss = evaluation.loss.cpu().numpy()
        self._quantities = {name: tensor.cpu().numpy() for name, tensor in evaluation.quantities.items()}
        self._metrics, self._examples = metrics, examples

    def figures(self, at: tuple[int, int], found: bool) -> dict[str, float | None]:
        """Return loss, metrics and counts of a network; without a checkpoint it has none, and counts are 0."""
        figures = {"loss": _finite(self._loss[at]) if found else None}
        for metric in self._metrics:
            quantity = float(self._quantities[metric.quantity][at]) if found else metric.nothing
            figures[metric.name] = metric.value(quantity, self._examples)
            if metric.count:
                figures[metric.count] = round(quantity)
        return figures


def _curves(training: TwoPhaseTraining) -> dict[str, list[list[list[float | None]]]]:
    """Return each curve as nested lists [R][S][epoch]."""
    stacked = {name: torch.stack(values, dim=-1).cpu().numpy() for name, values in training.curves.items()}
    metric = training.metric
    if metric.count:
        stacked[metric.val] = stacked.pop(metric.exact("val")) / len(training.data.y_val)
    return {
        name: [[[_finite(value) for value in series] for series in row] for row in values]
        for name, values in stacked.items()
    }


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _or_nothing(value: float | None, metric: Metric) -> float | None:
    return _finite(metric.nothing) if value is None else value
