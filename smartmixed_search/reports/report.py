"""What a sweep's report is made of, read from MLflow; and where the report is kept there."""

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pandas as pd

from smartmixed_search.analysis.comparison import compare_all
from smartmixed_search.analysis.evolution import by_epoch, counts_frame
from smartmixed_search.analysis.preferences import by_depth, by_layer, choices_frame, mean_agreement, trend
from smartmixed_search.errors import TrackingError, UserError
from smartmixed_search.reports import MOST_CURVES, About, Page, Preferences, ReportData, build_report, figures
from smartmixed_search.tracking import schema
from smartmixed_search.tracking.questions.choices import CHOICES, COUNTS, agreement_frame, read_frames
from smartmixed_search.tracking.questions.confirmations import confirmation_table, confirmed_table
from smartmixed_search.tracking.questions.curves import read_curves
from smartmixed_search.tracking.store.store import (
    connect,
    open_store,
    prepare_store,
    resolve_tracking_uri,
    store_errors,
)
from smartmixed_search.tracking.tables import tables
from smartmixed_search.tracking.tables.measured import Measured, data_of
from smartmixed_search.tracking.writing.datasets import recorded_sizes
from smartmixed_search.trials.convergence import count_unconverged
from smartmixed_search.trials.records import FINISHED, SETTLED

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_FOLDER = "report"
_PAGE = f"{_FOLDER}/report.html"


def report(
    sweep: str | None = None, *, keep: bool = True, tracking_uri: str | None = None, progress: bool = True
) -> Page:
    """Return the report of a sweep as one HTML page that needs nothing else; a notebook shows it in a frame.

    Args:
        sweep: name of the sweep; the latest by default.
        keep: whether to store the page, and its figures as PNGs, with the sweep's run as well; a warning says if they
            cannot be.
        tracking_uri: MLflow's store; default: `MLFLOW_TRACKING_URI`, else the SQLite store of the output directory.
        progress: whether stderr shows what is being done.

    Raises:
        TrackingError: the store cannot be reached, or there is no such sweep.
    """
    made = make_report(sweep, tracking_uri, progress=progress)
    if keep:
        try:
            made.keep()
        except TrackingError as error:
            warnings.warn(f"the report is not kept in MLflow ({error})", stacklevel=2)
    return made.page


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MadeReport:
    """A sweep's report, and where it belongs."""

    page: Page
    data: ReportData
    run_id: str
    """Of the sweep."""
    uri: str
    """Of the store."""
    say: Callable[[str], object]

    def keep(self) -> None:
        """Store the page, and its figures as PNGs, with the sweep's run; earlier ones are replaced.

        Raises:
            TrackingError: the store may not be written, or not be reached any more.
        """
        prepare_store(self.uri)
        self.say("drawing its figures for MLflow, and keeping both there (--no-keep leaves that out)")
        client = connect(self.uri)
        with store_errors(self.uri), TemporaryDirectory() as folder:
            client.log_text(self.run_id, self.page, _PAGE)
            for name, content in figures(self.data).items():
                Path(folder, name).write_bytes(content)
            client.log_artifacts(self.run_id, folder, _FOLDER)


def make_report(sweep: str | None, tracking_uri: str | None, *, progress: bool = True) -> MadeReport:
    """Make the report of a sweep, the latest by default, and keep nothing.

    Raises:
        TrackingError: there is no such store or sweep.
    """
    say: Callable[[str], object] = partial(print, file=sys.stderr, flush=True) if progress else lambda line: None
    say("opening the store")
    uri = resolve_tracking_uri(tracking_uri)
    client = open_store(uri)
    with store_errors(uri):
        (run,) = tables.find_sweeps(client, uri, sweep, False)
        say(f"reading sweep {run.data.tags[schema.TAG_SWEEP]}")
        data = _read(client, run)
        say("drawing the page")
        return MadeReport(page=build_report(data), data=data, run_id=run.info.run_id, uri=uri, say=say)


def renew(sweep: str, tracking_uri: str, *, progress: bool = True) -> None:
    """Keep a new page with a sweep's run where one is kept: what was confirmed since then is not on it.

    A message on stderr says if it cannot be done; it is not an error, since it is not what was asked for.
    """
    try:
        client = open_store(tracking_uri)
        with store_errors(tracking_uri):
            (run,) = tables.find_sweeps(client, tracking_uri, sweep, False)
            kept = [artifact.path for artifact in client.list_artifacts(run.info.run_id, _FOLDER)]
        if _PAGE in kept:
            make_report(sweep, tracking_uri, progress=progress).keep()
    except UserError as error:
        print(
            f"the report in MLflow is older than this ({error}): `smartmixed-search report` renews it", file=sys.stderr
        )


def _read(client: "MlflowClient", sweep: "Run") -> ReportData:
    measured = Measured.of(sweep)
    trials = tables.trial_table(client, [sweep])
    finished = trials[trials["status"] == FINISHED]
    by_objective = finished.sort_values("objective", ascending=False, kind="stable")
    best = by_objective.drop_duplicates("architecture").set_index("architecture")
    return ReportData(
        sweep=sweep.data.tags[schema.TAG_SWEEP],
        about=_about(sweep, trials),
        comparisons=compare_all(
            tables.strategy_table(client, [sweep]),
            confirmed=confirmed_table(client, [sweep]),
            joint=tables.joint_datasets([sweep]),
            scales={data_of(sweep): measured.scale()},
        ),
        scale=measured.scale(),
        confirmations=confirmation_table(client, [sweep]),
        trials=trials,
        counts={status: int((trials["status"] == status).sum()) for status in SETTLED},
        curves={
            str(name): read_curves(client, sweep.info.experiment_id, run_id, measured.metric)
            for name, run_id in best["run_id"][:MOST_CURVES].items()
        },
        selection_epochs={str(name): int(epochs) for name, epochs in best["selection_epochs"].items()},
        preferences=_preferences(client, sweep, finished) if len(finished) else None,
    )


def _about(sweep: "Run", trials: pd.DataFrame) -> About:
    begun = [sweep.info.start_time, *trials["started"]]
    ended = [sweep.info.start_time, *(trials["started"] + 1000 * trials["stack_seconds"]).dropna()]
    return About(
        written=datetime.now(UTC),
        begun=datetime.fromtimestamp(min(begun) / 1000, UTC),
        ended=datetime.fromtimestamp(max(ended) / 1000, UTC),
        sizes=recorded_sizes(sweep),
        settings=dict(sweep.data.params) | {"trials": f"{sweep.data.metrics.get('trials', 0):g}"},
    )


def _preferences(client: "MlflowClient", sweep: "Run", finished: pd.DataFrame) -> Preferences | None:
    readers = {CHOICES: (choices_frame, agreement_frame), COUNTS: (counts_frame,)}
    choices, agreements, counts = read_frames(client, sweep, finished, readers)
    if choices.empty:
        return None
    pool = list(counts["function"].unique()) or None
    return Preferences(
        by_layer=by_layer(choices, pool=pool),
        by_depth=by_depth(choices, pool=pool),
        by_epoch=by_epoch(counts),
        trend=trend(choices),
        agreement=mean_agreement(agreements),
        confidence=float(finished["choice_confidence"].mean()),
        trials=len(finished),
        unconverged=count_unconverged(finished["choice_confidence"]),
        missing=len(finished) - choices["trial"].nunique(),
    )
