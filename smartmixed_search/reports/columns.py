"""The columns of the report's tables: each has its heading and its format here, and nowhere else."""

from collections.abc import Mapping

from smartmixed_search.analysis.scale import Scale
from smartmixed_search.reports.tables import (
    PERCENT,
    POINTS,
    RANK,
    WORDS,
    Column,
    Format,
    count,
    fixed,
    p_value,
)

COLUMNS: Mapping[str, Column] = {
    "agreement": ("equal choices, %", PERCENT),
    "architecture": ("architecture", WORDS),
    "architectures": ("architectures", count),
    "best_fixed": ("best fixed", WORDS),
    "blocks": ("architectures", count),
    "by_chance": ("by chance, %", PERCENT),
    "choice_confidence": ("choice confidence", RANK),
    "claimed": ("claimed", WORDS),
    "depth": ("relative depth", count),
    "draws": ("draws", count),
    "epoch": ("epoch", count),
    "epochs": ("epochs", count),
    "family": ("family", WORDS),
    "from": ("from", fixed(3)),
    "function": ("function", WORDS),
    "kappa": ("kappa", fixed(3)),
    "key": ("key", WORDS),
    "layer": ("layer", count),
    "levels": ("levels", count),
    "losses": ("losses", count),
    "mean_rank": ("mean rank", RANK),
    "mrr": ("MRR", fixed(3)),
    "networks": ("networks", count),
    "optimizer_steps": ("optimiser steps", fixed(0)),
    "p_better": ("P(better)", fixed(3)),
    "p_equal": ("P(equal)", fixed(3)),
    "p_holm": ("p (Holm)", p_value),
    "p_worse": ("P(worse)", fixed(3)),
    "parameters": ("parameters", fixed(0)),
    "phase_fraction": ("φ", fixed(3)),
    "place": ("place", count),
    "reason": ("figures missing because", WORDS),
    "replicates": ("fresh seeds", count),
    "rival": ("rival", WORDS),
    "selecting": ("still selecting", count),
    "share": ("share, %", PERCENT),
    "slope": ("first to last layer, points", POINTS),
    "smartmixed_rank": ("SmartMixed's rank", count),
    "strategy": ("strategy", WORDS),
    "temperature": ("τ", fixed(3)),
    "ties": ("ties", count),
    "to": ("to", fixed(3)),
    "top3_rate": ("top 3, %", fixed(0, 100)),
    "trial": ("trial", WORDS),
    "trials": ("trials", count),
    "value": ("value", WORDS),
    "wins": ("wins", count),
}


def gains(scale: Scale) -> Format:
    """Return how a table writes differences of a metric."""
    return lambda value: scale.number(value, sign=True)


def metric_columns(scale: Scale) -> dict[str, Column]:
    """Return the columns of a metric, and of differences in it."""
    test, value, gain = scale.metric.test, scale.number, gains(scale)
    return {
        test: (scale.heading("test"), value),
        f"{test}_std": ("± sd", value),
        f"smartmixed_{test}": (scale.heading("test"), value),
        f"best_fixed_{test}": ("its, %" if scale.factor == 100 else "its", value),
        "objective": ("objective × 100" if scale.factor == 100 else scale.differences("objective"), gain),
        "confirmed_objective": ("on fresh seeds", gain),
        "margin": (scale.differences("margin"), gain),
        "mean": (scale.differences("mean"), gain),
        "mean_difference": (scale.differences("mean"), gain),
    }


def columns(*names: str, scale: Scale | None = None) -> dict[str, Column]:
    """Return some columns, as `tables.html_table` takes them; those of a metric by its scale, by default accuracy's."""
    known = {**COLUMNS, **metric_columns(scale or Scale())}
    return {name: known[name] for name in names}


def interval(form: Format) -> dict[str, Column]:
    """Return the ends of an interval, written as what it is the interval of."""
    return {"low": ("low", form), "high": ("high", form)}
