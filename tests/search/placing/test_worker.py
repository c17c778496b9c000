import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from smartmixed_search.datasets import Dataset, load_dataset
from smartmixed_search.errors import TrialInterrupted
from smartmixed_search.search.keeping.directory import SweepDirectory
from smartmixed_search.search.placing.cluster import TrialResources
from smartmixed_search.search.placing.worker import (
    REPORT_SECONDS,
    STOP_SECONDS,
    EpochReports,
    Job,
    SharedDataset,
    StopRequest,
    TrialFunction,
    trainable,
    work,
)
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.system.checksums import checksum
from smartmixed_search.tasks.classification import Classification
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.result import TrialResult
from tests.helpers.trials import synthetic_result

CONFIG = TrialConfig(dataset="tiny", architecture=(8,), epochs=2)
SPACE = SearchSpace.from_dict(
    {"dataset": "digits", "architecture": "8", "phase_fraction": {"choices": [0.2, 0.5]}, "epochs": 10}
)


class Shared:
    """A dataset that is shared with nobody."""

    checksum = "c" * 16

    def get(self) -> Dataset:
        x, y = torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64)
        return Dataset(
            name="tiny",
            checksum=self.checksum,
            task=Classification(2),
            x_train=x,
            y_train=y,
            x_val=x,
            y_val=y,
            x_test=x,
            y_test=y,
        )


