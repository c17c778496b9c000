"""The head of the report: what the sweep was, on which data, and when the page was written."""

from collections.abc import Mapping
from datetime import datetime

import pandas as pd

from smartmixed_search.datasets.dataset import describe_sizes
from smartmixed_search.reports.columns import columns
from smartmixed_search.reports.data import About, ReportData
from smartmixed_search.reports.tables import details, html_table, paragraph
from smartmixed_search.tasks.metric import ACCURACY

_TOLD = {"epochs": "epochs", "replicates": "replicates", "seed": "seed", "batch_size": "batch size"}


def summary(data: ReportData) -> str:
    """Say what the page is about."""
    counts = ", ".join(f"{number} {status}" for status, number in data.counts.items() if number)
    datasets = ", ".join(sorted(str(name) for name in data.trials["dataset"].unique()))
    views = ", ".join(sorted({comparison.view for comparison in data.comparisons}))
    told = f"On {datasets or 'no dataset'}; trials: {counts or 'none'}" + (f"; {views} view" if views else "")
    if data.scale.metric != ACCURACY:
        unit = f" ({data.scale.unit})" if data.scale.factor == 1 and data.scale.unit else ""
        told += f"; ranked by {data.scale.label}{unit}, {data.scale.better} is better"
    return paragraph(told, "note") + ("" if data.about is None else _about(data.about))


def moment(time: datetime) -> str:
    """Write a moment of UTC, to the minute.

    Example:
        >>> moment(datetime(2026, 11, 28, 2, 23, 59))
        '2026-11-28 02:23 UTC'
    """
    return f"{time:%Y-%m-%d %H:%M} UTC"


def _about(about: About) -> str:
    settings = about.settings
    named = f"Space {settings['name']}: " if settings.get("name") else "Space: "
    lines = [
        *([f"Data: {describe_sizes(about.sizes)}."] if about.sizes else []),
        named + ", ".join(f"{words} {_setting(settings, name)}" for name, words in _TOLD.items()) + ".",
        f"Recorded from {moment(about.begun)} to {moment(about.ended)}; this page, of what MLflow held then, was "
        f"written {moment(about.written)}.",
    ]
    table = pd.DataFrame({"key": [*settings], "value": [*settings.values()]})
    space = html_table(table, columns("key", "value"), "The search space")
    return "".join(paragraph(line, "note") for line in lines) + details("The whole search space", space)


def _setting(settings: Mapping[str, str], name: str) -> str:
    """Return a setting of the space; of a range, its ends."""
    parts = {key.removeprefix(f"{name}."): value for key, value in settings.items() if key.startswith(f"{name}.")}
    return settings.get(name) or ", ".join(f"{key} {value}" for key, value in parts.items()) or "unknown"
