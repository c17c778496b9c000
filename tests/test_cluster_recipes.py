"""The recipes of scripts/cluster, as far as they can be checked without the systems they are for."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from smartmixed_search.search.keeping.ledger import count_settled

RECIPES = Path(__file__).parents[1] / "scripts" / "cluster"
SCRIPTS = [RECIPES / "ssh.sh", RECIPES / "slurm.sbatch"]

PROGRAMS = Path(sys.executable).parent
SHELLCHECK = shutil.which("shellcheck", path=f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}")

SSH = '#!/bin/sh\nexport HOME="$HOSTS/$1"\nmkdir -p "$HOME"\nshift\nexec "$@"\n'
"""A machine that is reached over SSH is this one, with another home."""
SRUN = '#!/bin/sh\nwhile case $1 in --*) true;; *) false;; esac; do shift; done\nexec "$@"\n'
SCONTROL = """#!/bin/sh
if [ "$1" = requeue ]; then echo "requeued $2"; else printf 'localhost\\nworker\\n'; fi
"""
RECORD = """
token=${RAY_AUTH_TOKEN:-$(cat ~/.ray/auth_token)}
echo "$$ $(basename "$HOME") $RAY_AUTH_MODE $token $(basename "$0") $*" >>"$RECORD"
"""
RAY = f"""#!/bin/sh
if [ "$1" = get-auth-token ]; then mkdir -p ~/.ray && echo made-for-this >~/.ray/auth_token; exit; fi
{RECORD}
exec sleep 100
"""
WAIT = """#!/bin/sh
until [ "$(grep -c 'ray start' "$RECORD" 2>/dev/null || true)" -ge "${3:-0}" ] 2>/dev/null; do sleep 0.05; done
"""
"""`python wait_for_nodes.py ADDRESS NODES`, without which a job could end before its workers have begun."""
DRIVER = f"#!/bin/bash\n{RECORD}"
INTERRUPTED = f"#!/bin/bash\ntrap 'kill $!; exit 130' TERM\n{RECORD}\nsleep 100 & wait\n"

JOB = {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "localhost,worker", "SLURM_JOB_NUM_NODES": "2"}


@dataclass(frozen=True)
class Started:
    """What a stand-in was started as."""

    pid: int
    host: str
    mode: str
    token: str
    command: str

    @property
    def running(self) -> bool:
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False


def all_end(processes: Sequence[Started]) -> bool:
    """Whether they end, which a signal brings about but does not wait for."""
    deadline = time.monotonic() + 20
    while any(process.running for process in processes) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(process.running for process in processes)


@dataclass(frozen=True)
class Machines:
    """Where recipes run: commands that are not here, or take long, are stand-ins that say how they were called."""

    folder: Path
    variables: dict[str, str]

    def put(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def start(self, *command: object) -> subprocess.Popen[str]:
        words = [str(word) for word in command]
        pipe = subprocess.PIPE
        return subprocess.Popen(words, env=self.variables, stdout=pipe, stderr=subprocess.STDOUT, text=True)

    def run(self, *command: object, seconds: float = 50) -> str:
        process = self.start(*command)
        output, _ = process.communicate(timeout=seconds)
        assert process.returncode == 0, output
        return output

    def started(self, least: int = 0) -> list[Started]:
        """Return what has been started, as soon as there is that much."""
        deadline = time.monotonic() + 20
        while len(lines := self._lines()) < least:
            assert time.monotonic() < deadline, lines
            time.sleep(0.05)
        return [Started(int(pid), *rest) for pid, *rest in (line.split(" ", 4) for line in lines)]

    def _lines(self) -> list[str]:
        path = self.folder / "record"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    path = f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}"
    home = tmp_path / "hosts" / "head"
    home.mkdir(parents=True)
    variables = os.environ | {"HOSTS": str(tmp_path / "hosts"), "HOME": str(home), "RAY_HEAD": "10.0.0.1", "PATH": path}
    made = Machines(tmp_path, variables | {"RECORD": str(tmp_path / "record"), "SMARTMIXED_BIN": f"{tmp_path}/bin"})
    stand_ins = {"ssh": SSH, "srun": SRUN, "scontrol": SCONTROL, "ray": RAY, "smartmixed-search": DRIVER}
    for name, text in (stand_ins | {"python": WAIT}).items():
        made.put(name, text)
    yield made
    for process in made.started():
        if process.running:
            os.kill(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_is_bash(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True)


@pytest.mark.skipif(SHELLCHECK is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(script: Path) -> None:
    subprocess.run([SHELLCHECK, script], check=True)


def test_ssh_starts_a_cluster_with_one_token_and_stops_it(machines: Machines) -> None:
    machines.run(RECIPES / "ssh.sh", "start", "one", "two")
    head, *workers = sorted(machines.started(3), key=lambda started: started.host)
    assert head.command == "ray start --block --head --port=6379 --include-dashboard=false"
    assert [worker.host for worker in workers] == ["one", "two"]
    assert {worker.command for worker in workers} == {"ray start --block --address=10.0.0.1:6379"}
    assert {(started.mode, started.token) for started in (head, *workers)} == {("token", "made-for-this")}
    assert all(started.running for started in (head, *workers))
    assert {mode_of_token(machines, started) for started in (head, *workers)} == {0o600}
    machines.run(RECIPES / "ssh.sh", "stop", "one", "two")
    assert all_end([head, *workers])


def test_ssh_keeps_no_token_that_others_may_read(machines: Machines) -> None:
    for host in ("head", "one"):
        token = machines.folder / "hosts" / host / ".ray" / "auth_token"
        token.parent.mkdir(parents=True)
        token.write_text("of an earlier version")
        token.chmod(0o644)
    machines.run(RECIPES / "ssh.sh", "start", "one")
    assert {mode_of_token(machines, started) for started in machines.started(2)} == {0o600}


def mode_of_token(machines: Machines, started: Started) -> int:
    """Return who may do what with a machine's token."""
    return (machines.folder / "hosts" / started.host / ".ray" / "auth_token").stat().st_mode & 0o777


