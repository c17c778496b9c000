"""Sweeps that are brought to a store later, through the command line."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smartmixed_search.cli import main
from smartmixed_search.errors import TrackingError
from smartmixed_search.search.keeping.directory import SweepDirectory
from smartmixed_search.search.recording.sync import find_sweeps, sync_sweep
from smartmixed_search.tracking.store.store import connect, default_tracking_uri
from smartmixed_search.tracking.writing.writer import Tracker
from smartmixed_search.trials.result import TrialResult
from tests.helpers.sweeps import make_sweep
from tests.helpers.tracked import all_runs, contents

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def sync(capsys: pytest.CaptureFixture[str], tmp_path: Path, tracking_uri: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command over a folder with a store; return exit code, stdout and stderr."""
    for name in ("SMARTMIXED_OUTPUT_DIR", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)

    def sync(*arguments: object, output: object = tmp_path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["sync", "--output-dir", str(output), *map(str, arguments)])
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return sync


@pytest.fixture
def other(store_template: Path, tmp_path: Path) -> str:
    """The URI of another store."""
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(store_template, tmp_path / "elsewhere")
    return default_tracking_uri(tmp_path / "elsewhere")


def counts(uri: str) -> dict[str, int]:
    return {kind: len(runs) for kind, runs in all_runs(uri).items()}


def sweep_status(uri: str) -> dict[str, str]:
    return {run.data.tags["smartmixed.sweep"]: run.data.tags["smartmixed.status"] for run in all_runs(uri)["sweep"]}


def test_all_sweeps_of_a_folder_are_delivered_and_nothing_twice(sync: Run, tmp_path: Path, tracking_uri: str) -> None:
    make_sweep(tmp_path, "first")
    make_sweep(tmp_path, "second", finished=1, seed=1)
    (tmp_path / "notes").mkdir()
    expected = [
        "first: {} delivered, 3 of 3 settled trials in MLflow",
        "second: {} delivered, 1 of 1 settled trials in MLflow",
    ]
    code, out, _ = sync()
    assert (code, out.splitlines()) == (0, [expected[0].format(3), expected[1].format(1)])
    before = contents(tracking_uri)
    code, out, _ = sync()
    assert (code, out.splitlines()) == (0, [line.format(0) for line in expected])
    assert contents(tracking_uri) == before
    assert sweep_status(tracking_uri) == {"first": "finished", "second": "stopped"}


def test_one_sweep_goes_to_another_store(sync: Run, tmp_path: Path, tracking_uri: str, other: str) -> None:
    make_sweep(tmp_path, "first", finished=1)
    make_sweep(tmp_path, "second", finished=1, seed=1)
    sync()
    code, out, _ = sync("--sweep", "first", "--tracking-uri", other)
    assert (code, out) == (0, "first: 1 delivered, 1 of 1 settled trials in MLflow\n")
    wanted = {key: value for key, value in contents(tracking_uri).items() if value[1]["smartmixed.sweep"] == "first"}
    assert contents(other) == wanted


def test_what_the_sweep_ran_on_is_recorded_and_not_what_delivers_it(
    sync: Run, tmp_path: Path, tracking_uri: str
) -> None:
    directory = make_sweep(tmp_path, finished=1)
    (directory.path / "environment.json").write_text('{"git": "as it was"}')
    sync()
    found = [json.loads(path.read_text()) for path in tmp_path.glob("mlartifacts/*/artifacts/environment.json")]
    assert [one for one in found if "device" not in one] == [{"git": "as it was"}]  # the others are trials'


def test_a_sweep_is_not_made_the_latest_by_being_delivered(sync: Run, tmp_path: Path, tracking_uri: str) -> None:
    make_sweep(tmp_path, finished=1)
    sync()
    opened = [run.data.tags["smartmixed.opened"] for run in all_runs(tracking_uri)["sweep"]]
    sync()
    assert [run.data.tags["smartmixed.opened"] for run in all_runs(tracking_uri)["sweep"]] == opened


def test_a_sweep_that_is_being_run_is_left_to_its_runner(sync: Run, tmp_path: Path, tracking_uri: str) -> None:
    with make_sweep(tmp_path).hold():
        code, out, _ = sync()
    assert code == 0
    assert out.startswith("demo: left to the process that runs it (")
    assert f"process {os.getpid()} on " in out
    assert counts(tracking_uri)["sweep"] == 0


