"""What the MLflow page says of a run, in Markdown: tables in, text out."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from smartmixed_search.analysis.scale import Scale
from smartmixed_search.datasets.dataset import describe_sizes
from smartmixed_search.errors.messages import counted, one_line
from smartmixed_search.trials.config import SMARTMIXED
from smartmixed_search.trials.records import CONTROL, FINISHED, RANKED, SETTLED

if TYPE_CHECKING:
    from smartmixed_search.analysis.comparison import Comparison

NOTE = "mlflow.note.content"
"""The tag that the page shows as a run's description."""

_SWEEP, _CONFIRMATION = "**SmartMixed sweep**", "**SmartMixed confirmation**"
_SHOWN = 20
"""Strategies in a leaderboard, at most."""
_LENGTH = 7000
"""MLflow cuts a tag at 8,000 characters; something may follow the note."""
_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~])")
_VIEW = (
    "Ranked by test {metric}, in the tuned view: in every architecture each strategy is represented by its trial of "
    "{best} validation {metric}, and an architecture counts once."
)


def sweep_note(
    sweep: str,
    dataset: str,
    trials: pd.DataFrame,
    strategies: pd.DataFrame,
    confirms: str | None = None,
    *,
    joint: bool = False,
    sizes: Mapping[str, Any] | None = None,
    settings: Mapping[str, str] | None = None,
    scale: Scale | None = None,
) -> str:
    """Return the description of a sweep's run, or of a confirmation's.

    Args:
        sweep: its name.
        dataset: that of all its trials.
        trials: of its settled trials, `status` and `architecture`.
        strategies: of the finished ones, what `comparison.compare_strategies` takes.
        confirms: name of the sweep that it confirms, if it does.
        joint: whether Optuna chose the architectures too.
        sizes: of the dataset, as `Dataset.sizes`, where they are known.
        settings: the space, as the run's parameters say.
        scale: the metric that ranks, and how it is told; by default accuracy.
    """
    parts = [_heading(_SWEEP if confirms is None else _CONFIRMATION, sweep, dataset, trials)]
    if confirms is not None:
        parts.append(
            f"The best trials of sweep {_escaped(confirms)}, trained again on seeds that had no part in choosing them."
        )
    if strategies.empty:
        parts.append("No trial has finished yet, so there is nothing to rank.")
    else:
        from smartmixed_search.analysis.comparison import compare_strategies  # scipy takes half a second to import

        parts += _results(compare_strategies(strategies, joint=joint, scale=scale))
    note = "\n\n".join([*parts, *_facts(sizes or {}, settings or {}), _commands(confirms or sweep)])
    return note if len(note) <= _LENGTH else note[: _LENGTH - 1] + "…"


def is_sweep_note(text: str) -> bool:
    """Whether a description was written here, and not by a user."""
    return text.startswith((_SWEEP, _CONFIRMATION))


def models_note(name: str, alias: str) -> str:
    """Return what is added to a sweep's description once its best networks are registered."""
    return (
        f"\n\nSmartMixed's best networks by validation are versions of the model [{_escaped(name)}](#/models/{name}); "
        f'`mlflow.pyfunc.load_model("models:/{name}@{alias}")` loads the best one.'
    )


def trial_note(ranking: pd.DataFrame, scale: Scale | None = None) -> str:
    """Return the description of a trial's run from its ranking by a metric, see `ranking.rank_networks`."""
    scale = scale or Scale()

    def told(value: float) -> str:
        return "–" if pd.isna(value) else scale.plain(value)

    rows = [
        (_whole(row["rank"]), _escaped(row["strategy"]), told(row[scale.metric.test]), told(row[scale.metric.val]))
        for _, row in ranking.iterrows()
    ]
    return _table(["rank", "strategy", _heading_of(scale), _heading_of(scale, "validation")], rows)


