"""Runs that were deleted on MLflow's page: nobody reads them, and the next writer brings them back."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run, ViewType
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from pandas.testing import assert_frame_equal

from smartmixed_search.errors import TrackingError
from smartmixed_search.reports.report import report
from smartmixed_search.tracking.models.networks import fetch_network
from smartmixed_search.tracking.questions.choices import choices
from smartmixed_search.tracking.questions.confirmations import confirmations
from smartmixed_search.tracking.questions.queries import compare, status, strategies, top, trials
from smartmixed_search.tracking.runs import trash
from smartmixed_search.tracking.store.store import connect, default_tracking_uri
from smartmixed_search.tracking.tables import stored
from tests.helpers.factories import make_result
from tests.helpers.tracked import SMALL, all_runs, contents, make_tracker

RESULTS = [make_result(accuracies=SMALL, architecture=(width,)) for width in (8, 16, 32)]
FIRST = RESULTS[0].key


def record_sweep(uri: str) -> None:
    """One sweep of three trials."""
    tracker = make_tracker(uri)
    for result in RESULTS:
        tracker.record_trial(result)
    tracker.close_sweep("finished", {"finished": 3})


@pytest.fixture
def uri(copy_of: Callable[..., str]) -> str:
    return copy_of(record_sweep)


def find(uri: str, kind: str, key: str) -> Run:
    (run,) = (run for run in all_runs(uri)[kind] if run.data.tags["smartmixed.key"] == key)
    return run


def delete(uri: str, kind: str, key: str) -> str:
    run_id = str(find(uri, kind, key).info.run_id)
    connect(uri).delete_run(run_id)
    return run_id


def empty_trash(uri: str) -> None:
    """Do what `mlflow gc` does."""
    client = connect(uri)
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    store = SqlAlchemyStore(uri, "unused")
    for run in client.search_runs(ids, run_view_type=ViewType.DELETED_ONLY):
        store._hard_delete_run(run.info.run_id)
    store.engine.dispose()


DELETED = {
    "trial": ("trial", FIRST),
    "smartmixed": ("strategy", f"{FIRST}/smartmixed"),
    "relu": ("strategy", f"{FIRST}/relu"),
}


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("deleted", DELETED.values(), ids=DELETED)
def test_what_was_deleted_is_left_out_of_every_answer(
    uri: str, deleted: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = delete(uri, *deleted)
    is_trial = deleted[0] == "trial"
    assert run_id not in {*trials(tracking_uri=uri)["run_id"], *strategies(tracking_uri=uri)["run_id"]}
    assert len(trials(tracking_uri=uri)) == 3 - is_trial
    assert len(strategies(tracking_uri=uri)) == 6 - (2 if is_trial else 1)
    assert (FIRST in set(top(by="trial", tracking_uri=uri)["trial"])) != is_trial
    assert (FIRST in set(choices(tracking_uri=uri)["trial"])) != is_trial
    assert status(tracking_uri=uri)["finished"].tolist() == [3 - is_trial]
    assert compare(tracking_uri=uri)
    assert confirmations(tracking_uri=uri).empty
    assert "</html>" in report(keep=False, tracking_uri=uri)
    by_tables = [top(by=by, tracking_uri=uri) for by in ("strategy", "architecture", "trial")]
    monkeypatch.setattr(stored, "read", lambda *_: None)
    for by, table in zip(("strategy", "architecture", "trial"), by_tables, strict=True):
        assert_frame_equal(top(by=by, tracking_uri=uri), table)


@pytest.mark.parametrize(
    ("deleted", "message"),
    [
        ("trial", "no trial '.*' in sweep 'mine'"),
        ("smartmixed", "the run of smartmixed in trial .* was deleted; .*sync"),
    ],
)
def test_a_network_of_what_was_deleted_is_one_line(uri: str, deleted: str, message: str) -> None:
    delete(uri, *DELETED[deleted])
    with pytest.raises(TrackingError, match=message):
        fetch_network(FIRST, tracking_uri=uri)


@pytest.mark.parametrize("deleted", [["trial"], ["smartmixed"], ["smartmixed", "relu", "trial"]], ids=str)
def test_the_next_writer_brings_back_what_was_deleted(uri: str, deleted: list[str]) -> None:
    make_tracker(uri)
    before, rows = contents(uri), strategies(tracking_uri=uri)
    for name in deleted:
        delete(uri, *DELETED[name])
    tracker = make_tracker(uri)
    assert tracker.restored == len(deleted)
    assert FIRST in tracker.recorded()
    assert contents(uri) == before
    assert_frame_equal(strategies(tracking_uri=uri), rows)
    assert make_tracker(uri).restored == 0


def test_a_sweep_s_run_that_was_deleted_is_brought_back_with_all_below_it(uri: str) -> None:
    client = connect(uri)
    (sweep,) = all_runs(uri)["sweep"]
    make_tracker(uri)
    before = contents(uri)
    client.delete_run(sweep.info.run_id)
    delete(uri, *DELETED["trial"])
    with pytest.raises(TrackingError, match="no sweeps recorded yet"):
        top(tracking_uri=uri)
    tracker = make_tracker(uri)
    assert tracker.restored == 2
    assert tracker.recorded().keys() == {result.key for result in RESULTS}
    assert [run.info.run_id for run in all_runs(uri)["sweep"]] == [sweep.info.run_id]
    assert contents(uri) == before


def test_what_was_deleted_under_another_key_stays_deleted(uri: str) -> None:
    (sweep,) = all_runs(uri)["sweep"]
    connect(uri).delete_run(sweep.info.run_id)
    make_tracker(uri, key="another space")
    assert sweep.info.run_id not in {run.info.run_id for run in all_runs(uri)["sweep"]}


def test_a_double_stays_deleted(uri: str) -> None:
    trial = find(uri, "trial", FIRST)
    client = connect(uri)
    double = client.create_run(trial.info.experiment_id, tags=trial.data.tags)
    client.delete_run(double.info.run_id)
    before = contents(uri)
    assert make_tracker(uri).restored == 0
    assert {key for key, _ in contents(uri).items()} == before.keys()


def test_of_doubles_that_were_deleted_the_one_that_counts_is_brought_back(uri: str) -> None:
    trial = find(uri, "trial", FIRST)
    client = connect(uri)
    double = client.create_run(
        trial.info.experiment_id, start_time=1, tags=trial.data.tags | {"smartmixed.status": "running"}
    )
    for run in (double, trial):
        client.delete_run(run.info.run_id)
    assert make_tracker(uri).restored == 1
    assert find(uri, "trial", FIRST).info.run_id == trial.info.run_id


def test_what_the_trash_has_no_more_is_recorded_anew(uri: str) -> None:
    before = {key: value for key, value in contents(uri).items() if key[0] != "sweep"}
    for deleted in reversed(DELETED.values()):
        delete(uri, *deleted)
    empty_trash(uri)
    tracker = make_tracker(uri)
    assert FIRST not in tracker.recorded()
    tracker.record_trial(RESULTS[0])
    assert {key: value for key, value in contents(uri).items() if key[0] != "sweep"} == before
    assert len(trials(tracking_uri=uri)) == 3
    assert len(strategies(tracking_uri=uri)) == 6


def test_tables_of_a_trial_that_is_gone_are_stored_anew(uri: str) -> None:
    """Rows of runs that cannot be brought back would be counted for ever."""
    double = delete(uri, *DELETED["trial"])
    client = connect(uri)
    tracker = make_tracker(uri)
    client.delete_run(double)
    tracker.recorded()
    (sweep,) = all_runs(uri)["sweep"]
    table = stored.read(client, sweep, stored.TRIALS)
    assert table is not None
    assert double not in set(table["run_id"])


def test_one_question_suffices_where_nothing_was_deleted(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    search = trash.runs.search

    def counted(client: Any, ids: Any, clauses: Any, *order: Any, **options: Any) -> Any:
        if options.get("deleted"):
            asked.append(clauses)
        return search(client, ids, clauses, *order, **options)

    monkeypatch.setattr(trash.runs, "search", counted)
    top(tracking_uri=uri)
    assert asked == [[]]


# --- artifacts that are gone, and figures that contradict each other ---


def artifacts(folder: Path, key: str) -> Path:
    """The folder of a trial's artifacts, where its store has been copied to."""
    (recorded,) = folder.glob(f"mlartifacts/{find(default_tracking_uri(folder), 'trial', key).info.run_id}/artifacts")
    return recorded


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("{")], ids=["gone", "cut"])
def test_a_trial_without_choices_does_not_take_the_report_with_it(
    uri: str, tmp_path: Path, damage: Callable[[Path], Any]
) -> None:
    damage(artifacts(tmp_path, FIRST) / "choices.json")
    assert set(choices(tracking_uri=uri)["trial"]) == {result.key for result in RESULTS[1:]}
    assert "Without 1 finished trial whose choices" in report(keep=False, tracking_uri=uri)
    for result in RESULTS[1:]:
        damage(artifacts(tmp_path, result.key) / "choices.json")
    assert "</html>" in report(keep=False, tracking_uri=uri)


