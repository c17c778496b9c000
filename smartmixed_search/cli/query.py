"""`top` and `status`: what MLflow knows."""

from typing import TYPE_CHECKING

import click

from smartmixed_search.cli.options import all_sweeps_option, asks_store, metric_option, sweep_option, table_format
from smartmixed_search.cli.tables import STATUS, heading, print_frame, table, top_columns

if TYPE_CHECKING:
    import pandas as pd


@click.command()
@click.option("-k", default=3, show_default=True, type=click.IntRange(min=1), help="How many to show.")
@click.option(
    "--by",
    type=click.Choice(["strategy", "architecture", "trial"]),
    default="strategy",
    show_default=True,
    help="The best strategies of the leaderboard, of each architecture, or the best trials by validation.",
)
@sweep_option
@all_sweeps_option
@click.option(
    "--dataset",
    metavar="NAME",
    help="Only sweeps on this dataset, given by name or as an .npz file: the latest, or with --all-sweeps all.",
)
@click.option("--min-depth", type=click.IntRange(min=1), help="Only networks with at least this many hidden layers.")
@click.option("--max-params", type=click.IntRange(min=1), help="Only networks with at most this many parameters.")
@click.option(
    "--where",
    metavar="FILTER",
    help="Only runs that meet a filter in MLflow's syntax, such as \"metrics.val_accuracy > 0.97 AND params.depth = "
    "'3'\": runs of strategies, or of trials with --by trial.",
)
@metric_option
@table_format
@asks_store
def top(
    k: int,
    by: str,
    sweep: str | None,
    all_sweeps: bool,
    dataset: str | None,
    min_depth: int | None,
    max_params: int | None,
    where: str | None,
    metric: str | None,
    output_format: str,
    uri: str,
) -> None:
    """Show the top 3 of a sweep, with the phase fraction and temperature that got SmartMixed there.

    For the best strategies of the leaderboard these are medians over SmartMixed's architectures. An architecture is a
    block there and counts once: mean_rank is a strategy's mean place in it, mrr the mean of 1 / rank, wins in how many
    it was the first (a tie is shared), top3_rate the share in which it was among the first three. With filters the
    answer is as if only the runs that match had been recorded; ranks are those among them.
    """
    from smartmixed_search.tracking.questions import queries

    frame = queries.top(
        k,
        by,
        sweep,
        all_sweeps,
        uri,
        dataset=dataset,
        min_depth=min_depth,
        max_params=max_params,
        where=where,
        metric=metric,
    )
    print_top(frame, output_format, by, k, chosen=metric is not None)
    sweeps = queries.status(sweep, all_sweeps, uri, dataset)
    say_stopped(sweeps)
    if frame.empty:
        click.echo(_why_empty(by, sweeps), err=True)


def print_top(frame: "pd.DataFrame", output_format: str, by: str, k: int = 3, *, chosen: bool = False) -> None:
    """Print what `queries.top` has found, and a note where SmartMixed's selection has not converged.

    Of a metric that the user has `chosen` the headings say so, whichever it is.
    """
    if output_format == "table":
        from smartmixed_search.analysis.identity import by_dataset
        from smartmixed_search.method.activations import RIVAL_NAMES

        for dataset, rows in by_dataset(frame):
            click.echo(heading(dataset, rows, always=chosen))
            learned = by != "trial" and bool(rows["strategy"].isin(RIVAL_NAMES).any())
            lines = table(rows, top_columns(by, str(rows["metric"].iloc[0]), learned=learned)).splitlines()
            listed = int((rows["place"] <= k).sum()) if by == "strategy" else len(rows)
            click.echo("\n".join([*lines[: 1 + listed], *(["…"] if listed < len(rows) else []), *lines[1 + listed :]]))
    else:
        print_frame(frame, output_format, lambda metric: top_columns(by, metric))
    _say_missing(frame)
    _say_undecided(frame)


def _say_missing(frame: "pd.DataFrame") -> None:
    """Say of which strategies a figure is missing, since they are in no mean then."""
    if "missing" not in frame:
        return
    for row in frame[(frame["missing"] > 0).fillna(False)].to_dict("records"):
        click.echo(
            f"{row['dataset']}: test {row['metric']} of {row['strategy']} is missing in {row['missing']} of its "
            f"{row['blocks']} architectures (a network diverged, or it is undefined there): these rank last, and are "
            "in no mean",
            err=True,
        )


def _say_undecided(frame: "pd.DataFrame") -> None:
    """Say where SmartMixed's selection has not converged: in what is listed, or in a part of what it is a mean of."""
    from smartmixed_search.trials.convergence import CONVERGED_CONFIDENCE, UNDECIDED, unconverged_in

    undecided = frame[~frame["selection_converged"].fillna(True)]
    if not undecided.empty:
        lowest, highest = undecided["choice_confidence"].min(), undecided["choice_confidence"].max()
        span = f"{lowest:.2f}" if round(highest - lowest, 2) == 0 else f"{lowest:.2f} to {highest:.2f}"
        click.echo(
            f"SmartMixed's selection has not converged: mean choice confidence {span}, below {CONVERGED_CONFIDENCE}, "
            f"{UNDECIDED}",
            err=True,
        )
    if "unconverged" in frame:
        partly = frame[frame["selection_converged"].fillna(False) & (frame["unconverged"] > 0).fillna(False)]
        for dataset, count, blocks in zip(partly["dataset"], partly["unconverged"], partly["blocks"], strict=True):
            click.echo(f"{dataset}: {unconverged_in(count, blocks)}", err=True)


def _why_empty(by: str, sweeps: "pd.DataFrame") -> str:
    if not sweeps["finished"].any():
        return "no trial has finished yet: there is nothing to rank"
    return f"no run of a {'finished trial' if by == 'trial' else 'ranked strategy'} matches the filters"


@click.command()
@sweep_option
@all_sweeps_option
@table_format
@asks_store
def status(
    sweep: str | None,
    all_sweeps: bool,
    output_format: str,
    uri: str,
) -> None:
    """Show how far a sweep is: trials by status, best so far."""
    from smartmixed_search.tracking.questions import queries

    frame = queries.status(sweep=sweep, all_sweeps=all_sweeps, tracking_uri=uri)
    print_frame(frame, output_format, lambda _: STATUS, ranked=False)
    say_stopped(frame)


def say_stopped(sweeps: "pd.DataFrame") -> None:
    """Say how many trials were stopped early, if any were: what is shown is a selected sample then."""
    from smartmixed_search.errors.messages import counted

    stopped = int(sweeps["stopped"].sum())
    if stopped:
        settled = int(sweeps[["finished", "failed", "stopped"]].sum().sum())
        click.echo(
            f"{stopped} of {counted(settled, 'settled trial')} were stopped early: they are in no leaderboard, and "
            "those that finished are a selected sample",
            err=True,
        )
