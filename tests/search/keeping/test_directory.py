import errno
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smartmixed_search.errors import SweepError
from smartmixed_search.search.keeping.directory import SweepDirectory
from smartmixed_search.search.keeping.trial_directory import TrialDirectory
from smartmixed_search.system.checksums import checksum
from tests.helpers.factories import make_result
from tests.helpers.sweeps import RESOLVED


@pytest.fixture
def directory(tmp_path: Path) -> SweepDirectory:
    return SweepDirectory.of(tmp_path, "demo")


def claim_once(directory: SweepDirectory) -> None:
    with directory.claim(RESOLVED, "dataset: digits\n"):
        pass


def test_claim_writes_what_the_sweep_is(directory: SweepDirectory) -> None:
    claim_once(directory)
    assert json.loads(directory.resolved.read_text()).items() >= RESOLVED.to_dict().items()
    assert directory.space.read_text() == "dataset: digits\n"


def test_same_sweep_is_reentered_unchanged(directory: SweepDirectory) -> None:
    claim_once(directory)
    before = directory.resolved.read_bytes()
    claim_once(directory)
    assert directory.resolved.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hash": "b" * 64}, r"keep its space, but 'demo' has aaaaaaaaaaaa, not bbbbbbbbbbbb; choose another"),
        ({"seed": 1}, r"keep its seed, but 'demo' has 0, not 1"),
        ({"dataset": {"name": "digits", "checksum": "d" * 16}}, r"keep its dataset, but .*\(cccccccccccccccc\)"),
    ],
)
def test_another_sweep_under_the_name_is_refused(
    directory: SweepDirectory, change: dict[str, Any], message: str
) -> None:
    claim_once(directory)
    with pytest.raises(SweepError, match=message):
        directory.check(replace(RESOLVED, **change))


@pytest.mark.parametrize("content", ["", "[1]", '{"name": "demo"}'])
def test_damaged_description_is_refused_by_its_name(directory: SweepDirectory, content: str) -> None:
    claim_once(directory)
    directory.resolved.write_text(content)
    for ask in (directory.load_resolved, lambda: directory.check(RESOLVED)):
        with pytest.raises(SweepError, match=r"resolved\.json' is damaged"):
            ask()


def test_folder_that_cannot_be_made_is_refused(directory: SweepDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(SweepError, match=r"cannot write to the output directory .*demo \(Read-only"):
        claim_once(directory)


def test_folder_that_cannot_be_written_is_refused(directory: SweepDirectory) -> None:
    claim_once(directory)
    (directory.path / ".lock").unlink()
    (directory.path / ".lock").mkdir()
    with pytest.raises(SweepError, match=r"cannot write to the output directory .*demo \(Is a directory"):
        claim_once(directory)


def test_check_writes_nothing(directory: SweepDirectory) -> None:
    directory.check(RESOLVED)
    assert not directory.path.exists()


def test_directory_with_other_files_is_refused(directory: SweepDirectory) -> None:
    directory.path.mkdir()
    (directory.path / "thesis.tex").touch()
    with pytest.raises(SweepError, match="holds other files"):
        directory.check(RESOLVED)


@pytest.fixture
def trial(directory: SweepDirectory) -> TrialDirectory:
    """A trial with a result and weights."""
    files = directory.trial("k")
    files.path.mkdir(parents=True)
    files.weights.write_bytes(b"weights")
    files.save_result(replace(make_result(), weights_checksum=checksum(b"weights")))
    return files


def test_a_result_and_its_weights_are_read_as_they_were_written(trial: TrialDirectory) -> None:
    assert trial.load_whole() == trial.load_result() == replace(make_result(), weights_checksum=checksum(b"weights"))


def test_a_result_with_a_flipped_bit_is_as_good_as_absent(trial: TrialDirectory) -> None:
    text = trial.result.read_text()
    trial.result.write_text(text.replace('"objective": 0.97', '"objective": 0.96'))
    assert trial.result.read_text() != text
    assert trial.load_result() is None


@pytest.mark.parametrize("damaged", [b"weightt", b"", None])
def test_a_trial_with_damaged_weights_is_not_whole(trial: TrialDirectory, damaged: bytes | None) -> None:
    trial.weights.unlink() if damaged is None else trial.weights.write_bytes(damaged)
    assert trial.load_whole() is None
    assert trial.load_result() is not None


def test_a_result_of_an_earlier_version_is_used_as_it_is(trial: TrialDirectory) -> None:
    plain = make_result().to_dict()
    del plain["weights_checksum"]
    trial.result.write_text(json.dumps(plain))
    assert trial.load_whole() == make_result()


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "mlartifacts", "mlflow.db", "x" * 101, "a b"])
def test_names_that_cannot_be_sweeps_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SweepError, match="a sweep's name must be"):
        SweepDirectory.of(tmp_path, name)


def test_second_writer_is_told_who_the_first_is(directory: SweepDirectory) -> None:
    this = f"process {os.getpid()} on {socket.gethostname()}"
    with directory.claim(RESOLVED, ""), pytest.raises(SweepError, match=this):
        claim_once(directory)


def test_lock_of_a_killed_process_is_void(directory: SweepDirectory) -> None:
    claim_once(directory)
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from smartmixed_search.search.keeping.lock import lock_path, one_writer\n"
        "with one_writer(lock_path(Path(sys.argv[1])), 'demo'):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = Path(__file__).parents[3]
    killed = subprocess.run([sys.executable, "-c", script, str(directory.path)], cwd=root, check=False)
    assert killed.returncode == -signal.SIGKILL
    claim_once(directory)


def test_a_space_that_changed_is_told_key_by_key(directory: SweepDirectory) -> None:
    space = {"dataset": "digits", "epochs": 4, "clamp": None, "temperature": {"low": 0.1, "high": 3.0}, "trials": 3}
    before = replace(RESOLVED, space=space)
    with directory.claim(before, ""):
        pass
    for change, told in (
        ({"epochs": 8, "trials": 9}, "epochs was 4, is 8; choose another --name"),
        (
            {"clamp": 10.0, "temperature": 1.0},
            "clamp was none, is 10.0; temperature was {'high': 3.0, 'low': 0.1}, is 1",
        ),
        ({"a": 1, "b": 2, "c": 3, "d": 4}, "a was none, is 1; b was none, is 2; c was none, is 3; and 1 more; choose"),
    ):
        with pytest.raises(SweepError, match=r"must keep its space, but ") as raised:
            directory.check(replace(before, hash="b" * 64, space=space | change))
        assert told in str(raised.value)


def test_only_a_folder_with_a_sweep_has_one(directory: SweepDirectory) -> None:
    assert directory.begun is None
    claim_once(directory)
    assert directory.begun == RESOLVED