def test_ssh_runs_a_sweep_on_its_cluster(machines: Machines) -> None:
    machines.run(machines.folder / "bin" / "ray", "get-auth-token", "--generate")
    machines.run(RECIPES / "ssh.sh", "run", "quickstart", "--output-dir", "/shared/runs")
    (driver,) = machines.started()
    assert driver.mode == "token"
    expected = "smartmixed-search run quickstart --output-dir /shared/runs --ray-address 10.0.0.1:6379"
    assert driver.command == expected


def test_ssh_says_how_it_is_used(machines: Machines) -> None:
    process = machines.start(RECIPES / "ssh.sh")
    assert "ssh.sh run SPACE [OPTION...]" in process.communicate(timeout=20)[0]
    assert process.returncode == 2


def test_slurm_runs_a_sweep_on_all_nodes_and_leaves_nothing(machines: Machines) -> None:
    machines.variables.update(JOB)
    machines.run("bash", RECIPES / "slurm.sbatch", "quickstart", "--name", "one")
    commands = sorted(started.command for started in machines.started(3))
    (folder,) = (Path(word.partition("=")[2]) for word in commands[1].split() if word.startswith("--temp-dir="))
    assert commands == [
        "ray start --block --address=localhost:20007",
        f"ray start --block --head --port=20007 --temp-dir={folder} --include-dashboard=false",
        "smartmixed-search run quickstart --name one --ray-address localhost:20007",
    ]
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    folder.parent.rmdir()
    assert len({started.token for started in machines.started()}) == 1
    assert {len(started.token) for started in machines.started()} == {64}
    assert all_end(machines.started())


def test_slurm_queues_again_when_its_time_is_over(machines: Machines) -> None:
    machines.variables.update(JOB)
    machines.put("smartmixed-search", INTERRUPTED)
    job = machines.start("bash", RECIPES / "slurm.sbatch", "quickstart")
    machines.started(3)
    job.send_signal(signal.SIGTERM)
    output, _ = job.communicate(timeout=20)
    assert "requeued 7" in output
    assert job.returncode == 130


