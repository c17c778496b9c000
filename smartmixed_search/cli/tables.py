"""Tables on standard output, and the columns that they have room for; CSV and JSON have every column."""

from collections.abc import Callable, Sequence
from math import floor, log10
from typing import TYPE_CHECKING

import click

from smartmixed_search.analysis.scale import Scale
from smartmixed_search.tasks.metric import ACCURACY, NATS, NONE, SHARE, Metric

if TYPE_CHECKING:
    import pandas as pd

LEADERBOARD = ["place", "strategy", "mean_rank", "mrr", "wins", "top3_rate", "blocks", "trials"]
SETTING = ["phase_fraction", "temperature"]
PAIRS = ["rival", "blocks", "wins", "ties", "losses", "difference", "p_holm", "p_better", "p_equal", "p_worse"]
STATUS = [
    *["sweep", "status", "trials", "finished", "failed", "stopped", "running"],
    *["metric", "objective_kind", "best_objective", "best_architecture"],
]
_BOUNDED = (SHARE, NATS, NONE)
"""Units of figures of which four decimals are enough."""
_GAINS = ("objective", "best_objective", "margin", "gross_sampled", "net_sampled", "phase1_argmax", "phase1_sampled")
"""Columns in the metric's unit that do not have its name."""
_DIGITS = 4
"""Of figures in a target's unit, where there are as many."""


def outcome(metric: str) -> list[str]:
    """Return the columns of what came out of a trial."""
    return [f"smartmixed_test_{metric}", "best_fixed", f"best_fixed_test_{metric}"]


def top_columns(by: str, metric: str, *, learned: bool = False) -> list[str]:
    """Return the columns of a list of `top`; with strategies that learn more, how many parameters each has."""
    figures = [f"test_{metric}", *(["parameters"] if learned else [])]
    columns = {
        "strategy": [*LEADERBOARD, *figures, *SETTING],
        "architecture": ["architecture", "rank", "strategy", *figures, *SETTING],
        "trial": [
            *["trial", "architecture", *SETTING, "objective", "smartmixed_rank", *outcome(metric), "choice_confidence"]
        ],
    }
    return columns[by]


def heading(dataset: str, rows: "pd.DataFrame", *, always: bool = False) -> str:
    """Return what stands above a dataset's rows: by which metric they are ranked, unless it is accuracy as always."""
    metric, direction, unit = (str(rows[name].iloc[0]) for name in ("metric", "direction", "unit"))
    if metric == ACCURACY.name and not always:
        return f"{dataset}:"
    scale = Scale(metric=Metric(name=metric, label=metric, direction="min" if direction == "min" else "max", unit=unit))
    inside = f" ({scale.unit})" if scale.unit and scale.unit != "%" else ""
    return f"{dataset}, by {metric}{inside}, {scale.better} is better:"


def print_frame(
    frame: "pd.DataFrame", output_format: str, columns: Callable[[str], Sequence[str]], *, ranked: bool = True
) -> None:
    """Print on stdout: CSV and a JSON list of objects with every column, or a table, dataset by dataset.

    `columns` returns the columns that a table has room for, by the metric of the dataset. Headings name it where rows
    are `ranked` by it.
    """
    if output_format == "csv":
        click.echo(frame.to_csv(index=False), nl=False)
    elif output_format == "json":
        click.echo(frame.to_json(orient="records", indent=2))
    else:
        from smartmixed_search.analysis.identity import by_dataset

        for dataset, rows in by_dataset(frame):
            click.echo(heading(dataset, rows) if ranked else f"{dataset}:")
            click.echo(table(rows, columns(str(rows["metric"].iloc[0]) if ranked else "")))


def table(rows: "pd.DataFrame", columns: Sequence[str]) -> str:
    """Return some columns as a table; figures in a unit of their own with as many decimals as their size asks for."""
    in_unit = rows["unit"].iloc[0] not in _BOUNDED if len(rows) and "unit" in rows else False
    metric = f"_{rows['metric'].iloc[0]}" if in_unit else ""
    own = [name for name in columns if in_unit and (name.endswith(metric) or name in _GAINS)]
    return rows[list(columns)].to_string(
        index=False, na_rep="–", float_format="{:z.4f}".format, formatters={name: _sized(rows[name]) for name in own}
    )


def _sized(values: "pd.Series[float]") -> Callable[[float], str]:
    """Return a format with four digits of the column's typical value; of what is far from that, with an exponent."""
    known = values.abs()[values.abs() > 0]
    size = floor(log10(known.median())) if known.notna().any() else 0
    decimals = max(0, _DIGITS - 1 - size)

    def write(value: float) -> str:
        return f"{value:.{_DIGITS}g}" if abs(value) >= 10 ** (size + _DIGITS) else f"{value:z.{decimals}f}"

    return write
