"""`sync`: brings to MLflow what could not be delivered while it was away."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from smartmixed_search.cli.options import common, plugin_option
from smartmixed_search.errors import SweepError, UserError
from smartmixed_search.errors.messages import in_short

if TYPE_CHECKING:
    from smartmixed_search.search.keeping.directory import SweepDirectory


@click.command()
@click.option("--sweep", help="Name of a sweep.  [default: all in the output folder]")
@plugin_option
@common
def sync(sweep: str | None, plugins: tuple[str, ...], output_dir: Path, tracking_uri: str | None) -> int:
    """Deliver settled trials that MLflow does not have yet.

    What was deleted on MLflow's page is brought back.

    With another --tracking-uri than a sweep was run with, it is recorded there as well, as a whole. A sweep that is
    being run is left to the process that runs it. Networks with functions of plugins are registered where --plugin
    names these: the folder may be somebody else's.
    """
    from smartmixed_search.search.recording.sync import find_sweeps
    from smartmixed_search.system.plugins import import_plugins
    from smartmixed_search.tracking.store.store import prepare_store, resolve_tracking_uri

    import_plugins(plugins)
    sweeps = find_sweeps(output_dir, sweep)
    uri = resolve_tracking_uri(tracking_uri, output_dir)
    prepare_store(uri)
    delivered = [_deliver(directory, uri) for directory in sweeps]
    return 0 if all(delivered) else 1


def _deliver(directory: "SweepDirectory", uri: str) -> bool:
    """Deliver one sweep, print how it stands, and return whether nothing is left to deliver."""
    from smartmixed_search.search.recording.sync import sync_sweep

    def say(message: str) -> None:
        click.echo(f"{directory.name}: {message}", err=True)

    with ExitStack() as stack:
        try:
            stack.enter_context(directory.hold(say))
        except SweepError as error:
            click.echo(f"{directory.name}: left to the process that runs it ({error})")
            return True
        try:
            found = sync_sweep(directory, uri, say)
        except Exception as error:  # whatever is wrong with one sweep, the others are delivered
            why = in_short(error, kind=not isinstance(error, UserError))
            click.echo(f"{directory.name}: not delivered ({why})")
            return False
    why = f" ({found.problem})" if found.missing and found.problem else ""
    click.echo(
        f"{directory.name}: {found.delivered} delivered, {found.settled - found.missing} of {found.settled} settled "
        f"trials in MLflow{why}"
    )
    return not found.missing
