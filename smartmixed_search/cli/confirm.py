"""`confirm`: the best trials once more, on seeds that had no part in choosing them."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from smartmixed_search.cli.options import (
    common,
    data_dir,
    exit_code,
    placed,
    plugin_option,
    quiet_option,
    sweep_option,
    table_format,
)
from smartmixed_search.cli.tables import SETTING, outcome, print_frame
from smartmixed_search.search.execution import Execution

if TYPE_CHECKING:
    import pandas as pd

_TEST_MARGIN = {"margin": "test_margin", "low": "test_margin_low", "high": "test_margin_high"}


@click.command()
@sweep_option
@click.option(
    "--name", help="Name of the confirmation; the seeds do not depend on it.  [default: SWEEP-confirmed-REPLICATES]"
)
@click.option(
    "-k", default=3, show_default=True, type=click.IntRange(min=1), help="How many of the best trials to train again."
)
@click.option(
    "--replicates", default=10, show_default=True, type=click.IntRange(min=1), help="Fresh seeds per strategy."
)
@click.option("--dataset", metavar="FILE", help="Where the sweep's file is now, if it has moved.")
@placed
@quiet_option
@table_format
@data_dir
@plugin_option
@common
def confirm(
    sweep: str | None,
    name: str | None,
    k: int,
    replicates: int,
    dataset: str | None,
    execution: Execution,
    quiet: bool,
    output_format: str,
    data_dir: Path | None,
    plugins: tuple[str, ...],
    output_dir: Path,
    tracking_uri: str | None,
) -> int:
    """Train the best trials of a sweep again, baselines included, on seeds the sweep never used.

    The best of many trials looks better than it is: the luck of its seeds was chosen with it. Fresh seeds tell, and
    `compare` and `report` prefer their figures from then on. The same command continues what was interrupted; a larger
    -k adds trials. Plugins are not imported unless --plugin says so: the store may be somebody else's.
    """
    from smartmixed_search.cli.confirmation import confirm_sweep
    from smartmixed_search.tracking.questions.confirmations import confirmations
    from smartmixed_search.tracking.store.store import resolve_tracking_uri

    uri = resolve_tracking_uri(tracking_uri, output_dir)
    summary = confirm_sweep(
        sweep,
        name=name,
        k=k,
        replicates=replicates,
        dataset=dataset,
        output_dir=output_dir,
        tracking_uri=uri,
        data_dir=data_dir,
        plugins=plugins,
        execution=replace(execution, progress=not quiet),
    )
    if not summary.undelivered:
        table = confirmations(summary.confirms, uri)
        print_confirmed(table[table["replicates"] == replicates], output_format)
    return exit_code(summary)


def print_confirmed(confirmed: "pd.DataFrame", output_format: str) -> None:
    """Print what was measured; a table's columns say of which split and of which seeds a margin is."""
    if confirmed.empty or output_format != "table":
        print_frame(confirmed, output_format, lambda _: ())
        return
    kind, metric, direction = (confirmed[name].iloc[0] for name in ("objective_kind", "metric", "direction"))
    if kind != "margin":  # of one sweep; an objective is larger where it is better, the metric itself is told here
        kind = metric
        if direction == "min":
            confirmed = confirmed.assign(**{name: -confirmed[name] for name in ("objective", "confirmed_objective")})
    names = {"objective": f"val_{kind}_in_sweep", "confirmed_objective": f"val_{kind}"} | _TEST_MARGIN
    columns = ["trial", "architecture", *SETTING, "replicates", *outcome(metric), *names.values()]
    print_frame(confirmed.rename(columns=names), output_format, lambda _: columns)
    lower = "; where it is positive SmartMixed's is lower, so better" if direction == "min" else ""
    click.echo(
        f"val_{kind}_in_sweep is what the sweep chose a trial for, on validation; all else is from fresh seeds: "
        f"val_{kind} the same again, test_margin SmartMixed's test {metric} over that of the best fixed activation, "
        f"with its 95 % interval over replicates{lower}",
        err=True,
    )
