"""Two datasets of one name in a store: sweeps of equal settings, and so of equal trial keys, on other data."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from smartmixed_search.analysis.confirmed import Confirmed
from smartmixed_search.analysis.preferences import by_layer, trend
from smartmixed_search.analysis.tuning import response
from smartmixed_search.cli import cli
from smartmixed_search.errors import ConfigError
from smartmixed_search.tracking.questions import queries
from smartmixed_search.tracking.questions.choices import choices
from smartmixed_search.tracking.runs import runs
from smartmixed_search.tracking.store.store import connect, default_tracking_uri
from smartmixed_search.tracking.tables import tables
from smartmixed_search.tracking.writing.writer import Tracker
from tests.helpers.factories import make_result
from tests.helpers.top_sweeps import EVERY
from tests.helpers.tracked import make_tracker, opening

CHECKSUMS = {"hard": "3f2a9188c0ffee00", "easy": "77c0ffee3f2a9188"}
CALLED = ["train (3f2a91)", "train (77c0ff)"]
HARD, EASY = {"smartmixed": 0.5, "relu": 0.6}, {"smartmixed": 0.9, "relu": 0.8}


def environment(sweep: str) -> dict[str, Any]:
    return {"dataset": {"name": "train", "checksum": CHECKSUMS[sweep]}}


def confirm(uri: str, sweep: str, accuracies: dict[str, float]) -> None:
    """Record that the sweep's trial came to this on fresh seeds."""
    original = make_result(accuracies=HARD, dataset="train").config
    confirms = Confirmed.of(sweep, original)
    config = replace(original, seed=confirms.fresh_seed, replicates=5)
    result = replace(make_result(accuracies=accuracies, replicates=5), config=config, key=config.key)
    tracker = Tracker(uri, sweep=f"{sweep}-again", dataset="train", confirms=confirms)
    tracker.open_sweep(**opening(key=f"{sweep}-again", environment=environment(sweep)))
    tracker.record_trial(result)


@pytest.fixture(scope="module", params=[False, True], ids=["tagged", "of an earlier version"])
def uri(request: pytest.FixtureRequest, store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("name")
    shutil.copy(store_template, folder)
    address = default_tracking_uri(folder)
    for sweep, accuracies in (("hard", HARD), ("easy", EASY)):
        tracker = make_tracker(address, sweep, "train", key=sweep, environment=environment(sweep))
        tracker.record_trial(make_result(accuracies=accuracies, dataset="train"))
    confirm(address, "easy", {"smartmixed": 0.85, "relu": 0.8})
    if request.param:
        client = connect(address)
        for run in client.search_runs([one.experiment_id for one in runs.experiments(client)]):
            client.delete_tag(run.info.run_id, "smartmixed.checksum")
    return address


def test_leaderboards_are_apart(uri: str) -> None:
    board = queries.top(all_sweeps=True, tracking_uri=uri)
    assert board[["dataset", "checksum", "place", "strategy", "blocks"]].values.tolist() == [
        ["train", CHECKSUMS["hard"], 1, "relu", 1],
        ["train", CHECKSUMS["hard"], 2, "smartmixed", 1],
        ["train", CHECKSUMS["easy"], 1, "smartmixed", 1],
        ["train", CHECKSUMS["easy"], 2, "relu", 1],
    ]
    assert board.loc[board["strategy"] == "smartmixed", "phase_fraction"].tolist() == [0.125, 0.125]
    blocks = queries.top(by="architecture", all_sweeps=True, tracking_uri=uri)
    assert blocks.groupby("checksum")["rank"].apply(list).tolist() == [[1, 2], [1, 2]]
    assert queries.top(1, by="trial", all_sweeps=True, tracking_uri=uri)["sweep"].tolist() == ["hard", "easy"]


@pytest.mark.parametrize("by", EVERY)
def test_what_is_printed_tells_them_apart(uri: str, by: str) -> None:
    def ask(*arguments: str) -> str:
        return CliRunner().invoke(cli, ["top", "--by", by, "--tracking-uri", uri, *arguments]).stdout

    headings = [line[:-1] for line in ask("--all-sweeps").splitlines() if line.endswith(":")]
    assert headings == CALLED
    assert ask("--sweep", "easy").startswith("train:")
    known = {(row["dataset"], row["checksum"]) for row in json.loads(ask("--all-sweeps", "--format", "json"))}
    assert known == {("train", checksum) for checksum in CHECKSUMS.values()}


def test_status_and_tables_say_which_data(uri: str) -> None:
    status = queries.status(all_sweeps=True, tracking_uri=uri).set_index("sweep")["checksum"]
    assert status.to_dict() == CHECKSUMS
    for table in (queries.sweeps(uri), queries.trials(all_sweeps=True, tracking_uri=uri)):
        assert list(table)[1:3] == ["dataset", "checksum"]
        assert table.set_index("sweep")["checksum"].to_dict() == CHECKSUMS
    assert "train (77c0ff):" in CliRunner().invoke(cli, ["status", "--all-sweeps", "--tracking-uri", uri]).stdout


def test_conclusions_are_apart_and_each_has_its_own_confirmation(uri: str) -> None:
    hard, easy = queries.compare(all_sweeps=True, tracking_uri=uri)
    assert [hard.dataset, easy.dataset] == CALLED
    accuracies = [one.leaderboard.set_index("strategy")["test_accuracy"].to_dict() for one in (hard, easy)]
    assert accuracies == [pytest.approx(HARD), pytest.approx({"smartmixed": 0.85, "relu": 0.8})]
    assert (hard.architectures["confirmed"].any(), easy.architectures["confirmed"].all()) == (False, True)


def test_choices_are_not_of_one_network(uri: str) -> None:
    found = choices(all_sweeps=True, tracking_uri=uri)
    assert set(found["checksum"]) == {*CHECKSUMS.values()}
    assert trend(found)["blocks"].tolist() == [2, 2]
    with pytest.raises(ValueError, match=r"one dataset, but got train \(3f2a91\), train \(77c0ff\)"):
        by_layer(found)


def test_tuning_is_judged_on_one_dataset(uri: str) -> None:
    with pytest.raises(ValueError, match=r"one dataset, but got train \(3f2a91\), train \(77c0ff\)"):
        response(queries.trials(all_sweeps=True, tracking_uri=uri), "temperature")


def test_mlflow_itself_can_be_asked_for_the_data(uri: str) -> None:
    client = connect(uri)
    ids = [experiment.experiment_id for experiment in runs.experiments(client)]
    where = f"tags.smartmixed.checksum = '{CHECKSUMS['easy']}'"
    if client.search_runs(ids, "tags.smartmixed.checksum LIKE '%'"):
        found = queries.top(all_sweeps=True, where=where, tracking_uri=uri)
        assert found["checksum"].unique().tolist() == [CHECKSUMS["easy"]]
    else:  # an earlier version's runs do not have the tag
        with pytest.raises(ConfigError, match=r"a name in where, of tags, must be a known one"):
            queries.top(all_sweeps=True, where=where, tracking_uri=uri)


def test_stored_tables_serve_as_they_are(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = queries.strategies(all_sweeps=True, tracking_uri=uri)
    monkeypatch.setattr(tables, "read_runs", lambda *arguments: pytest.fail("the tables are not used"))
    pd.testing.assert_frame_equal(queries.strategies(all_sweeps=True, tracking_uri=uri), expected)
