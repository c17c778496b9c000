"""`compare`: the leaderboard with statistics."""

import textwrap
from collections.abc import Mapping
from math import isnan
from typing import TYPE_CHECKING

import click

from smartmixed_search.cli.options import all_sweeps_option, asks_store, sweep_option, table_format
from smartmixed_search.cli.query import say_stopped
from smartmixed_search.cli.tables import COMPARISON, PAIRS, print_frame

if TYPE_CHECKING:
    import pandas as pd

    from smartmixed_search.analysis.comparison import Comparison
    from smartmixed_search.analysis.statistics import Friedman, NotEnoughData

_WIDTH = 110


@click.command()
@sweep_option
@all_sweeps_option
@click.option(
    "--view",
    type=click.Choice(["tuned", "default"]),
    default="tuned",
    show_default=True,
    help="Which trial represents a strategy in an architecture: its best by validation, or that at the published "
    "setting.",
)
@table_format
@asks_store
def compare(
    sweep: str | None,
    all_sweeps: bool,
    view: str,
    output_format: str,
    uri: str,
) -> None:
    """Compare SmartMixed with its rivals over all architectures, with statistics.

    CSV and JSON hold only the leaderboard; smartmixed_search.compare() returns everything else as pandas tables.
    """
    from smartmixed_search.tracking.questions import queries

    found = queries.compare(sweep, all_sweeps, view, uri)
    if output_format == "table":
        click.echo("\n\n\n".join(map(_text, found)), nl=bool(found))
    else:
        print_frame(_leaderboards(found), output_format, ())
    if output_format == "table" and found and not all_sweeps:
        _say_splits(sweep, uri)
    say_stopped(queries.status(sweep=sweep, all_sweeps=all_sweeps, tracking_uri=uri))
    if not found:
        click.echo("no trial has finished yet: there is nothing to compare", err=True)


def _say_splits(sweep: str | None, uri: str) -> None:
    from smartmixed_search.cli.splits import splits_text
    from smartmixed_search.tracking.questions.splits import split_differences

    differences = split_differences(sweep, uri)
    if len(differences):
        click.echo("\n" + splits_text(differences))


def _leaderboards(found: "list[Comparison]") -> "pd.DataFrame":
    import pandas as pd

    from smartmixed_search.analysis.comparison import comparison_columns

    return pd.concat([pd.DataFrame(columns=comparison_columns()), *(one.leaderboard for one in found)])


def _text(comparison: "Comparison") -> str:
    from smartmixed_search.analysis.margins import margin_words
    from smartmixed_search.analysis.phases import GAINS
    from smartmixed_search.analysis.statistics import ALPHA, ROPE

    conclusion = f"{comparison.dataset} ({comparison.view} view): {comparison.conclusion}"
    if comparison.leaderboard.empty:
        return textwrap.fill(conclusion, _WIDTH)
    sections = [
        textwrap.fill(conclusion, _WIDTH),
        _leaderboard(comparison.leaderboard),
        "Test accuracy in each architecture (rank); * confirmed on fresh seeds:\n" + _architectures(comparison),
        "SmartMixed's margin in test accuracy, points [95 % bootstrap interval over architectures]:\n"
        + _effects(comparison.mean_margins, margin_words(comparison.scale.metric)),
        "SmartMixed against each rival: difference in points; p-value of Wilcoxon's test after Holm; Bayesian\n"
        f"probabilities to be better, equal (within {100 * ROPE:g} points) and worse:\n" + _pairs(comparison.pairs),
        *_controls(comparison.controls),
        textwrap.fill(_friedman(comparison.friedman, ALPHA), _WIDTH),
        "What phase 2 of SmartMixed gains in test accuracy, points [95 % bootstrap interval over architectures]:\n"
        + _effects(comparison.mean_phases, GAINS),
    ]
    return "\n\n".join(sections)


