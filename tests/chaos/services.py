"""What a sweep leans on, as real processes: a Ray cluster of several raylets, PostgreSQL, an MLflow server."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.processes import Process, cleaned_up, kill, python, trial_workers, wait_until


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def short_folder() -> Iterator[Path]:
    """Make a folder whose path is short enough for the sockets in it, and that other users may enter."""
    folder = Path(tempfile.mkdtemp(prefix="chaos"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Cluster:
    """A Ray cluster on this machine, one raylet a node, with a token of its own."""

    folder: Path
    port: int = field(default_factory=free_port)
    nodes: list[Process] = field(default_factory=list)
    token: str = field(default_factory=lambda: secrets.token_hex(32))

    @property
    def address(self) -> str:
        """What `--ray-address` takes."""
        return f"127.0.0.1:{self.port}"

    @property
    def variables(self) -> dict[str, str]:
        """The environment of whoever joins."""
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token}

    def add_node(self, *options: str) -> Process:
        """Start a raylet; the first is the head."""
        where: tuple[str, ...] = ("--address", self.address)
        if not self.nodes:
            where = ("--head", f"--port={self.port}", f"--temp-dir={self.folder}", "--include-dashboard=false")
        command = python("-m", "ray.scripts.scripts", "start", "--block", *where, *options)
        node = Process.start(command, self.folder / f"node{len(self.nodes)}.log", self.variables)
        self.nodes.append(node)
        wait_until(lambda: "block forever" in node.output or not node.running, 60, f"a raylet is up: {node.log}")
        assert node.running, node.output
        return node

    def busy_node(self) -> Process:
        """Return a node, the head apart, on which a trial is training."""
        wait_until(lambda: any(map(trial_workers, self.nodes[1:])), 60, "a node trains a trial")
        return next(node for node in self.nodes[1:] if trial_workers(node))


@contextmanager
def cluster(*nodes: tuple[str, ...]) -> Iterator[Cluster]:
    """Start a cluster whose nodes have these options of `ray start`."""
    with short_folder() as folder:
        made = Cluster(folder)
        try:
            for options in nodes:
                made.add_node(*options)
            yield made
        finally:
            for node in reversed(made.nodes):
                node.kill_all()


@dataclass
class MlflowServer:
    """MLflow over HTTP, which can be stopped and started again."""

    folder: Path
    store: str
    port: int = field(default_factory=free_port)
    process: Process | None = None

    @property
    def uri(self) -> str:
        """What `--tracking-uri` takes."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        where = ("--host", "127.0.0.1", "--port", str(self.port), "--workers", "1")
        stores = ("--backend-store-uri", self.store, "--artifacts-destination", str(self.folder / "artifacts"))
        command = python("-m", "mlflow", "server", *where, *stores)
        self.process = Process.start(
            command, self.folder / "mlflow.log", {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        )
        process = self.process
        wait_until(lambda: self._answers() or not process.running, 120, "the MLflow server answers")
        assert process.running, process.output

    def kill(self) -> None:
        """SIGKILL all its processes."""
        if self.process is not None:
            self.process.kill_all()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2):
                return True
        except OSError:
            return False


@contextmanager
def mlflow_server() -> Iterator[MlflowServer]:
    """Start MLflow's server, on PostgreSQL where that is installed, else on SQLite."""
    with ExitStack() as stack:
        folder = stack.enter_context(short_folder())
        binaries = _postgres_binaries()
        store = f"sqlite:///{folder}/server.db"
        if binaries is not None:
            store = stack.enter_context(_postgres(binaries))
        print(f"the MLflow server's store is {store.partition(':')[0]}", file=sys.stderr)
        server = MlflowServer(folder, store)
        stack.callback(server.kill)
        server.start()
        yield server


def _postgres_binaries() -> Path | None:
    try:
        import psycopg2  # noqa: F401  only whether the server could reach a database
    except ImportError:
        return None
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    found = str(installed[-1]) if installed else shutil.which("postgres")
    return None if found is None else Path(found).resolve().parent


@contextmanager
def _postgres(binaries: Path) -> Iterator[str]:
    """Start a database server; yield the URI of an empty database."""
    user = "nobody" if os.getuid() == 0 else None  # it refuses to be run by root
    port = free_port()
    with short_folder() as folder:
        if user is not None:
            shutil.chown(folder, user)
        data = folder / "data"
        make = [binaries / "initdb", "-D", data, "-A", "trust", "-U", "smartmixed", "-E", "UTF8", "--no-sync"]
        subprocess.run(make, user=user, cwd="/", check=True, stdout=subprocess.DEVNULL)
        options = ["-p", str(port), "-k", folder, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        log = folder / "postgres.log"
        log.touch()
        with cleaned_up(Process.start([binaries / "postgres", "-D", data, *options], log, user=user)) as server:
            create = [binaries / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "smartmixed", "mlflow"]
            wait_until(
                lambda: (
                    subprocess.run(create, stderr=subprocess.DEVNULL, cwd="/").returncode == 0 or not server.running
                ),
                30,
                "the database is there",
            )
            assert server.running, server.output
            yield f"postgresql+psycopg2://smartmixed@127.0.0.1:{port}/mlflow"


def kill_a_worker(process: Process) -> None:
    """SIGKILL a worker of Ray that trains a trial, as soon as there is one."""
    wait_until(lambda: trial_workers(process), 60, "a worker trains a trial")
    kill(trial_workers(process)[0])