def test_what_the_store_refuses_is_said_and_the_rest_delivered(
    sync: Run, tmp_path: Path, tracking_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_sweep(tmp_path)
    monkeypatch.setattr(Tracker, "record_trial", refuse_one(Tracker.record_trial))
    monkeypatch.setattr("smartmixed_search.search.recording.recorder._PATIENCE_SECONDS", 4.0)
    code, out, err = sync()
    assert code == 1
    assert out == "demo: 2 delivered, 2 of 3 settled trials in MLflow (no)\n"
    assert re.search(r"demo: recording \d trials? in MLflow", err)


def refuse_one(record: Callable[..., None]) -> Callable[..., None]:
    def refuse(tracker: Tracker, result: TrialResult) -> None:
        if result.config.architecture == (4,):
            raise TrackingError("no")
        record(tracker, result)

    return refuse


@pytest.mark.parametrize("name", ["result.json", "weights.safetensors"])
def test_a_trial_with_a_flipped_bit_is_not_delivered_and_the_rest_is(
    sync: Run, tmp_path: Path, tracking_uri: str, name: str
) -> None:
    directory = make_sweep(tmp_path)
    (damaged, *_) = sorted(directory.trials.glob(f"*/{name}"))
    content = bytearray(damaged.read_bytes())
    content[-5] ^= 1
    damaged.write_bytes(content)
    code, out, _ = sync()
    assert code == 1
    assert out == (
        f"demo: 2 delivered, 2 of 3 settled trials in MLflow (the result of trial {damaged.parent.name} is gone or "
        "damaged: run the sweep's command again, which trains again what is lost)\n"
    )
    assert counts(tracking_uri)["trial"] == 2


@pytest.fixture(scope="module")
def delivered(store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sweep of four trials, one more than its space asks for, and with the store that has them."""
    folder = tmp_path_factory.mktemp("delivered")
    shutil.copy(store_template, folder)
    directory = make_sweep(folder, "first", finished=4)
    with directory.hold():
        assert sync_sweep(directory, default_tracking_uri(folder), print).missing == 0
    return folder


@pytest.mark.parametrize(
    "content", [b'{"soft', b"[1]", b"\xff", b"[" * 100_000, b'{"git": "x", "checksum": "0"}', None]
)
def test_a_damaged_environment_is_written_anew_and_says_so(
    sync: Run, delivered: Path, tmp_path: Path, content: bytes | None
) -> None:
    shutil.copytree(delivered, tmp_path, dirs_exist_ok=True)
    directory = SweepDirectory.of(tmp_path, "first")
    directory.environment.unlink() if content is None else directory.environment.write_bytes(content)
    code, out, err = sync()
    assert (code, out) == (0, "first: 0 delivered, 4 of 4 settled trials in MLflow\n")
    assert "first: environment.json is gone or damaged: it is written again" in err
    mended = json.loads(directory.environment.read_text())
    assert mended["written_anew"].startswith("of what delivered the sweep")
    assert mended["dataset"] == {"name": "digits", "checksum": "c" * 16}
    assert "gone or damaged" not in sync()[2]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"trials: [",
        b"- 1",
        b"\xff",
        b"dataset: digits\ntrials: many\nepochs: 4\n",
        b"dataset: digits\ntrials: 3\nepochs: 8\n",
        b"dataset: digits\ntrials: 3\n",
        None,
    ],
)
def test_a_damaged_space_is_written_anew(sync: Run, delivered: Path, tmp_path: Path, content: bytes | None) -> None:
    shutil.copytree(delivered, tmp_path, dirs_exist_ok=True)
    directory = SweepDirectory.of(tmp_path, "first")
    whole = directory.space.read_text()
    directory.space.unlink() if content is None else directory.space.write_bytes(content)
    code, out, err = sync()
    assert (code, out) == (0, "first: 0 delivered, 4 of 4 settled trials in MLflow\n")
    assert "space.yaml is gone or damaged: it is written again, asking for 4 trials" in err
    assert directory.space.read_text() == whole.replace("3", "4")
    assert sweep_status(default_tracking_uri(tmp_path)) == {"first": "finished"}


@pytest.mark.parametrize("name", ["resolved.json", "ledger.jsonl"])
def test_a_sweep_that_cannot_be_mended_does_not_hold_up_the_others(
    sync: Run, tmp_path: Path, tracking_uri: str, name: str
) -> None:
    path = make_sweep(tmp_path, "first", finished=1).path / name
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    make_sweep(tmp_path, "second", finished=1, seed=1)
    code, out, _ = sync()
    assert code == 1
    assert re.match(rf"first: not delivered \(.*{re.escape(name)}.* is damaged; .*\)$", out.splitlines()[0])
    assert out.splitlines()[1] == "second: 1 delivered, 1 of 1 settled trials in MLflow"


def test_whatever_is_wrong_with_one_sweep_the_others_are_delivered(
    sync: Run, tmp_path: Path, tracking_uri: str
) -> None:
    directory = make_sweep(tmp_path, "first", finished=1)
    directory.space.unlink()
    directory.space.mkdir()
    make_sweep(tmp_path, "second", finished=1, seed=1)
    code, out, _ = sync()
    assert code == 1
    assert out.splitlines()[0].startswith("first: not delivered (IsADirectoryError: ")
    assert out.splitlines()[1] == "second: 1 delivered, 1 of 1 settled trials in MLflow"


def test_what_was_deleted_in_mlflow_is_brought_back(sync: Run, tmp_path: Path, tracking_uri: str) -> None:
    make_sweep(tmp_path, finished=1)
    sync()
    before = contents(tracking_uri)
    connect(tracking_uri).delete_run(all_runs(tracking_uri)["trial"][0].info.run_id)
    code, out, err = sync()
    assert (code, out) == (0, "demo: 0 delivered, 1 of 1 settled trials in MLflow\n")
    assert "demo: brought back 1 run that had been deleted in MLflow" in err
    assert contents(tracking_uri) == before


def test_a_name_that_is_taken_does_not_hold_up_other_sweeps(sync: Run, tmp_path: Path, tracking_uri: str) -> None:
    Tracker(tracking_uri, sweep="first", dataset="digits").open_sweep(key="other", space={}, seed=0, environment={})
    make_sweep(tmp_path, "first", finished=1)
    make_sweep(tmp_path, "second", finished=1, seed=1)
    code, out, _ = sync()
    assert code == 1
    assert out.splitlines()[0].startswith("first: not delivered (the name 'first' is taken in the tracking store")
    assert out.splitlines()[1] == "second: 1 delivered, 1 of 1 settled trials in MLflow"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sweep", "dmo"], "a sweep must be one of demo, but got 'dmo'; did you mean 'demo'?"),
        (["--tracking-uri", "http://127.0.0.1:9"], "cannot reach the tracking server"),
    ],
)
def test_what_the_user_can_fix_is_one_line(sync: Run, tmp_path: Path, arguments: list[str], message: str) -> None:
    make_sweep(tmp_path)
    code, out, err = sync(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_a_folder_without_sweeps_is_one_line_and_stays_as_it_is(sync: Run, tmp_path: Path) -> None:
    code, out, err = sync(output=tmp_path / "none")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "no sweep with trials to deliver in" in err
    assert not (tmp_path / "none").exists()


def test_sweeps_on_other_storage_are_found_and_need_a_server(sync: Run, memory_output: str) -> None:
    make_sweep(memory_output)
    assert [directory.name for directory in find_sweeps(memory_output)] == ["demo"]
    assert [directory.name for directory in find_sweeps(memory_output, "demo")] == ["demo"]
    code, _, err = sync(output=memory_output)
    assert (code, err.count("\n")) == (2, 1)
    assert "give an MLflow server's address" in err


def test_a_sweep_on_other_storage_is_delivered(sync: Run, memory_output: str, tracking_uri: str) -> None:
    make_sweep(memory_output, finished=1)
    code, out, _ = sync("--tracking-uri", tracking_uri, output=memory_output)
    assert (code, out) == (0, "demo: 1 delivered, 1 of 1 settled trials in MLflow\n")
    assert counts(tracking_uri) == {"sweep": 1, "trial": 1, "strategy": 2}


@pytest.fixture
def memory_output() -> Iterator[str]:
    """An output directory that is on no disk."""
    from fsspec.implementations.memory import MemoryFileSystem

    yield "memory://runs"
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


@pytest.mark.timeout(120)
def test_ctrl_c_ends_it_with_130(tmp_path: Path, tracking_uri: str) -> None:
    make_sweep(tmp_path)
    program = (
        "import signal, sys, time\nfrom smartmixed_search.cli import main\n"
        "from smartmixed_search.tracking.writing.writer import Tracker\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background job ignores it
        "def slow(*_):\n    print('recording', flush=True)\n    time.sleep(600)\n"
        "Tracker.record_trial = slow\nmain(['sync', '--output-dir', sys.argv[1]])"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "recording\n"
        process.send_signal(2)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err.splitlines()[-1]) == (130, "interrupted")
