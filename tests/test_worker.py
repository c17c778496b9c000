import json
from pathlib import Path
from typing import Any

import pytest
import torch

from smartmixed_search.config import TrialConfig
from smartmixed_search.datasets import Dataset
from smartmixed_search.result import TrialResult
from smartmixed_search.search.cluster import TrialResources
from smartmixed_search.search.directory import TrialDirectory
from smartmixed_search.search.worker import REPORT_SECONDS, EpochReports, Job, TrialFunction, work
from tests.trials import synthetic_result

CONFIG = TrialConfig(dataset="tiny", architecture=(8,), epochs=2)


class Shared:
    """A dataset that is shared with nobody."""

    checksum = "c" * 16

    def get(self) -> Dataset:
        x, y = torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64)
        return Dataset(
            name="tiny", checksum=self.checksum, classes=2, x_train=x, y_train=y, x_val=x, y_val=y, x_test=x, y_test=y
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


def job(path: Path, run: TrialFunction, cpus: float = 1, gpus: float = 0) -> Job:
    return Job(run=run, dataset=Shared(), resources=TrialResources(cpus=cpus, gpus=gpus), trials=path)


def test_result_is_on_the_disk_and_complete(tmp_path):
    work(job(tmp_path, Trial()), CONFIG, print)
    result = TrialDirectory(tmp_path / CONFIG.key).load_result()
    assert result == synthetic_result(CONFIG)


def test_trial_gets_dataset_threads_and_a_place_for_its_weights(tmp_path):
    trial = Trial()
    work(job(tmp_path, trial, cpus=2.5, gpus=0.25), CONFIG, print)
    (call,) = trial.calls
    assert call["config"] == CONFIG
    assert call["dataset"].name == "tiny"
    assert call["threads"] == 2
    assert call["device"] == ("cuda" if torch.cuda.is_available() else "cpu")
    assert call["weights_path"] == tmp_path / CONFIG.key / "weights.safetensors"


def test_trial_that_is_trained_is_not_trained_again(tmp_path):
    trial = Trial()
    for _ in range(2):
        work(job(tmp_path, trial), CONFIG, print)
    assert len(trial.calls) == 1


def test_error_is_raised_and_left_on_the_disk(tmp_path):
    with pytest.raises(ValueError, match="bad"):
        work(job(tmp_path, Trial(ValueError("bad\nnews"))), CONFIG, print)
    lines = TrialDirectory(tmp_path / CONFIG.key).error.read_text().splitlines()
    assert lines[0] == "ValueError: bad news"
    assert lines[2] == "Traceback (most recent call last):"


def test_success_leaves_no_error_of_an_earlier_attempt(tmp_path):
    with pytest.raises(ValueError, match="bad"):
        work(job(tmp_path, Trial(ValueError("bad"))), CONFIG, print)
    work(job(tmp_path, Trial()), CONFIG, print)
    assert not TrialDirectory(tmp_path / CONFIG.key).error.exists()


def test_result_file_is_json_without_extensions(tmp_path):
    work(job(tmp_path, Trial()), CONFIG, print)
    text = TrialDirectory(tmp_path / CONFIG.key).result.read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_epochs_are_reported_seldom():
    now, sent = 0.0, []
    reports = EpochReports(sent.append, clock=lambda: now)
    for epoch in range(40):
        now = (epoch + 1) * REPORT_SECONDS / 10
        reports(epoch, {"epoch": epoch, "epochs": 40})
    assert [report["epoch"] for report in sent] == [9, 19, 29, 39]


def test_short_trial_reports_nothing():
    sent: list[dict[str, Any]] = []
    EpochReports(sent.append)(0, {"epoch": 0, "epochs": 2})
    assert sent == []