def test_slurm_ends_as_the_sweep_does(machines: Machines) -> None:
    machines.variables.update(JOB)
    machines.put("smartmixed-search", f"{DRIVER}\nexit 2\n")
    job = machines.start("bash", RECIPES / "slurm.sbatch", "quickstart")
    assert "requeued" not in job.communicate(timeout=20)[0]
    assert job.returncode == 2


FIELDS = {
    "": "apiVersion kind metadata spec",
    "spec": "entrypoint backoffLimit shutdownAfterJobFinishes ttlSecondsAfterFinished rayClusterSpec",
    "spec.rayClusterSpec": "rayVersion authOptions headGroupSpec workerGroupSpecs",
    "spec.rayClusterSpec.authOptions": "mode",
    "spec.rayClusterSpec.headGroupSpec": "rayStartParams template",
    "spec.rayClusterSpec.workerGroupSpecs.0": "groupName replicas minReplicas maxReplicas rayStartParams template",
}
"""Fields that KubeRay's v1 definition of a RayJob has, as far as the recipe uses them."""


def _at(content: Any, path: str) -> Any:
    for step in filter(None, path.split(".")):
        content = content[int(step) if step.isdigit() else step]
    return content


@pytest.fixture(scope="module")
def rayjob() -> dict[str, Any]:
    return dict(yaml.safe_load((RECIPES / "kuberay-rayjob.yaml").read_text()))


@pytest.mark.parametrize("path", FIELDS)
def test_rayjob_has_fields_that_kuberay_knows(rayjob: dict[str, Any], path: str) -> None:
    assert set(_at(rayjob, path)) == set(FIELDS[path].split())


def test_rayjob_is_one_of_version_1(rayjob: dict[str, Any]) -> None:
    assert (rayjob["apiVersion"], rayjob["kind"]) == ("ray.io/v1", "RayJob")
    assert rayjob["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}


def test_rayjob_parameters_of_ray_start_are_words(rayjob: dict[str, Any]) -> None:
    cluster = rayjob["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


def test_rayjob_pods_mount_what_they_have(rayjob: dict[str, Any]) -> None:
    cluster = rayjob["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        mounted = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_rayjob_runs_a_command_that_exists(rayjob: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    from smartmixed_search.cli.run import run

    command, subcommand, *arguments = rayjob["spec"]["entrypoint"].split()
    assert (command, subcommand) == ("smartmixed-search", "run")
    context = run.make_context("run", arguments)
    assert context.params["ray_address"] == "auto"
    shared = [str(context.params[name]) for name in ("output_dir", "data_dir")]
    assert all(path.startswith("/shared/") for path in shared)


@pytest.fixture
def real(machines: Machines) -> Machines:
    """Let the recipes have the real programs, and a small sweep."""
    machines.variables["SMARTMIXED_BIN"] = str(PROGRAMS)
    del machines.variables["RAY_HEAD"]
    space = {"dataset": "digits", "architecture": "8", "epochs": 2, "strategies": ["smartmixed", "relu"], "trials": 2}
    (machines.folder / "space.yaml").write_text(yaml.safe_dump(space | {"phase_fraction": {"low": 0.1, "high": 0.9}}))
    return machines


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ssh_recipe_really_runs(real: Machines) -> None:
    with socket.socket() as probe:
        probe.bind(("", 0))
        real.variables["RAY_PORT"] = str(probe.getsockname()[1])
    sweep = ["run", real.folder / "space.yaml", "--name", "real", "--output-dir", real.folder]
    try:
        assert "2 nodes at" in real.run(RECIPES / "ssh.sh", "start", "one", seconds=120)
        real.run(RECIPES / "ssh.sh", *sweep, seconds=120)
    finally:
        real.run(RECIPES / "ssh.sh", "stop", "one")
    assert count_settled(real.folder / "real" / "ledger.jsonl") == 2


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_slurm_recipe_really_runs(real: Machines) -> None:
    real.variables.update(JOB | {"SLURM_JOB_ID": str(os.getpid())})
    sweep = [real.folder / "space.yaml", "--name", "real", "--output-dir", real.folder]
    assert "2 nodes at" in real.run("bash", RECIPES / "slurm.sbatch", *sweep, seconds=250)
    assert count_settled(real.folder / "real" / "ledger.jsonl") == 2
