"""The command line as a user meets it: answers, exit codes, one-line errors."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from smartmixed_search.cli import main
from smartmixed_search.search.keeping.lock import one_writer
from smartmixed_search.space.files import shipped_spaces
from smartmixed_search.space.space import SearchSpace
from tests.helpers.space_files import space_file


@pytest.mark.parametrize("name", ["named", None])
def test_second_process_is_refused_before_anything_long(run_cli: object, tmp_path: Path, name: str | None) -> None:
    space = space_file(tmp_path)
    sweep = name or SearchSpace.load(str(space)).default_sweep_name
    folder = tmp_path / "smartmixed-runs" / sweep
    folder.mkdir(parents=True)
    command = ["run", str(space), *([] if name is None else ["--name", name])]
    script = (
        "import atexit, sys\nfrom smartmixed_search.cli import main\n"
        f"atexit.register(lambda: print(*sys.modules))\nmain({command})"
    )
    with one_writer(folder / ".lock", sweep):
        second = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert second.returncode == 2
    assert f"{sweep!r} is being run by process" in second.stderr
    assert not {"ray", "mlflow"} & set(second.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["rnu"], ["'rnu'", "did you mean 'run'"]),
        (["run"], ["SPACE"]),
        (["run", "quickstar"], ["'quickstar'", "did you mean 'quickstart'"]),
        (["run", "missing.yaml"], ["there is no space file 'missing.yaml'"]),
        (["run", "folder"], ["'folder' is a folder; it holds mine.yaml"]),
        (["run", "mine.yml"], ["'mine.yml'; did you mean 'mine.yaml'?"]),
        (
            ["run", "folder/mine.yaml"],
            ["must be a known one, but got 'trails'; did you mean 'trials'? known: name, "],
        ),
        (["run", "quickstart", "--trials", "0"], ["--trials", "0"]),
        (["run", "quickstart", "--trails", "4"], ["--trails", "--trials"]),
        (["run", "quickstart", "--epochs", "1"], ["epochs must be", "got 1"]),
        (["run", "quickstart", "--set", "epochs"], ["KEY=VALUE", "'epochs'"]),
        (["run", "quickstart", "--set", "epochs="], ["'epochs=' has none; write epochs=none for none"]),
        (["run", "quickstart", "--set", "epoch=4"], ["'epoch'", "did you mean 'epochs'"]),
        (["run", "quickstart", "--set", "temperature=0"], ["temperature", "0"]),
        (["run", "quickstart", "--set", "phase_fraction={low: 0.5, high: 0.1}"], ["phase_fraction", "0.1"]),
        (["run", "quickstart", "--dataset", "minst"], ["'minst'", "did you mean 'mnist'"]),
        (["run", "quickstart", "--dataset", "MNIST"], ["'MNIST'", "did you mean 'mnist'?"]),
        (["run", "quickstart", "--dataset", "folder"], ["'folder' must hold pictures", "1 other file"]),
        (["run", "quickstart", "--dataset", "none.npz"], ["none.npz"]),
        (["run", "quickstart", "--gpus-per-trial", "many"], ["gpus_per_trial", "many"]),
        (["run", "quickstart", "--cpus-per-trial", "4096", "--dry-run"], ["cpus_per_trial", "4096"]),
        (["run", "mnist-mlp", "--data-dir", "file"], ["data-dir", "file"]),
        (["run", "quickstart", "--tracking-uri", "ftp://host"], ["ftp://host"]),
        (["run", "quickstart", "--tracking-uri", "http://127.0.0.1:1"], ["http://127.0.0.1:1"]),
        (["top", "--by", "neuron"], ["neuron", "architecture"]),
        (["top", "-k", "0"], ["0"]),
        (["top"], ["no sweeps", "run"]),
        (["status"], ["no sweeps", "run"]),
        (["ui"], ["no sweeps", "run"]),
        (["spaces", "papr"], ["did you mean 'paper'"]),
    ],
    ids=" ".join,
)
def test_bad_input_gets_one_line_and_leaves_nothing(
    run_cli: object, tmp_path: Path, arguments: list[str], told: list[str]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine.yaml").write_text("dataset: digits\narchitecture: 8\ntrails: 4\n")
    (tmp_path / "mine.yaml").write_text("dataset: digits\narchitecture: 8\n")
    before = sorted(tmp_path.rglob("*"))
    code, out, err = run_cli(*arguments)
    assert (code, out) == (2, "")
    *steps, error = err.splitlines()
    assert all(step.startswith(("reading", "loading")) for step in steps), err
    assert all(words in error for words in told), err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_dry_run_says_what_was_understood_of_a_table(run_cli: object, tmp_path: Path) -> None:
    rows = "\n".join(f"{n},{n % 7},{'yes' if n % 3 else 'no'}" for n in range(60))
    (tmp_path / "rows.csv").write_text(f"id,size,kind\n{rows}\n")
    space = space_file(tmp_path, dataset="rows.csv")
    code, out, err = run_cli("run", space, "--dry-run", "--target", "kind")
    assert code == 0, err
    assert "target kind: 2 classes, no, yes\n  id: left out, it numbers the rows\n  size: number\n" in out
    code, out, err = run_cli("run", space, "--dry-run")
    assert (code, out) == (2, "")
    assert "must have a target" in err.splitlines()[-1]


def test_a_dry_run_tells_the_cost_and_leaves_nothing(run_cli: object, tmp_path: Path) -> None:
    space = space_file(tmp_path)
    code, out, err = run_cli("run", space, "--dry-run", "--trials", 5, "--replicates", 2)
    steps = ["loading digits", "timing steps of the smallest and of the largest stack"]
    assert (code, err.splitlines()[1:]) == (0, steps), err
    assert "5 trials × 6 networks × 4 epochs = 120 network epochs" in out
    assert (
        "digits: 1,797 examples of 64 features in 10 classes: 1,293 to train on, 144 to validate, 360 to test; "
        "x is divided by 16\n"
    ) in out
    assert "task: classification; accuracy ranks, the largest first, and tuning improves SmartMixed's margin" in out
    assert "parameters of a network: 606 to 606" not in out
    assert " MiB, data included" in out, "and not 0.00 GiB"
    assert all(word in out for word in ("parameters", "memory", "time: about", " of training"))
    assert "selection: 11 to 33 steps at logit_learning_rate 0.1 move a logit by 1.1 to 3.3 at most: too little" in out
    assert "logit_learning_rate auto does, or 0.27 or more" in out
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


def test_a_dry_run_counts_the_trials_that_are_possible(run_cli: object, tmp_path: Path) -> None:
    space = space_file(tmp_path, phase_fraction=0.5, temperature=0.3, logit_learning_rate=...)
    code, out, err = run_cli("run", space, "--dry-run", "--trials", 12, "--quiet")
    assert (code, err) == (0, "")
    assert "tiny on digits: 2 trials × 3 networks" in out
    assert "trials: 12 asked, 2 possible; a range or choices for a setting give more" in out
    assert "too little" not in out


def test_spaces_lists_and_prints(run_cli: object) -> None:
    code, out, _ = run_cli("spaces")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(shipped_spaces())
    _, out, _ = run_cli("spaces", "paper")
    assert yaml.safe_load(out)["epochs"] == 400


def test_doctor_finds_the_embedded_dataset(run_cli: object) -> None:
    code, out, _ = run_cli("doctor")
    assert code == 0
    assert any(line.split()[:2] == ["ok", "digits"] for line in out.splitlines())


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["top", "-h"]], ids=" ".join)
def test_help_explains(run_cli: object, arguments: list[str]) -> None:
    code, out, _ = run_cli(*arguments)
    assert code == 0
    assert "Usage: smartmixed-search" in out


def test_help_and_version_load_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from smartmixed_search.cli import main\n"
        "try: main(['--version'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'pandas', 'numpy', 'ray', 'mlflow', 'optuna', 'socket', 'tempfile'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=50)
    assert output.stdout.splitlines() == ["smartmixed-search, version 0.1.0", "[]"]


def cli(*arguments: str, folder: Path, **settings: Any) -> "subprocess.CompletedProcess[str]":
    """Run a command as a process of its own, in a folder."""
    command = [sys.executable, "-m", "smartmixed_search", *arguments]
    root = str(Path(__file__).parents[2])
    variables = os.environ | {"PYTHONPATH": root} | settings.pop("variables", {})
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | settings
    return subprocess.run(command, cwd=folder, env=variables, text=True, timeout=50, **settings)


def test_the_package_can_be_run_as_a_module(tmp_path: Path) -> None:
    assert cli("--version", folder=tmp_path).stdout == "smartmixed-search, version 0.1.0\n"


def test_files_of_the_current_folder_are_not_taken_for_modules(tmp_path: Path) -> None:
    for name in ("bottleneck", "yaml", "torch"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of the current folder was run')\n")
    done = cli("spaces", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_folder_that_is_gone_is_in_nobody_s_way(tmp_path: Path) -> None:
    script = (
        f"import os, sys\nfolder = {str(tmp_path / 'gone')!r}\n"
        "os.mkdir(folder)\nos.chdir(folder)\nos.rmdir(folder)\n"
        "from smartmixed_search.cli import main\nmain(sys.argv[1:])"
    )
    command = [sys.executable, "-c", script]
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("SMARTMIXED_", "MLFLOW_"))}
    settings: Any = {"env": variables, "capture_output": True, "text": True, "timeout": 50}
    assert subprocess.run([*command, "--version"], **settings).returncode == 0
    done = subprocess.run([*command, "status", "--output-dir", str(tmp_path)], **settings)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "the current folder has been deleted; go to another" in done.stderr


@pytest.mark.parametrize("encoding", ["iso-8859-1", "ascii:strict", "cp1252"])
def test_a_letter_that_the_encoding_lacks_is_replaced(tmp_path: Path, encoding: str) -> None:
    script = (
        "import click\nfrom smartmixed_search.cli.output import prepare_output\nprepare_output()\n"
        "click.echo('a – b · c … d × 字')\nprint('a – b · c … d × 字')"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONIOENCODING": encoding}, capture_output=True, timeout=50, check=True
    )
    (_, printed) = done.stdout.decode(encoding.partition(":")[0], errors="ignore").splitlines()
    assert printed.replace("–", "-").replace("…", "...").replace("·", "|").replace("×", "x") == "a - b | c ... d x ?"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
@pytest.mark.parametrize("arguments", [["--help"], ["spaces", "paper"], ["spaces"]], ids=" ".join)
def test_output_that_finds_no_room_is_told_in_one_line(tmp_path: Path, arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = cli(*arguments, folder=tmp_path, stdout=full)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("error: nothing more can be written")


def test_a_plugin_is_announced(run_cli: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_plugin_of_mine.py").touch()
    space = space_file(tmp_path, plugins=["a_plugin_of_mine"])
    code, _, err = run_cli("run", space, "--dry-run")
    monkeypatch.delitem(sys.modules, "a_plugin_of_mine")
    assert code == 0
    assert f"importing plugin 'a_plugin_of_mine' from {tmp_path / 'a_plugin_of_mine.py'}" in err.splitlines()


def test_an_internal_error_is_told_apart(run_cli: object, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a\nbug")

    monkeypatch.setattr("smartmixed_search.cli.diagnosis.diagnose", broken)
    code, _, err = run_cli("doctor")
    assert (code, err) == (1, "internal error: RuntimeError: a bug (--debug shows where)\n")
    with pytest.raises(RuntimeError):
        main(["doctor", "--debug"])