class Trial:
    """A trial function that remembers what it was called with."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[dict[str, Any]] = []
        self.error = error

    def __call__(self, config: TrialConfig, dataset: Dataset, **options: Any) -> TrialResult:
        self.calls.append({"config": config, "dataset": dataset, "threads": torch.get_num_threads(), **options})
        if self.error is not None:
            raise self.error
        return synthetic_result(config)


@pytest.fixture(autouse=True)
def _threads() -> Any:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def directory(tmp_path: Path) -> SweepDirectory:
    (tmp_path / "resolved.json").write_text("{}")
    return SweepDirectory(tmp_path)


def job(directory: SweepDirectory, run: TrialFunction, cpus: float = 1, gpus: float = 0, **options: Any) -> Job:
    resources = TrialResources(cpus=cpus, gpus=gpus)
    return Job(run=run, dataset=Shared(), resources=resources, directory=directory, space=SPACE, **options)


def test_result_is_on_the_disk_and_complete(directory: SweepDirectory) -> None:
    work(job(directory, Trial()), CONFIG, print)
    result = directory.trial(CONFIG.key).load_result()
    assert result == synthetic_result(CONFIG)


def test_trial_gets_dataset_threads_and_a_place_for_its_weights(directory: SweepDirectory) -> None:
    trial = Trial()
    work(job(directory, trial, cpus=2.5, gpus=0.25), CONFIG, print)
    (call,) = trial.calls
    assert call["config"] == CONFIG
    assert call["dataset"].name == "tiny"
    assert call["threads"] == 2
    assert call["device"] == ("cuda" if torch.cuda.is_available() else "cpu")
    assert call["weights_path"] == directory.path / "trials" / CONFIG.key / "weights.safetensors"


def test_trial_that_is_trained_is_not_trained_again(directory: SweepDirectory) -> None:
    trial = Trial()
    for _ in range(2):
        work(job(directory, trial), CONFIG, print)
    assert len(trial.calls) == 1


def test_trial_without_a_gpu_sees_none(directory: SweepDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def look(config: TrialConfig, dataset: Dataset, **options: Any) -> TrialResult:
        seen.append(os.environ["CUDA_VISIBLE_DEVICES"])
        return synthetic_result(config)

    monkeypatch.setenv("TUNE_FUNCTION_THREAD_TIMEOUT_S", "60")
    for gpus in (0.5, 0.0):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
        config = replace(CONFIG, seed=len(seen))
        trainable(job(directory, look, gpus=gpus))({"number": 0, "config": config.to_dict(), "baselines_of": None})
    assert seen == ["3", ""]


def test_attempt_clears_what_a_killed_one_was_writing(directory: SweepDirectory) -> None:
    files = directory.trial(CONFIG.key)
    files.path.mkdir(parents=True)
    (files.path / ".result.json.0123456789abcdef.tmp").write_text("{")
    work(job(directory, Trial()), CONFIG, print)
    assert [item.name for item in files.path.iterdir()] == ["result.json"]


def test_error_is_raised_and_left_on_the_disk(directory: SweepDirectory) -> None:
    with pytest.raises(ValueError, match="bad"):
        work(job(directory, Trial(ValueError("bad\nnews"))), CONFIG, print)
    lines = directory.trial(CONFIG.key).error.read_text().splitlines()
    assert lines[0] == "ValueError: bad news"
    assert lines[2] == "Traceback (most recent call last):"


def test_success_leaves_no_error_of_an_earlier_attempt(directory: SweepDirectory) -> None:
    with pytest.raises(ValueError, match="bad"):
        work(job(directory, Trial(ValueError("bad"))), CONFIG, print)
    work(job(directory, Trial()), CONFIG, print)
    assert not directory.trial(CONFIG.key).error.exists()


def test_result_file_is_json_without_extensions(directory: SweepDirectory) -> None:
    work(job(directory, Trial()), CONFIG, print)
    text = directory.trial(CONFIG.key).result.read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_epochs_are_reported_seldom() -> None:
    now = 0.0
    sent: list[Any] = []
    reports = EpochReports(sent.append, clock=lambda: now)
    for epoch in range(40):
        now = (epoch + 1) * REPORT_SECONDS / 10
        reports(epoch, {"epoch": epoch, "epochs": 40})
    assert [report["epoch"] for report in sent] == [9, 19, 29, 39]


def test_short_trial_reports_nothing() -> None:
    sent: list[dict[str, Any]] = []
    EpochReports(sent.append)(0, {"epoch": 0, "epochs": 2})
    assert sent == []


def test_epochs_at_rungs_are_always_reported() -> None:
    sent: list[dict[str, Any]] = []
    reports = EpochReports(sent.append, rungs=(3, 9), clock=lambda: 0.0)
    for epoch in range(10):
        reports(epoch, {"epoch": epoch, "epochs": 10})
    assert [report["epoch"] for report in sent] == [2, 8]


def test_request_to_stop_is_looked_for_now_and_then(tmp_path: Path) -> None:
    now = 0.0
    request = StopRequest(tmp_path / "stop", clock=lambda: now)
    assert not request()
    (tmp_path / "stop").touch()
    assert not request()
    now += STOP_SECONDS
    assert request()


def test_interrupted_trial_leaves_no_error_and_no_result(directory: SweepDirectory) -> None:
    sent: list[dict[str, Any]] = []
    work(job(directory, Trial(TrialInterrupted())), CONFIG, sent.append)
    assert sent == []
    assert not directory.trial(CONFIG.key).error.exists()
    assert not directory.trial(CONFIG.key).result.exists()


@pytest.mark.parametrize(
    ("number", "what"),
    [(errno.ENOSPC, "finds no room in"), (errno.EDQUOT, "finds no room in"), (errno.EROFS, "cannot write to")],
)
def test_disk_that_takes_nothing_is_no_failure_of_the_trial(directory: SweepDirectory, number: int, what: str) -> None:
    sent: list[dict[str, Any]] = []
    work(job(directory, Trial(OSError(number, "full"))), CONFIG, sent.append)
    (message,) = sent
    assert f" {what} the output directory " in message["halt"]
    assert message["halt"].endswith("run the same command again to continue")
    assert not directory.trial(CONFIG.key).error.exists()


def test_node_that_does_not_see_the_sweep_trains_nothing(directory: SweepDirectory) -> None:
    directory.resolved.unlink()
    trial = Trial()
    sent: list[Any] = []
    work(job(directory, trial), CONFIG, sent.append)
    assert trial.calls == []
    assert sent[0]["halt"].startswith("every node must see the output directory")


def test_trial_gets_the_earlier_one_whose_baselines_it_can_reuse(directory: SweepDirectory) -> None:
    trial = Trial()
    work(job(directory, trial), CONFIG, print)
    work(job(directory, trial), replace(CONFIG, temperature=1.0), print, baselines_of=CONFIG.key)
    assert [call["reuse"] for call in trial.calls] == [None, synthetic_result(CONFIG)]


def test_damaged_result_is_as_good_as_none(directory: SweepDirectory) -> None:
    trial = Trial()
    work(job(directory, trial), CONFIG, print)
    result = directory.trial(CONFIG.key).result
    result.write_text(result.read_text()[:300])
    work(job(directory, trial), replace(CONFIG, temperature=1.0), print, baselines_of=CONFIG.key)
    assert [call["reuse"] for call in trial.calls] == [None, None]
    work(job(directory, trial), CONFIG, print)
    assert directory.trial(CONFIG.key).load_result() == synthetic_result(CONFIG)


def test_trial_with_damaged_weights_is_trained_again(directory: SweepDirectory) -> None:
    def train(config: TrialConfig, dataset: Dataset, *, weights_path: Path, **options: Any) -> TrialResult:
        weights_path.write_bytes(b"weights")
        return replace(synthetic_result(config), weights_checksum=checksum(b"weights"))

    files = directory.trial(CONFIG.key)
    work(job(directory, train), CONFIG, print)
    files.weights.write_bytes(b"weightt")
    work(job(directory, train), CONFIG, print)
    assert files.weights.read_bytes() == b"weights"


def test_trial_measures_handoffs_of_other_lengths_if_baselines_are_reused(directory: SweepDirectory) -> None:
    trial = Trial()
    config = replace(CONFIG, epochs=10)
    work(job(directory, trial), config, print)
    work(job(directory, trial, reuse=False), replace(config, temperature=1.0), print)
    assert [call["handoff_epochs"] for call in trial.calls] == [(2, 5), ()]


def test_a_shared_dataset_is_the_dataset(ray_session: None) -> None:
    digits = load_dataset("digits")
    shared = SharedDataset.put(digits).get()
    assert torch.equal(shared.x_train, digits.x_train)
    assert shared.facts == digits.facts
