"""The Ray cluster a sweep runs on: joining it, and asking what it can hold."""

import logging
import os
import re
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.job_config import JobConfig

from smartmixed_search.errors import ResourceError
from smartmixed_search.errors.messages import in_short
from smartmixed_search.search.placing import own_ray
from smartmixed_search.search.placing.ray_files import missing_token_file

_AUTO_GPU_SHARE = 0.25
_ANSWER_SECONDS = 5.0
_ATTEMPTS = "RAY_gcs_server_port_wait_time_s"
"""How often Ray tries to join a cluster, once a second."""

Node = Mapping[str, float]
"""What one node has: `CPU`, `GPU` and whatever else Ray knows of."""


@dataclass(frozen=True, kw_only=True)
class TrialResources:
    """What one trial occupies while it runs."""

    cpus: float
    gpus: float

    @property
    def threads(self) -> int:
        """Threads that a trial computes with."""
        return max(1, int(self.cpus))


class NoClusterError(ResourceError):
    """No cluster answers at an address; it may still be starting."""


@contextmanager
def ray_session(address: str | None = None) -> Iterator[None]:
    """Connect to Ray for the length of the context: to the cluster at an address, or to one of this machine's own.

    The environment is left as it was. A Ray that this process is connected to already is used as it is, and goes on.

    Raises:
        NoClusterError: no cluster answers at the address.
        ResourceError: it cannot be joined, by this process's token or version say, or this machine's own cannot start.
    """
    if ray.is_initialized():
        yield
        return
    token = own_ray.own_token() if address is None else {}
    with own_ray.ray_environment({"RAY_USAGE_STATS_ENABLED": os.environ.get("RAY_USAGE_STATS_ENABLED", "0"), **token}):
        if address is None:
            own_ray.start(_DriversPath())
        else:
            check_address(address)
            _join(address)
        try:
            yield
        finally:
            ray.shutdown()


class _DriversPath(JobConfig):
    """Has workers look for modules where the driver does: Ray would add the current folder, before all others."""

    _py_driver_sys_path: list[str]

    def _get_proto_job_config(self) -> Any:
        looked_in = {folder or str(Path.cwd()) for folder in sys.path}
        self._py_driver_sys_path = [folder for folder in self._py_driver_sys_path if folder in looked_in]
        return super()._get_proto_job_config()


def _join(address: str) -> None:
    try:
        with _one_quiet_attempt():
            ray.init(address=address, job_config=_DriversPath(), log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # whatever keeps Ray from joining, of any class
        ray.shutdown()
        raise _refused(address, error) from error


def _refused(address: str, error: Exception) -> ResourceError:
    """Return what the user is told where joining a cluster has failed."""
    if versions := re.findall(r"Ray: (\S+)\s+Python: (\S+)", str(error)):  # the cluster's, then this process's
        theirs, ours = (f"Ray {number} on Python {python}" for number, python in versions)
        return ResourceError(
            f"the cluster at {address!r} must run the versions of this process, {ours}, but runs {theirs}; "
            "install the same on both sides"
        )
    if "AuthenticationError" in repr([error, error.__cause__]):
        missing = missing_token_file()
        found = f"there is no file {str(missing)!r}" if missing else "it has none, or another"
        return ResourceError(
            f"this process needs the token of the cluster at {address!r}, but {found}; "
            "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH to a copy of the cluster's token file"
        )
    if isinstance(error, ConnectionError):
        return NoClusterError(f"found no running Ray cluster at {address!r}; start one or give another --ray-address")
    return ResourceError(
        f"could not join the cluster at {address!r} ({in_short(error, whole=False)}); its logs say more"
    )


@contextmanager
def _one_quiet_attempt() -> Iterator[None]:
    """Let Ray try to join once, where it would try for 20 seconds, and keep what its core prints from the user.

    A cluster that refuses this process goes on refusing it, and the error that is raised says so.
    """
    before = os.environ.get(_ATTEMPTS)
    os.environ[_ATTEMPTS] = "1"
    stderr = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        if before is None:
            del os.environ[_ATTEMPTS]
        else:
            os.environ[_ATTEMPTS] = before


def check_address(address: str) -> None:
    """Make sure that something answers: Ray itself would go on trying for an hour.

    Raises:
        ResourceError: the address is malformed, or nothing answers there.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:  # ray://… would run the driver elsewhere, without its ledger
        raise ResourceError(f"--ray-address must be auto or HOST:PORT, but got {address!r}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise NoClusterError(
            f"nothing answers at {address!r} ({error}); give the --ray-address of a running Ray cluster"
        ) from error


def cluster_nodes() -> list[Node]:
    """Return what each living node of the connected cluster has."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def trial_resources(cpus: float, gpus: float | str, nodes: Sequence[Node]) -> TrialResources:
    """Return what a trial asks for; `auto` GPUs are a share of one if the cluster has any.

    Raises:
        ResourceError: no node can ever hold one trial.
    """
    if gpus == "auto":
        gpus = _AUTO_GPU_SHARE if any(node.get("GPU", 0) for node in nodes) else 0
    wanted = TrialResources(cpus=cpus, gpus=float(gpus))
    for name, resource, value in (("gpus_per_trial", "GPU", wanted.gpus), ("cpus_per_trial", "CPU", wanted.cpus)):
        most = max((node.get(resource, 0) for node in nodes), default=0)
        if value > most:
            raise ResourceError(
                f"{name} must be at most {most:g}, what the largest node has, but got {value:g}; "
                "ask for less, or join a larger cluster with --ray-address"
            )
    if not slots(wanted, nodes):
        raise ResourceError(
            f"a trial must fit on one node, but none has {wanted.cpus:g} CPUs and {wanted.gpus:g} GPUs together; "
            "ask for less, or join a larger cluster with --ray-address"
        )
    return wanted


def slots(wanted: TrialResources, nodes: Sequence[Node]) -> int:
    """Return how many trials the nodes hold at once."""
    return sum(_slots_of(wanted, node) for node in nodes)


def _slots_of(wanted: TrialResources, node: Node) -> int:
    asked = {"CPU": wanted.cpus, "GPU": wanted.gpus}
    return min(int(node.get(name, 0) / value + 1e-9) for name, value in asked.items() if value > 0)
