"""`effects`: what the settings that a sweep crosses change."""

from typing import TYPE_CHECKING

import click

from smartmixed_search.cli.options import asks_store, sweep_option, table_format
from smartmixed_search.cli.tables import table

if TYPE_CHECKING:
    import pandas as pd

    from smartmixed_search.analysis.scale import Scale


_ONLY_IN_PAIRS = ("gross_argmax", "net_argmax")
"""Measures for which a table of levels has no room."""


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
    scale, over = found.scale, "[95 % interval over blocks: architectures with all other settings equal]"
    click.echo(f"{found.dataset}: mean over the trials with each value{_told(scale)}")
    shown = [str(name) for name in found.levels if name not in _ONLY_IN_PAIRS]
    click.echo(table(found.levels.assign(metric=scale.metric.name, unit=scale.metric.unit), shown))
    click.echo(f"\n{_heading(scale)} {over}")
    click.echo(_differences(found.paired, measures(scale.metric), scale))
    click.echo(f"\n{INTERVAL_CAVEAT}")


def _told(scale: "Scale") -> str:
    return f"; {scale.label} in {scale.unit}" if scale.factor == 1 and scale.unit else ""


def _heading(scale: "Scale") -> str:
    if scale.turned:
        return f"gains{_told(scale).replace('; ' + scale.label, '')}: {scale.turned}"
    return f"differences in {scale.unit_of_differences}" if scale.unit_of_differences else "differences"


def _differences(paired: "pd.DataFrame", words: dict[str, str], scale: "Scale") -> str:
    lines = []
    for (setting, value, against), rows in paired.groupby(["setting", "value", "against"], sort=False):
        blocks = int(rows["blocks"].max())
        lines.append(f"{setting}: {value} instead of {against} ({blocks} block{'s' if blocks != 1 else ''})")
        for measure, mean, low, high in zip(*(rows[name] for name in ("measure", "mean", "low", "high")), strict=True):
            difference = f"{mean:+z.3f}" if measure == "choice_confidence" else scale.gain(mean, low, high)
            lines.append(f"  {difference:<24} {words[measure]}")
    return "\n".join(lines)
