"""`compare`: the leaderboard with statistics."""

import textwrap
from collections.abc import Mapping
from math import isnan
from typing import TYPE_CHECKING

import click

from smartmixed_search.cli.options import all_sweeps_option, asks_store, metric_option, sweep_option, table_format
from smartmixed_search.cli.query import say_stopped
from smartmixed_search.cli.tables import LEADERBOARD, PAIRS, print_frame

if TYPE_CHECKING:
    import pandas as pd

    from smartmixed_search.analysis.comparison import Comparison
    from smartmixed_search.analysis.scale import Scale
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
@metric_option
@table_format
@asks_store
def compare(
    sweep: str | None,
    all_sweeps: bool,
    view: str,
    metric: str | None,
    output_format: str,
    uri: str,
) -> None:
    """Compare SmartMixed with its rivals over all architectures, with statistics.

    CSV and JSON hold only the leaderboard; smartmixed_search.compare() returns everything else as pandas tables.
    """
    from smartmixed_search.tracking.questions import queries

    found = queries.compare(sweep, all_sweeps, view, uri, metric=metric)
    if output_format == "table":
        texts = [_text(one, chosen=metric is not None) for one in found]
        click.echo("\n\n\n".join(texts), nl=bool(found))
    else:
        print_frame(_leaderboards(found), output_format, lambda _: ())
    if output_format == "table" and found and not all_sweeps:
        _say_splits(sweep, uri, metric, found[0].scale)
    say_stopped(queries.status(sweep=sweep, all_sweeps=all_sweeps, tracking_uri=uri))
    if not found:
        click.echo("no trial has finished yet: there is nothing to compare", err=True)


def _say_splits(sweep: str | None, uri: str, metric: str | None, scale: "Scale") -> None:
    from smartmixed_search.cli.splits import splits_text
    from smartmixed_search.tracking.questions.splits import split_differences

    differences = split_differences(sweep, uri, metric)
    if len(differences):
        click.echo("\n" + splits_text(differences, scale))


def _leaderboards(found: "list[Comparison]") -> "pd.DataFrame":
    import pandas as pd

    from smartmixed_search.analysis.comparison import comparison_columns
    from smartmixed_search.tracking.tables.tables import RANKED_BY, ranked_by

    told = [one.leaderboard.assign(**ranked_by(one.scale.metric)) for one in found]
    return pd.concat(told) if told else pd.DataFrame(columns=[*comparison_columns(), *RANKED_BY])


def _text(comparison: "Comparison", *, chosen: bool = False) -> str:
    from smartmixed_search.analysis.margins import margin_words
    from smartmixed_search.analysis.phases import GAINS
    from smartmixed_search.analysis.statistics import ALPHA
    from smartmixed_search.tasks.metric import ACCURACY

    scale = comparison.scale
    label, by = scale.label, f", by {scale.label}" if chosen or scale.metric != ACCURACY else ""
    turned = f" ({scale.turned})" if scale.turned else ""
    over = "[95 % bootstrap interval over architectures]"
    conclusion = f"{comparison.dataset} ({comparison.view} view{by}): {comparison.conclusion}"
    if comparison.leaderboard.empty:
        return textwrap.fill(conclusion, _WIDTH)
    sections = [
        textwrap.fill(conclusion, _WIDTH),
        _leaderboard(comparison.leaderboard, scale),
        f"Test {label} in each architecture (rank){_in_unit(scale)}; * confirmed on fresh seeds:\n"
        + _architectures(comparison),
        scale.differences(f"SmartMixed's margin in test {label}")
        + f"{turned} {over}:\n"
        + _effects(comparison.mean_margins, margin_words(scale.metric), scale),
        _against(scale) + _pairs(comparison.pairs, scale),
        *_controls(comparison.controls, scale),
        textwrap.fill(_friedman(comparison.friedman, ALPHA), _WIDTH),
        _phases(comparison, GAINS, over),
    ]
    return "\n\n".join(sections)


def _phases(comparison: "Comparison", words: Mapping[str, str], over: str) -> str:
    scale, said = comparison.scale, f"What phase 2 of SmartMixed gains in test {comparison.scale.label}"
    if not comparison.mean_phases["blocks"].any():
        return f"{said} was not recorded: only of the metric that ranks in a sweep is it known."
    return scale.differences(said) + f" {over}:\n" + _effects(comparison.mean_phases, words, scale)