@pytest.mark.usefixtures("undrawn")
def test_choices_without_their_evolution_are_reported(uri: str, tmp_path: Path) -> None:
    for result in RESULTS:
        (artifacts(tmp_path, result.key) / "choice_counts.json").unlink()
    assert "How choices evolved was not recorded" in report(keep=False, tracking_uri=uri)


def test_a_trial_half_recorded_with_other_figures_is_recorded_anew(tracking_uri: str) -> None:
    """MLflow shows the larger of two values of one step and moment: each figure would be of one result or the other."""
    tracker = make_tracker(tracking_uri)
    settle, tracker._settle = tracker._settle, _raise  # type: ignore[assignment]  # the writer dies here
    other = make_result(accuracies={"smartmixed": 0.95, "relu": 0.7}, architecture=(8,))
    with pytest.raises(RuntimeError):
        tracker.record_trial(replace(other, key=FIRST))
    tracker._settle = settle
    tracker.record_trial(RESULTS[0])
    (smartmixed,) = (run for run in all_runs(tracking_uri)["strategy"] if run.info.run_name == "8 · smartmixed")
    assert smartmixed.data.metrics["test_accuracy"] == pytest.approx(0.9)
    assert find(tracking_uri, "trial", FIRST).data.metrics["objective"] == RESULTS[0].objective
    assert len(strategies(tracking_uri=tracking_uri)) == 2


def _raise(*_: object) -> None:
    raise RuntimeError
