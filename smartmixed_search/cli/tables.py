"""Tables on standard output, and the columns that they have room for; CSV and JSON have every column."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pandas as pd

LEADERBOARD = ["place", "strategy", "mean_rank", "mrr", "wins", "top3_rate", "blocks", "trials"]
SETTING = ["phase_fraction", "temperature"]
OUTCOME = ["smartmixed_test_accuracy", "best_fixed", "best_fixed_test_accuracy"]
TOP = {
    "strategy": [*LEADERBOARD, "test_accuracy", *SETTING],
    "architecture": ["architecture", "rank", "strategy", "test_accuracy", *SETTING],
    "trial": ["trial", "architecture", *SETTING, "objective", "smartmixed_rank", *OUTCOME, "choice_confidence"],
}
COMPARISON = [*LEADERBOARD, "draws", "test_accuracy", "epochs", "optimizer_steps"]
PAIRS = ["rival", "blocks", "wins", "ties", "losses", "difference", "p_holm", "p_better", "p_equal", "p_worse"]
CONFIRMATION = ["trial", "architecture", *SETTING, "replicates", *OUTCOME]
STATUS = [
    *["sweep", "status", "trials", "finished", "failed", "stopped", "running"],
    *["objective_kind", "best_objective", "best_architecture"],
]
LEVELS = [
    *["setting", "value", "trials", "test_accuracy", "margin", "phase1_argmax", "phase1_sampled"],
    *["gross_sampled", "net_sampled", "choice_confidence"],
]


def print_frame(frame: "pd.DataFrame", output_format: str, table_columns: Sequence[str]) -> None:
    """Print on stdout: CSV and a JSON list of objects with every column, or a table of some, dataset by dataset."""
    if output_format == "csv":
        click.echo(frame.to_csv(index=False), nl=False)
    elif output_format == "json":
        click.echo(frame.to_json(orient="records", indent=2))
    else:
        from smartmixed_search.analysis.identity import by_dataset

        for dataset, rows in by_dataset(frame):
            click.echo(f"{dataset}:")
            click.echo(table(rows, table_columns))


def table(rows: "pd.DataFrame", columns: Sequence[str]) -> str:
    """Return some columns as a table."""
    return rows[list(columns)].to_string(index=False, na_rep="–", float_format="{:z.4f}".format)
