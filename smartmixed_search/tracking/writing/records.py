"""What of a result goes into MLflow, as plain dicts: parameters, metrics, curves and artifacts of schema 2.

Means and deviations are over the replicates that have a value (a network that diverged before its first checkpoint has
no loss; `diverged` counts such networks, and `…_lacking` those without a value of a metric); what no replicate has is
not recorded.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import pandas as pd

from smartmixed_search.families import family_of
from smartmixed_search.tasks.metric import ACCURACY, Metric
from smartmixed_search.trials.config import SMARTMIXED, TrialConfig
from smartmixed_search.trials.ranking import best_fixed_strategy
from smartmixed_search.trials.records import DIVERGED, SPLITS, Choice, Metrics, NetworkResult, choice_metrics
from smartmixed_search.trials.result import TrialResult

Params = dict[str, str]
Curve = list[tuple[int, float]]

_PARAM_LENGTH = 6000
"""MLflow's limit on a parameter's value; the whole value is in the artifact."""
_RANKS = ("rank", "rank_mean", "val_rank")
_CORRECT = "correct"


def sweep_params(space: Mapping[str, Any], seed: int) -> Params:
    """Return the space with nested keys joined by dots, and the seed."""
    return {name: _text(value) for name, value in _flat(space)} | {"seed": str(seed)}


def _flat(nested: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in nested.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _text(value: Any) -> str:
    if value is None or value == []:
        return "none"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= _PARAM_LENGTH else text[: _PARAM_LENGTH - 1] + "…"


def trial_params(config: TrialConfig) -> Params:
    """Return the whole configuration, one parameter per field."""
    return {name: _text(value) for name, value in config.to_dict().items()}


def trial_metrics(result: TrialResult, ranking: pd.DataFrame) -> Metrics:
    """Return the metrics of a trial run; `ranking` is that of `rank_networks`."""
    metrics: Metrics = {
        "objective": result.objective,
        "stack_seconds": result.seconds,
        "selection_epochs": result.selection_epochs,
        "selection_steps": result.selection_steps,
        "logit_learning_rate": result.logit_learning_rate,
    }
    smartmixed = _row(ranking, SMARTMIXED)
    metrics["smartmixed_rank"] = smartmixed["rank"]
    rival = best_fixed_strategy(result.networks, result.metric)
    tested = result.metric.test
    for whose, figures in (("smartmixed", smartmixed), ("best_fixed", {} if rival is None else _row(ranking, rival))):
        if tested in figures:
            metrics[f"{whose}_{tested}"] = figures[tested]
    return metrics | choice_metrics(result.choices)


def choices_artifact(choices: Sequence[Choice]) -> dict[str, dict[str, list[str]]]:
    """Return {replicate: {layer: [function, …]}}, layers and replicates counted from 0."""
    return {
        str(choice.replicate): {str(layer): functions for layer, functions in enumerate(choice.functions)}
        for choice in choices
    }


def choice_counts_artifact(result: TrialResult) -> dict[str, Any]:
    """Return {pool: [function, …], replicates: {replicate: [selection epoch][layer][function] → neurons}}."""
    return {"pool": list(result.config.pool), "replicates": {str(c.replicate): c.counts for c in result.choices}}


def strategy_params(config: TrialConfig, networks: Sequence[NetworkResult]) -> Params:
    """Return the parameters of a strategy run."""
    depth = family_of(config.architecture).depth(config.architecture)
    return {
        "parameters": str(networks[0].parameters),
        **({} if depth is None else {"depth": str(depth)}),
        "phase_fraction": str(config.phase_fraction),
        "temperature": str(config.temperature),
    }


def strategy_metrics(networks: Sequence[NetworkResult], ranking: pd.DataFrame, metric: Metric = ACCURACY) -> Metrics:
    """Return the metrics of a strategy run, from its networks and the ranking of its trial by a metric."""
    row = _row(ranking, networks[0].strategy)
    metrics: dict[str, float | None] = {name: row.get(name) for name in _RANKS}
    for split in SPLITS:
        for name in getattr(networks[0], split):
            values = {network.replicate: getattr(network, split)[name] for network in networks}
            metrics |= _summed(split, values) if name == _CORRECT else _over_replicates(f"{split}_{name}", values)
    for name in (metric.name, "loss"):
        metrics[f"val_{name}_last"] = _mean(network.val_last[name] for network in networks)
    metrics |= {f"best_epoch_r{network.replicate}": network.best_epoch for network in networks}
    metrics["epochs"] = statistics.fmean(network.epochs for network in networks)
    metrics["optimizer_steps"] = statistics.fmean(network.steps for network in networks)
    # What this trial has spent: a reused network's training is counted where it took place.
    metrics["optimizer_steps_spent"] = statistics.fmean(0 if n.reused_from else n.steps for n in networks)
    metrics["diverged"] = sum(network.status == DIVERGED for network in networks)
    metrics[f"{metric.test}_at_handoff"] = _mean(network.test_at_handoff for network in networks)
    for name in networks[0].phase1:
        metrics[f"phase1_{name}"] = _mean(network.phase1[name] for network in networks)
    return {name: float(value) for name, value in metrics.items() if value is not None}


def _row(ranking: pd.DataFrame, strategy: str) -> Metrics:
    """Return a strategy's figures in the ranking; a control's have no ranks."""
    row = ranking.loc[ranking["strategy"] == strategy].drop(columns=["strategy", "role"]).iloc[0].dropna()
    return {str(name): float(value) for name, value in row.items()}


def _summed(split: str, counts: Mapping[int, float | None]) -> dict[str, float | None]:
    return {f"{split}_{_CORRECT}": sum(count or 0 for count in counts.values())}


def _over_replicates(name: str, values: Mapping[int, float | None]) -> dict[str, float | None]:
    present = [value for value in values.values() if value is not None]
    lacking = len(values) - len(present)
    return {
        f"{name}_lacking": lacking or None,
        name: _mean(present),
        f"{name}_std": statistics.stdev(present) if len(present) > 1 else None,
        **{f"{name}_r{replicate}": value for replicate, value in values.items()},
    }


def _mean(values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return statistics.fmean(present) if present else None


def strategy_curves(networks: Sequence[NetworkResult]) -> dict[str, Curve]:
    """Return (epoch, mean over the replicates) of every curve, under its own key."""
    curves: dict[str, Curve] = {}
    for name in networks[0].curves:
        by_epoch = enumerate(zip_longest(*(network.curves[name] for network in networks)))
        means = ((epoch, _mean(values)) for epoch, values in by_epoch)
        curves[f"epoch/{name}"] = [(epoch, mean) for epoch, mean in means if mean is not None]
    return curves
