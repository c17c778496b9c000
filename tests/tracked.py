"""Sweeps recorded in a store, and what the store then holds."""

from typing import Any

from smartmixed_search.tracking.store import connect
from smartmixed_search.tracking.writer import Tracker

SPACE = {
    "dataset": "digits",
    "architecture": {"depth": {"low": 1, "high": 4}, "shape": "free"},
    "trials": 36,
    "temperature_final": None,
    "controls": [],
    "strategies": ["smartmixed", "relu"],
}
SMALL = {"smartmixed": 0.9, "relu": 0.8}


def make_tracker(uri: str, sweep: str = "mine", dataset: str = "digits", **changes: Any) -> Tracker:
    tracker = Tracker(uri, sweep=sweep, dataset=dataset)
    arguments = {"key": "k", "space": SPACE, "seed": 7, "environment": {"git": None}} | changes
    tracker.open_sweep(**arguments)
    return tracker


def all_runs(uri: str) -> dict[str, list[Any]]:
    """Every run of the store, by kind."""
    client = connect(uri)
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    kinds: dict[str, list[Any]] = {"sweep": [], "trial": [], "strategy": []}
    for run in client.search_runs(ids):
        kinds[run.data.tags["smartmixed.kind"]].append(run)
    return kinds
