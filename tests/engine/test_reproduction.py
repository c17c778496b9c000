"""`reproduce`: recorded trials trained again, bit by bit."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from smartmixed_search.analysis.confirmed import Confirmed
from smartmixed_search.cli import main
from smartmixed_search.datasets import Dataset, load_dataset
from smartmixed_search.engine.reproduction import compare_trials, figures_of, reproduce_trial, without_members
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.errors import ConfigError, DatasetError, TrackingError
from smartmixed_search.search.reproduce import reproduce
from smartmixed_search.tasks.metric import ACCURACY
from smartmixed_search.tracking.questions import recorded as reproducing
from smartmixed_search.tracking.questions.recorded import recorded_trial
from smartmixed_search.tracking.writing.writer import Tracker
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.recorded import RecordedTrial
from smartmixed_search.trials.result import TrialResult
from tests.helpers.tracked import SPACE, make_tracker, opening

CONFIG = TrialConfig(
    dataset="digits",
    architecture=(8, 6),
    epochs=3,
    replicates=2,
    batch_size=256,
    strategies=("smartmixed", "relu", "tanh"),
    controls=("selective", "random-mixed"),
    handoff="reinitialize",
    clamp=5.0,
)


@cache
def digits() -> Dataset:
    return load_dataset("digits")


@cache
def trained() -> tuple[TrialResult, TrialResult]:
    """A trial, and one that takes its baselines over."""
    first = run_trial(CONFIG, digits())
    return first, run_trial(replace(CONFIG, temperature=0.9), digits(), reuse=first)


def record_both(uri: str) -> None:
    tracker = make_tracker(uri, environment={"git": "abc", "software": {"smartmixed-search": "0.1"}})
    for result in trained():
        tracker.record_trial(result)


@pytest.fixture
def recorded(copy_of: Callable[..., str]) -> str:
    """A store with both trials."""
    return copy_of(record_both)


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[Any, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["reproduce", *arguments])
    written = capsys.readouterr()
    return ended.value.code, written.out, written.err


def test_a_trial_comes_out_again_bit_by_bit(recorded: str) -> None:
    first, _ = trained()
    found = reproduce(first.key[:6], tracking_uri=recorded)
    assert len(found.networks) == 10
    assert found.identical
    assert not found.differences


def test_of_a_trial_that_took_over_networks_its_own_come_out_again(
    recorded: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = trained()
    code, out, err = ask(capsys, second.key, "--tracking-uri", recorded)
    assert code == 0
    assert "identical: every figure of 4 networks came out again; the recorded environment is the same" in out
    assert f"trial {first.key} trained them" in err
    assert f"`reproduce {first.key} --sweep mine` trains them again" in err
    for name in ("relu", "tanh", "random-mixed"):
        assert name in err
        assert name not in out


def test_a_confirmation_s_trial_is_found_by_the_confirmation_s_name(recorded: str) -> None:
    first, _ = trained()
    confirms = Confirmed.of("mine", CONFIG)
    config = replace(CONFIG, seed=confirms.fresh_seed)
    tracker = Tracker(recorded, sweep="mine-confirmed-2", dataset="digits", confirms=confirms)
    tracker.open_sweep(**opening(key="c"))
    tracker.record_trial(replace(first, config=config, key=config.key))
    found = recorded_trial(config.key[:8], "mine-confirmed-2", recorded)
    assert (found.trial.key, found.sweep) == (config.key, "mine-confirmed-2")
    with pytest.raises(TrackingError, match="in sweep 'mine'"):
        recorded_trial(config.key, "mine", recorded)


def test_networks_that_were_not_recorded_have_not_come_out_again() -> None:
    first, _ = trained()
    whole = record_of(first)
    for known in (whole.figures["strategy"] != "relu", whole.figures["replicate"] > 5):
        found = compare_trials(replace(whole, figures=whole.figures[known]), first)
        assert len(found.networks) == 10
        assert not found.identical
        assert found.largest_difference == np.inf
        assert not found.agrees


def test_a_run_of_a_trial_or_strategy_can_be_named(recorded: str) -> None:
    from smartmixed_search.tracking.questions import queries

    rows = queries.strategies(tracking_uri=recorded)
    row = rows[rows["strategy"] == "tanh"].iloc[0]
    for run_id in (row["run_id"], row["parent_id"]):
        assert recorded_trial(run_id, tracking_uri=recorded).trial.key == trained()[0].key
    (sweep,) = queries.sweeps(recorded)["run_id"]
    with pytest.raises(TrackingError, match="no trial or strategy with the run id"):
        recorded_trial(sweep, tracking_uri=recorded)


def test_figures_that_do_not_agree_are_told_and_fail(recorded: str, capsys: pytest.CaptureFixture[str]) -> None:
    first, _ = trained()
    wrong = replace(first, config=replace(CONFIG, learning_rate=5e-3))
    # Recorded under a configuration that is not what trained it, as a bug or a forged record would be.
    tracker = make_tracker(recorded, sweep="forged", key="f")
    tracker.record_trial(replace(wrong, key=wrong.config.key))
    code, out, _ = ask(capsys, wrong.config.key, "--sweep", "forged", "--tracking-uri", recorded)
    assert code == 1
    assert "NOT reproduced: 10 of 10 networks are not identical; test accuracies differ by" in out
    assert "the recorded environment is the same" in out


def record_of(result: TrialResult, **environment: str) -> RecordedTrial:
    networks = [figures_of(network, ACCURACY) for network in result.networks]
    return RecordedTrial(
        key=result.key,
        config=result.config,
        environment=result.environment | environment,
        figures=pd.DataFrame(networks),
        reused={},
    )


def test_elsewhere_a_point_of_accuracy_is_tolerated_and_what_differs_is_named() -> None:
    first, _ = trained()
    one = first.networks[0]
    accuracy = one.test["accuracy"]
    assert accuracy is not None
    networks = [replace(one, test={**one.test, "accuracy": accuracy + 0.009}), *first.networks[1:]]
    found = compare_trials(record_of(first, torch="1.0", threads="64"), replace(first, networks=networks))
    assert found.differences == {"threads": ("64", str(torch.get_num_threads())), "torch": ("1.0", torch.__version__)}
    assert not found.identical
    assert found.largest_difference == pytest.approx(0.009)
    assert found.agrees
    assert not compare_trials(record_of(first), replace(first, networks=networks)).agrees


def test_networks_that_diverged_both_times_are_identical() -> None:
    first, _ = trained()
    lost = replace(
        first.networks[0],
        val={"loss": None, "accuracy": 0.0},
        test={"loss": None, "accuracy": 0.0},
        best_epoch=None,
    )
    again = replace(first, networks=[lost, *first.networks[1:]])
    assert compare_trials(record_of(again), again).identical
    assert not compare_trials(record_of(again), first).identical


def test_a_trial_is_trained_with_the_threads_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, before = [], torch.get_num_threads()

    def run(*arguments: Any) -> TrialResult:
        seen.append(torch.get_num_threads())
        return trained()[0]

    monkeypatch.setattr("smartmixed_search.engine.reproduction.run_trial", run)
    reproduce_trial(record_of(trained()[0], threads=str(before + 1)), digits())
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


def test_other_data_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"on the data it was trained on, digits \(abc\), but got digits \("):
        reproduce_trial(record_of(trained()[0], dataset_checksum="abc"), digits())


def test_a_dataset_file_may_have_moved(tracking_uri: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "mine.npz"
    np.savez(path, x=rng.normal(size=(200, 3)), y=np.arange(200) % 2)
    config = TrialConfig(dataset="mine", architecture=(4,), epochs=2, strategies=("smartmixed", "relu"))
    result = run_trial(config, load_dataset(str(path)))
    make_tracker(tracking_uri, dataset="mine", space=SPACE | {"dataset": str(path)}).record_trial(result)
    moved = path.rename(tmp_path / "elsewhere.npz").rename(tmp_path / "sub-mine.npz")
    (tmp_path / "sub").mkdir()
    moved = moved.rename(tmp_path / "sub" / "mine.npz")
    with pytest.raises(DatasetError, match=r"mine\.npz"):
        reproduce(result.key, tracking_uri=tracking_uri)
    assert reproduce(result.key, dataset=str(moved), tracking_uri=tracking_uri).identical


def test_trials_recorded_without_their_environment_are_compared_all_the_same(
    recorded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reproducing, "_environment", lambda client, run: {})
    found = reproduce(trained()[0].key, tracking_uri=recorded)
    assert found.identical
    assert found.differences["environment"][0] == "not recorded"


def test_smartmixed_itself_is_always_trained() -> None:
    assert without_members(CONFIG, ["relu", "tanh"]).members == ("smartmixed", "selective", "random-mixed")
    with pytest.raises(ConfigError, match="smartmixed must be trained by its own trial"):
        without_members(CONFIG, ["smartmixed"])


def test_unknown_trials_are_told_in_a_line(recorded: str, capsys: pytest.CaptureFixture[str]) -> None:
    for trial in ("zzz", "0" * 32, "it's"):
        code, _, err = ask(capsys, trial, "--tracking-uri", recorded)
        assert code == 2
        assert len(err.splitlines()) == 1
        assert json.dumps(trial).strip('"') in err
