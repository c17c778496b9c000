"""What a finished sweep says at its end: the best strategies, what they come to, and what to do next."""

import shlex
from typing import TYPE_CHECKING

import click

from smartmixed_search.cli.query import print_top
from smartmixed_search.errors.messages import concealed

if TYPE_CHECKING:
    from smartmixed_search.search.summary import SweepSummary


def print_answer(summary: "SweepSummary") -> None:
    """Print the top 3, the first sentence of the conclusion, and the commands that tell more; nothing without a trial.

    A store that cannot be read just now takes nothing from the sweep: a line says so.
    """
    if summary.interrupted or summary.undelivered or not summary.settled["finished"]:
        return
    from smartmixed_search.errors import TrackingError
    from smartmixed_search.tracking.questions import queries

    try:
        frame = queries.top(sweep=summary.name, tracking_uri=summary.tracking_uri)
        found = queries.compare(summary.name, tracking_uri=summary.tracking_uri)
    except TrackingError as error:
        click.echo(f"the answer cannot be read from MLflow now: {error}", err=True)
        return
    print_top(frame, "table", "strategy")
    for comparison in found:
        click.echo(f"\n{comparison.conclusion.split('. ', 1)[0].rstrip('.')}.")
    where = _options()
    click.echo(f"\nnext: smartmixed-search compare{where}")
    click.echo(f"      smartmixed-search confirm{where}")
    click.echo(f"      smartmixed-search report{where}")


def _options() -> str:
    """Return the options by which another command finds the same store, if they were given; secrets left out."""
    context, found = click.get_current_context(), ""
    for name in ("output_dir", "tracking_uri"):
        if context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE:
            found += f" --{name.replace('_', '-')} {shlex.quote(concealed(str(context.params[name])))}"
    return found