def _leaderboard(board: "pd.DataFrame") -> str:
    accuracies = zip(board["test_accuracy"], board["test_accuracy_std"], strict=True)
    shown = board[COMPARISON].assign(
        place=board["place"].astype("str").where(board["place"].notna(), "–"),
        mean_rank=board["mean_rank"].map("{:.2f}".format, na_action="ignore"),
        wins=board["wins"].map("{:.4g}".format, na_action="ignore"),
        test_accuracy=[f"{mean:.4f}" if isnan(std) else f"{mean:.4f} ± {std:.4f}" for mean, std in accuracies],
        epochs=board["epochs"].map("{:.0f}".format, na_action="ignore"),
        optimizer_steps=board["optimizer_steps"].map("{:.0f}".format, na_action="ignore"),
    )
    lines = _table(shown).splitlines()
    placed = int(board["place"].notna().sum())
    if placed < len(board):  # controls are shown below the line
        lines.insert(1 + placed, "-" * len(lines[0]))
    return "\n".join(lines)


def _architectures(comparison: "Comparison") -> str:
    from smartmixed_search.families import by_size

    chosen = comparison.architectures.sort_values("architecture", key=lambda names: names.map(by_size))
    ranks = chosen["rank"].map(" ({})".format, na_action="ignore").fillna("")
    named = chosen["architecture"].where(~chosen["confirmed"], "* " + chosen["architecture"])
    cells = chosen.assign(architecture=named, cell=chosen["test_accuracy"].map("{:.4f}".format) + ranks)
    wide = cells.pivot(index="architecture", columns="strategy", values="cell")
    wide = wide.loc[named.unique(), comparison.leaderboard["strategy"]]
    return _table(wide.rename_axis(columns=None).reset_index())


def _effects(means: "pd.DataFrame", words: Mapping[str, str]) -> str:
    lines = [
        f"  {points(mean, low, high):<22}  {meaning}"
        for mean, low, high, meaning in zip(means["mean"], means["low"], means["high"], words.values(), strict=True)
    ]
    return "\n".join([*lines, *_reasons(means["reason"])])


def _pairs(pairs: "pd.DataFrame") -> str:
    if pairs.empty:
        return "  no rival"
    differences = zip(pairs["mean_difference"], pairs["low"], pairs["high"], strict=True)
    shown = pairs.assign(difference=[points(*one) for one in differences])
    return "\n".join([_table(shown[PAIRS]), *_reasons(pairs["reason"])])


def _controls(controls: "pd.DataFrame") -> "list[str]":
    from smartmixed_search.analysis.comparison import CONTROL_WORDS

    if controls.empty:
        return []
    told = "\n".join(f"  {name}: {CONTROL_WORDS[name]}" for name in controls["rival"])
    return [f"SmartMixed against the controls in its own trials, in the same way:\n{_pairs(controls)}\n{told}"]


def _friedman(found: "Friedman | NotEnoughData", alpha: float) -> str:
    from smartmixed_search.analysis.statistics import NotEnoughData

    if isinstance(found, NotEnoughData):
        return f"Friedman's test: not enough data: {found.reason}."
    alike = " | ".join(", ".join(group) for group in found.groups) or "any"
    return (
        f"Friedman's test over {found.blocks} complete architectures:"
        f" χ²_F = {found.chi2:.2f} (p = {found.chi2_p:.2g}), "
        f"F_F = {found.f:.2f} (p = {found.f_p:.2g}). Nemenyi: mean ranks differ at α = {alpha} from a difference of "
        f"{found.critical_difference:.2f}; not so among {alike}."
    )


def _reasons(reasons: "pd.Series[str]") -> list[str]:
    return [f"  not enough data for every figure: {reason}" for reason in reasons.dropna().unique()]


def points(mean: float, low: float, high: float) -> str:
    """Write a difference in points, with its interval if there is one."""
    if isnan(mean):
        return "–"
    return f"{100 * mean:+z.2f}" + ("" if isnan(low) else f" [{100 * low:+z.2f}, {100 * high:+z.2f}]")


def _table(frame: "pd.DataFrame") -> str:
    return frame.to_string(index=False, na_rep="–", float_format="{:z.3f}".format)
