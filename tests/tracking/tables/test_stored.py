import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from smartmixed_search.tracking.questions.queries import status, strategies, top, trials
from smartmixed_search.tracking.store.store import connect, default_tracking_uri
from smartmixed_search.tracking.tables import stored, tables
from tests.helpers.factories import diverged_network, make_result
from tests.helpers.tracked import SMALL, all_runs, make_tracker

FOUR = {"smartmixed": 0.9, "relu": 0.9, "elu": [0.8, 0.7], "selective": 0.95}


@pytest.fixture(scope="module")
def uri(store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A store with ties, several trials in a block, controls, divergence, failures and a trial being recorded.

    Files hold two trials, so that there are several.
    """
    folder = tmp_path_factory.mktemp("stored")
    shutil.copy(store_template, folder)
    address = default_tracking_uri(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "CHUNK", 2)
        tracker = make_tracker(address)
        tracker.record_trial(make_result(accuracies=FOUR))
        tracker.record_trial(make_result(accuracies=FOUR, seed=1, phase_fraction=0.5, temperature=0.1 + 0.2))
        tracker.record_trial(make_result(accuracies=FOUR, val_accuracies=FOUR | {"relu": 1 / 3}, seed=2))
        tracker.record_failure(make_result(seed=3).config, "f1", 'ValueError: "no", it\'s\nnot; β')
        tracker = make_tracker(address)  # continued
        diverged = make_result(accuracies=FOUR, architecture=(64,), seed=4)
        diverged.networks[1] = diverged_network(strategy="relu")
        tracker.record_trial(diverged)
        tracker.record_failure(make_result(seed=5).config, "f2", "")
        half = make_result(accuracies=FOUR, seed=6)
        with patch.context() as dying:
            dying.setattr("smartmixed_search.tracking.writing.writer.log_artifacts", _raise)  # in the middle
            with pytest.raises(RuntimeError):
                tracker.record_trial(half)
        yield address


def _raise(*_: object) -> None:
    raise RuntimeError


def table_files(uri: str, name: str = "trials") -> list[Path]:
    return sorted(Path(uri.removeprefix("sqlite:///")).parent.glob(f"mlartifacts/*/artifacts/tables/{name}/*.csv"))


def by_runs(ask: Callable[..., pd.DataFrame], **options: Any) -> pd.DataFrame:
    """What a query answers that may not use the stored tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "read", lambda *_: None)
        return ask(**options)


def both(ask: Callable[..., pd.DataFrame], **options: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    answers = ask(**options), by_runs(ask, **options)
    order = [name for name in ("run_id",) if name in answers[0]]
    first, second = (answer.sort_values(order, ignore_index=True) if order else answer for answer in answers)
    return first, second


# --- the same answers ---


@pytest.mark.parametrize("by", ["strategy", "architecture", "trial"])
@pytest.mark.parametrize("k", [1, 3])
def test_top_is_the_same_by_tables_and_by_runs(uri: str, by: str, k: int) -> None:
    assert_frame_equal(*both(top, k=k, by=by, tracking_uri=uri), check_exact=True)


@pytest.mark.parametrize("ask", [strategies, trials, status])
def test_tables_are_the_same_by_tables_and_by_runs(uri: str, ask: Any) -> None:
    assert_frame_equal(*both(ask, tracking_uri=uri), check_exact=True)


def test_several_sweeps_are_the_same_by_tables_and_by_runs(tracking_uri: str) -> None:
    for sweep in ("one", "two"):
        make_tracker(tracking_uri, sweep).record_trial(make_result(accuracies=SMALL))
    assert_frame_equal(*both(top, all_sweeps=True, tracking_uri=tracking_uri))
    assert_frame_equal(*both(strategies, all_sweeps=True, tracking_uri=tracking_uri))


def test_words_that_pandas_takes_for_missing_values_stay_words(tracking_uri: str) -> None:
    result = make_result(accuracies=SMALL, dataset="None")
    tracker = make_tracker(tracking_uri, dataset="None", sweep="nan")
    tracker.record_trial(replace(result, key="1e5"))
    tracker.record_failure(make_result(seed=1).config, "null", "NA")
    assert trials(tracking_uri=tracking_uri)[["sweep", "trial", "reason"]].values.tolist() == [
        ["nan", "1e5", pytest.approx(float("nan"), nan_ok=True)],
        ["nan", "null", "NA"],
    ]


# --- how they are stored ---


def test_every_settled_trial_is_in_one_file(uri: str) -> None:
    assert [len(pd.read_csv(file)) for file in table_files(uri)] == [2, 2, 2]
    assert [len(pd.read_csv(file)) for file in table_files(uri, "strategies")] == [8, 4, 4]


def test_sizes_are_those_of_the_settled_trials(uri: str) -> None:
    (sweep,) = all_runs(uri)["sweep"]
    assert json.loads(sweep.data.tags["smartmixed.tables"]) == {"trials": 6, "strategies": 16}


def test_a_full_file_is_not_written_again(tracking_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "CHUNK", 1)
    tracker = make_tracker(tracking_uri)
    tracker.record_trial(make_result(accuracies=SMALL))
    before = table_files(tracking_uri)[0].stat().st_mtime_ns
    tracker.record_trial(make_result(accuracies=SMALL, seed=1))
    assert table_files(tracking_uri)[0].stat().st_mtime_ns == before


# --- what is not used, and mended ---


def forget(uri: str) -> None:
    (sweep,) = all_runs(uri)["sweep"]
    connect(uri).delete_tag(sweep.info.run_id, "smartmixed.tables")


def remove_first(uri: str) -> None:
    table_files(uri, "strategies")[0].unlink()
    table_files(uri)[0].unlink()


def cut(uri: str) -> None:
    for name in ("trials", "strategies"):
        file = table_files(uri, name)[0]
        file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))


def rename_a_column(uri: str) -> None:
    for name in ("trials", "strategies"):
        file = table_files(uri, name)[0]
        file.write_text(file.read_text().replace("architecture", "widths", 1))


def remove_all(uri: str) -> None:
    shutil.rmtree(table_files(uri)[0].parents[1])


@pytest.mark.parametrize("damage", [forget, remove_first, cut, rename_a_column, remove_all])
def test_damaged_tables_are_not_used_and_the_next_writer_mends_them(
    tracking_uri: str, monkeypatch: pytest.MonkeyPatch, damage: Callable[[str], None]
) -> None:
    monkeypatch.setattr(stored, "CHUNK", 2)
    results = [make_result(accuracies=SMALL, seed=seed) for seed in range(4)]
    tracker = make_tracker(tracking_uri)
    for result in results[:3]:
        tracker.record_trial(result)
    before = strategies(tracking_uri=tracking_uri).sort_values("run_id", ignore_index=True)
    damage(tracking_uri)
    assert read(tracking_uri, "trials") is None
    assert read(tracking_uri, "strategies") is None
    after = strategies(tracking_uri=tracking_uri).sort_values("run_id", ignore_index=True)
    assert_frame_equal(after, before)
    make_tracker(tracking_uri).record_trial(results[3])
    mended = read(tracking_uri, "strategies")
    assert mended is not None
    assert set(mended["trial"]) == {result.key for result in results}


def read(uri: str, name: str) -> pd.DataFrame | None:
    client = connect(uri)
    return stored.read(client, tables.find_sweeps(client, uri, None, False)[0], name)
