"""`export`, from a trial in MLflow to a file that others load."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
import torch

from smartmixed_search.cli import main
from smartmixed_search.errors import ConfigError, NetworkError
from smartmixed_search.export.formats import FORMATS
from smartmixed_search.system.checksums import checksum
from smartmixed_search.tracking.models.networks import fetch_network
from smartmixed_search.tracking.store.store import default_tracking_uri
from smartmixed_search.trials.result import TrialResult
from tests.helpers.exports import load
from tests.helpers.factories import make_result
from tests.helpers.models import trial
from tests.helpers.networks import draw, drop_in
from tests.helpers.tracked import all_runs, make_tracker

Cli = Callable[..., tuple[int, str, str]]

Tracked = tuple[str, TrialResult, TrialResult]

FAILED = make_result(seed=99)


@pytest.fixture(scope="module")
def tracked(store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Tracked:
    """A store with two trials whose keys begin alike, of the second of which replicate 2 diverged, and a failed one."""
    folder = tmp_path_factory.mktemp("tracked")
    shutil.copy(store_template, folder)
    uri = default_tracking_uri(folder)
    whole = [trial(folder, seed) for seed in range(17)]
    first, second = next(pair for pair in combinations(whole, 2) if pair[0].key[0] == pair[1].key[0])
    second = trial(folder, second.config.seed, diverged=2)
    tracker = make_tracker(uri)
    for result in (first, second):
        tracker.record_trial(result)
    tracker.record_failure(FAILED.config, FAILED.key, "MemoryError")
    return uri, first, second


@pytest.fixture
def export(tracked: Tracked, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run `export` on that store; return exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["export", *map(str, arguments), "--tracking-uri", tracked[0]])
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run


def assert_is_replicate(path: Path, file_format: str, replicate: int) -> None:
    x = torch.randn(3, 6)
    expected = drop_in(*draw(seed=replicate))(x / 16).softmax(1)
    torch.testing.assert_close(load(path, file_format)(x), expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_network_that_validates_best_is_written(
    export: Cli, tracked: Tracked, tmp_path: Path, file_format: str
) -> None:
    path, key = tmp_path / "network.pt2", tracked[1].key
    code, out, err = export(key[:8], "--format", file_format, "--out", path)
    assert (code, err) == (0, "")
    assert out.startswith(f"{path}: replicate 2 of trial {key} (40-24 ")
    assert "validation loss 0.1000, the lowest of 3\nload it with: " in out
    prepared = file_format == "safetensors"
    examples = "prepared examples, divided by 16" if prepared else "raw examples"
    assert f"\nit takes x [batch, 6] float32: {examples} (in the file: " in out
    assert f"\nit returns {'logits' if prepared else 'the probabilities'} of the classes 0, 1, 2, 3\n" in out
    assert_is_replicate(path, file_format, 2)


def test_a_replicate_or_a_run_can_be_named(export: Cli, tracked: Tracked, tmp_path: Path) -> None:
    uri, _, second = tracked
    (run_id,) = (run.info.run_id for run in all_runs(uri)["trial"] if run.data.tags["smartmixed.key"] == second.key)
    common = (run_id, "--sweep", "mine", "--format", "safetensors", "--out")
    assert export(*common, tmp_path / "best")[0] == 0
    assert_is_replicate(tmp_path / "best", "safetensors", 1)
    code, out, _ = export(*common, tmp_path / "first", "--replicate", 0)
    assert code == 0
    assert "lowest" not in out
    assert_is_replicate(tmp_path / "first", "safetensors", 0)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["0" * 16], ["in sweep 'mine'", "top --by trial` lists them"]),
        (["it's"], ["in sweep 'mine'", '"it\'s"']),
        (["0" * 32], ["no trial or strategy with the run id"]),
        (["{digit}"], ["fits several trials of sweep 'mine': {first}, {second}"]),
        (["{failed}"], ["must be finished", "is failed"]),
        (["{second}", "--replicate", "2"], ["replicate must be one of 0, 1, but got 2"]),
        (["{first}", "--replicate", "-1"], ["--replicate"]),
        (["{first}", "--sweep", "mien"], ["did you mean 'mine'"]),
        (["{first}", "--format", "pickle"], ["pickle", "safetensors"]),
        (["{first}", "--format", "torch-export"], [".pt2"]),
        (["{first}", "--out", "{folder}/taken"], ["taken' exists"]),
        (["{first}", "--out", "{folder}/none/file"], ["No such file or directory"]),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else None,
)
def test_bad_input_gets_one_line_and_leaves_nothing(
    export: Cli,
    tracked: Tracked,
    tmp_path: Path,
    arguments: list[str],
    told: list[str],
) -> None:
    (tmp_path / "taken").touch()
    before = sorted(tmp_path.iterdir())
    _, first, second = tracked
    words = {"first": first.key, "second": second.key, "digit": first.key[0], "failed": FAILED.key, "folder": tmp_path}
    defaults = ["--format", "safetensors", "--out", str(tmp_path / "file")]
    code, out, err = export(*[argument.format(**words) for argument in [arguments[0], *defaults, *arguments[1:]]])
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert all(word.format(**words) in err for word in told), err
    assert sorted(tmp_path.iterdir()) == before


def test_plugins_are_imported_where_they_are_confirmed(
    tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_functions.py").touch()
    result = trial(tmp_path, 0, plugins=["own_functions"])
    make_tracker(tracking_uri).record_trial(result)
    with pytest.raises(ConfigError, match="give --plugin own_functions "):
        fetch_network(result.key, tracking_uri=tracking_uri)
    assert "own_functions" not in sys.modules
    found = fetch_network(result.key, tracking_uri=tracking_uri, plugins=["own_functions"])
    assert found.network.replicate == 2
    assert sys.modules.pop("own_functions")


def test_weights_that_were_damaged_in_mlflow_are_noticed(tracking_uri: str, tmp_path: Path) -> None:
    made = trial(tmp_path, 1)
    weights = checksum(Path(made.weights_path or "").read_bytes())
    make_tracker(tracking_uri).record_trial(replace(made, weights_checksum=weights))
    assert fetch_network(made.key, tracking_uri=tracking_uri).trial == made.key
    (kept,) = tmp_path.rglob("weights.safetensors")
    content = bytearray(kept.read_bytes())
    content[-5] ^= 1
    kept.write_bytes(content)
    with pytest.raises(NetworkError, match=f"weights.safetensors of trial {made.key} is damaged in MLflow"):
        fetch_network(made.key, tracking_uri=tracking_uri)
