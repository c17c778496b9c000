import json
import subprocess
from pathlib import Path

import pytest

from smartmixed_search.search.recording.environment import environment, git_revision


def test_environment_is_plain_and_names_what_numbers_depend_on() -> None:
    found = environment({"name": "digits", "checksum": "c" * 16})
    assert json.loads(json.dumps(found)) == found
    assert {"python", "torch", "ray", "optuna", "mlflow", "smartmixed-search"} <= set(found["software"])
    assert found["dataset"]["checksum"] == "c" * 16


def test_the_processor_is_named_by_its_model_where_the_system_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "cpuinfo"
    monkeypatch.setattr("smartmixed_search.search.recording.environment._PROCESSORS", told)
    assert environment({})["hardware"]["processor"]
    told.write_text("processor : 0\nmodel name\t: Some CPU 9000\nflags : fpu\n")
    assert environment({})["hardware"]["processor"] == "Some CPU 9000"


def test_the_revision_is_that_of_the_code_wherever_it_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[3]
    monkeypatch.chdir(tmp_path)
    found = environment({"name": "digits", "checksum": "c" * 16})
    assert found["git"] == (git_revision(root) if (root / ".git").exists() else None)
    assert found["git_working_directory"] is None


def test_revision_says_when_files_differ_from_it(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        return subprocess.run(
            ["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "--quiet")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "--quiet", "--no-verify", "-m", "first")
    clean = git("rev-parse", "HEAD")
    assert git_revision(tmp_path) == clean
    (tmp_path / "file").write_text("2")
    assert git_revision(tmp_path) == f"{clean}-dirty"


def test_no_revision_outside_a_repository(tmp_path: Path) -> None:
    assert git_revision(tmp_path) is None
