"""What `scripts/` holds runs: shell scripts parse, and everything else does its work with its smallest arguments."""

import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from smartmixed_search.datasets import load_dataset
from smartmixed_search.trials.config import TrialConfig

ROOT = Path(__file__).parents[1]
SHELL = sorted(path for path in (ROOT / "scripts").rglob("*") if path.suffix in {".sh", ".sbatch"})
BENCHMARKS = [
    ("bench_engine.py", "--quick"),
    ("bench_inference.py", "--quick"),
    ("bench_networks.py", "--rounds", "1", "mixer"),
    ("bench_reading.py", "--quick"),
    ("bench_sweep.py", "--quick"),
    ("bench_tables.py", "--quick"),
    ("bench_scale.py", "--tracked", "2", "--untracked", "2"),
]


@pytest.mark.parametrize("script", SHELL, ids=lambda path: path.name)
def test_a_shell_script_parses(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True)


def test_every_benchmark_is_tried() -> None:
    assert {path.name for path in (ROOT / "scripts").glob("bench_*.py")} == {name for name, *_ in BENCHMARKS}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("command", BENCHMARKS, ids=lambda command: command[0])
def test_a_benchmark_runs(command: tuple[str, ...]) -> None:
    name, *arguments = command
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / name, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("phase", ["selection", "fixed"])
def test_the_engine_is_a_contender(monkeypatch: pytest.MonkeyPatch, phase: str) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    stacked = importlib.import_module("contenders").stacked
    config = TrialConfig(dataset="digits", architecture=(8,), epochs=2, phase_fraction=0.5)
    contender = stacked(config, phase, load_dataset("digits"))
    contender.step()
    assert 0 < contender.accuracy() < 1
    assert 0 < contender.validate() < 1


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose environment has been made: its programs are those of this one."""
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    stamp = "cat pyproject.toml constraints.txt scripts/environment.sh | cksum"
    wanted = subprocess.run(["bash", "-c", stamp], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    for extra in ("", "-dev"):
        (tmp_path / ".venv" / f".installed{extra}").write_text(wanted.strip())
    return tmp_path


def test_a_tool_of_the_environment_runs(checkout: Path) -> None:
    command = ["scripts/tool.sh", "ruff", "--version"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("ruff ")


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_quickstart_ends_with_what_next(checkout: Path) -> None:
    smallest = ["--trials", "1", "--epochs", "2", "--set", "architecture=8"]
    done = subprocess.run(
        ["scripts/quickstart.sh", *smallest], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "What next:" in done.stdout