def _heading(what: str, name: str, dataset: str, trials: pd.DataFrame) -> str:
    counts = Counter(trials["status"])
    ended = ", ".join(f"{counts[status]} {status}" for status in SETTLED if counts[status] or status == FINISHED)
    architectures = trials["architecture"].nunique()
    return (
        f"{what} {_escaped(name)} on {_escaped(dataset)}: {counted(len(trials), 'trial')} settled ({ended}) of "
        f"{counted(architectures, 'architecture')}."
    )


def _facts(sizes: Mapping[str, Any], settings: Mapping[str, str]) -> Iterable[str]:
    told = ", ".join(f"{name} {settings[name]}" for name in ("epochs", "replicates", "seed") if name in settings)
    said = [f"Data: {describe_sizes(sizes)}."] if sizes else []
    said += [f"Settings: {told}."] if told else []
    return [" ".join(said)] if said else []


def _results(comparison: "Comparison") -> Iterable[str]:
    board, scale = comparison.leaderboard, comparison.scale
    ranked, controls = (board[board["role"] == role] for role in (RANKED, CONTROL))
    yield _leaderboard(ranked.head(_SHOWN), scale)  # first: the page shows a few lines, and the rest on request
    if len(ranked) > _SHOWN:
        yield f"… and {len(ranked) - _SHOWN} more strategies."
    yield _VIEW.format(metric=scale.label, best=f"{scale.better[:-2]}est")
    if len(controls):
        yield "**Controls**, trained beside them and never ranked"
        rows = [
            (_escaped(row["strategy"]), _figure(row, scale), _whole(row["blocks"])) for _, row in controls.iterrows()
        ]
        yield _table(["control", _heading_of(scale), "architectures"], rows)
    yield _escaped(comparison.conclusion)
    if comparison.selection_converged and not comparison.unconverged:
        yield f"The selection has converged: mean choice confidence is {comparison.choice_confidence:.2f}."


def _heading_of(scale: Scale, split: str = "test") -> str:
    """Return the heading of values of the metric; shares stand as fractions."""
    return _escaped(f"{split} {scale.label}" if scale.factor == 100 else scale.heading(split))


def _leaderboard(ranked: pd.DataFrame, scale: Scale) -> str:
    headings = ["place", "strategy", "mean rank", "MRR", "wins", "top-3 rate", _heading_of(scale), "architectures"]
    rows = [
        (
            _whole(row["place"]),
            f"**{row['strategy']}**" if row["strategy"] == SMARTMIXED else _escaped(row["strategy"]),
            *(
                "–" if pd.isna(row[name]) else f"{round(row[name], 3):{form}}"
                for name, form in (("mean_rank", ".2f"), ("mrr", ".3f"), ("wins", ".3g"), ("top3_rate", ".2f"))
            ),
            _figure(row, scale),
            _whole(row["blocks"]),
        )
        for _, row in ranked.iterrows()
    ]
    return _table(headings, rows)


def _commands(sweep: str) -> str:
    commands = (
        ("report", "plots, preferences by layer, tuning"),
        ("compare", "tests and intervals"),
        ("top --by trial", "the best trials"),
    )
    return "\n".join(
        ["Go on with", "", *(f"* `smartmixed-search {c} --sweep {sweep}`: {what}" for c, what in commands)]
    )


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(text: str) -> str:
    """Return text that Markdown, also inside a table, shows as it is."""
    plain = one_line(text).replace("&", "&amp;").replace("<", "&lt;")
    return _SPECIAL.sub(r"\\\1", plain)


def _figure(row: "pd.Series[Any]", scale: Scale) -> str:
    value, deviation = row[scale.metric.test], row[f"{scale.metric.test}_std"]
    if pd.isna(value):
        return "–"
    return scale.plain(value) + ("" if pd.isna(deviation) else f" ± {scale.plain(deviation)}")


def _whole(value: Any) -> str:
    return "–" if pd.isna(value) else str(int(value))
