"""`report`: one page on a sweep, to be sent to a colleague."""

from pathlib import Path

import click

from smartmixed_search.cli.options import asks_store, sweep_option


@click.command()
@sweep_option
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default="report.html",
    show_default=True,
    help="Where to write the page; an older one is replaced.",
)
@click.option("--keep/--no-keep", default=True, show_default=True, help="Also store it with the sweep's run in MLflow.")
@asks_store
def report(sweep: str | None, out: Path, keep: bool, uri: str) -> None:
    """Write one self-contained HTML page: conclusion, leaderboard, rankings, preferences, curves, tuning."""
    from smartmixed_search.errors import TrackingError
    from smartmixed_search.system.files import check_place, write_atomically

    check_place(out, "--out")
    click.echo("loading MLflow and matplotlib", err=True)
    from smartmixed_search.reports import report as reporting

    made = reporting.make_report(sweep, uri)
    write_atomically(out.absolute(), made.page)
    click.echo(f"{out}: {len(made.page.encode()) / 1e6:.1f} MB")
    if keep:
        try:
            made.keep()
        except TrackingError as error:
            click.echo(f"the page is not kept in MLflow ({error}); --no-keep does not try", err=True)
