"""`effects`: what the settings that a sweep crosses change."""

from typing import TYPE_CHECKING

import click

from smartmixed_search.cli.options import asks_store, sweep_option, table_format
from smartmixed_search.cli.tables import LEVELS, table

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@sweep_option
@table_format
@asks_store
def effects(sweep: str | None, output_format: str, uri: str) -> None:
    """Show what each setting that a sweep crosses does to SmartMixed, all others being equal.

    Made for grids such as the shipped space `ablation`. CSV and JSON hold the paired differences.
    """
    from smartmixed_search.analysis.effects import INTERVAL_CAVEAT, measures
    from smartmixed_search.tracking.questions import effects as tracked

    found = tracked.effects(sweep, uri)
    if output_format == "csv":
        click.echo(found.paired.to_csv(index=False), nl=False)
        return
    if output_format == "json":
        click.echo(found.paired.to_json(orient="records", indent=2))
        return
    if found.paired.empty:
        click.echo(
            "no setting is crossed: no two finished trials of this sweep differ in only one setting of a few values; "
            "the space ablation is made for it",
            err=True,
        )
        return
    click.echo(f"{found.dataset}: mean over the trials with each value")
    click.echo(table(found.levels, LEVELS))
    click.echo("\ndifferences in points [95 % interval over blocks: architectures with all other settings equal]")
    click.echo(_differences(found.paired, measures()))
    click.echo(f"\n{INTERVAL_CAVEAT}")


def _differences(paired: "pd.DataFrame", words: dict[str, str]) -> str:
    from smartmixed_search.cli.compare import points

    lines = []
    for (setting, value, against), rows in paired.groupby(["setting", "value", "against"], sort=False):
        blocks = int(rows["blocks"].max())
        lines.append(f"{setting}: {value} instead of {against} ({blocks} block{'s' if blocks != 1 else ''})")
        for measure, mean, low, high in zip(*(rows[name] for name in ("measure", "mean", "low", "high")), strict=True):
            difference = f"{mean:+z.3f}" if measure == "choice_confidence" else points(mean, low, high)
            lines.append(f"  {difference:<24} {words[measure]}")
    return "\n".join(lines)