def _in_unit(scale: "Scale") -> str:
    return f", {scale.unit}" if scale.factor == 1 and scale.unit else ""


def _against(scale: "Scale") -> str:
    if scale.better == "higher" and scale.unit_of_differences:
        difference = f"difference in {scale.unit_of_differences}"
    else:
        difference = "difference" if scale.better == "higher" else f"gain{_in_unit(scale).replace(', ', ' in ')}"
    return (
        f"SmartMixed against each rival: {difference}; p-value of Wilcoxon's test after Holm; Bayesian\n"
        f"probabilities to be better, equal (within {scale.equal}) and worse:\n"
    )


def _leaderboard(board: "pd.DataFrame", scale: "Scale") -> str:
    test = scale.metric.test
    values = zip(board[test], board[f"{test}_std"], strict=True)
    shown = board[[*LEADERBOARD, "draws", test, "epochs", "optimizer_steps"]].assign(
        place=board["place"].astype("str").where(board["place"].notna(), "–"),
        mean_rank=board["mean_rank"].map("{:.2f}".format, na_action="ignore"),
        wins=board["wins"].map("{:.4g}".format, na_action="ignore"),
        **{test: [_with_deviation(mean, std, scale) for mean, std in values]},
        epochs=board["epochs"].map("{:.0f}".format, na_action="ignore"),
        optimizer_steps=board["optimizer_steps"].map("{:.0f}".format, na_action="ignore"),
    )
    lines = _table(shown).splitlines()
    placed = int(board["place"].notna().sum())
    if placed < len(board):  # controls are shown below the line
        lines.insert(1 + placed, "-" * len(lines[0]))
    return "\n".join(lines)


def _with_deviation(mean: float, deviation: float, scale: "Scale") -> str:
    if isnan(mean):
        return "–"
    return scale.plain(mean) if isnan(deviation) else f"{scale.plain(mean)} ± {scale.plain(deviation)}"


def _architectures(comparison: "Comparison") -> str:
    from smartmixed_search.families import by_size

    chosen = comparison.architectures.sort_values("architecture", key=lambda names: names.map(by_size))
    ranks = chosen["rank"].map(" ({})".format, na_action="ignore").fillna("")
    named = chosen["architecture"].where(~chosen["confirmed"], "* " + chosen["architecture"])
    values = chosen[comparison.scale.metric.test].map(comparison.scale.plain, na_action="ignore").fillna("–")
    cells = chosen.assign(architecture=named, cell=values + ranks)
    wide = cells.pivot(index="architecture", columns="strategy", values="cell")
    wide = wide.loc[named.unique(), comparison.leaderboard["strategy"]]
    return _table(wide.rename_axis(columns=None).reset_index())


def _effects(means: "pd.DataFrame", words: Mapping[str, str], scale: "Scale") -> str:
    lines = [
        f"  {scale.gain(mean, low, high):<22}  {meaning}"
        for mean, low, high, meaning in zip(means["mean"], means["low"], means["high"], words.values(), strict=True)
    ]
    return "\n".join([*lines, *_reasons(means["reason"])])


def _pairs(pairs: "pd.DataFrame", scale: "Scale") -> str:
    if pairs.empty:
        return "  no rival"
    differences = zip(pairs["mean_difference"], pairs["low"], pairs["high"], strict=True)
    shown = pairs.assign(difference=[scale.gain(*one) for one in differences])
    return "\n".join([_table(shown[PAIRS]), *_reasons(pairs["reason"])])


def _controls(controls: "pd.DataFrame", scale: "Scale") -> "list[str]":
    from smartmixed_search.analysis.comparison import CONTROL_WORDS

    if controls.empty:
        return []
    told = "\n".join(f"  {name}: {CONTROL_WORDS[name]}" for name in controls["rival"])
    return [f"SmartMixed against the controls in its own trials, in the same way:\n{_pairs(controls, scale)}\n{told}"]


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


def _table(frame: "pd.DataFrame") -> str:
    return frame.to_string(index=False, na_rep="–", float_format="{:z.3f}".format)
