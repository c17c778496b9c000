import ast
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray.exceptions import AuthenticationError

from smartmixed_search.errors import ResourceError
from smartmixed_search.search.placing import cluster as clusters
from smartmixed_search.search.placing import own_ray
from smartmixed_search.search.placing.cluster import (
    NoClusterError,
    TrialResources,
    check_address,
    ray_session,
    slots,
    trial_resources,
)
from tests.chaos.processes import Process, cleaned_up, listening, python, wait_until
from tests.chaos.services import Cluster, cluster

LAPTOP = [{"CPU": 2.0}]
CLUSTER = [{"CPU": 16.0, "GPU": 2.0}, {"CPU": 8.0, "GPU": 1.0}, {"CPU": 64.0}]


def test_auto_is_a_share_of_a_gpu_where_there_are_any() -> None:
    assert trial_resources(1, "auto", CLUSTER).gpus == 0.25


def test_auto_is_no_gpu_where_there_are_none() -> None:
    assert trial_resources(1, "auto", LAPTOP).gpus == 0


def test_more_gpus_than_any_node_has_is_refused() -> None:
    with pytest.raises(ResourceError, match="gpus_per_trial must be at most 2, what the largest node has, but got 4"):
        trial_resources(1, 4, CLUSTER)


def test_more_cpus_than_any_node_has_is_refused() -> None:
    with pytest.raises(ResourceError, match=r"cpus_per_trial must be at most 2, .*, but got 3"):
        trial_resources(3, 0, LAPTOP)


def test_resources_must_be_on_one_node() -> None:
    with pytest.raises(ResourceError, match="none has 32 CPUs and 1 GPUs together"):
        trial_resources(32, 1, CLUSTER)


@pytest.mark.parametrize(
    ("cpus", "gpus", "expected"), [(1, 0, 88), (1, 0.25, 12), (4, 0.25, 6), (0.5, 1, 3), (0.1, 0.1, 30)]
)
def test_slots_count_what_fits_node_by_node(cpus: float, gpus: float, expected: int) -> None:
    assert slots(TrialResources(cpus=cpus, gpus=gpus), CLUSTER) == expected


@pytest.mark.parametrize(("cpus", "threads"), [(0.5, 1), (1, 1), (2.9, 2), (4, 4)])
def test_threads_are_the_whole_cpus(cpus: float, threads: int) -> None:
    assert TrialResources(cpus=cpus, gpus=0).threads == threads


@pytest.mark.parametrize("address", ["head", "head:", ":6379", "ray://head:10001", "head:port"])
def test_malformed_address_is_refused(address: str) -> None:
    with pytest.raises(ResourceError, match="must be auto or HOST:PORT, but got"):
        check_address(address)


def test_address_where_nothing_answers_is_refused_soon() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(ResourceError, match=f"nothing answers at '{address}'"):
            check_address(address)


@pytest.fixture
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is connected to no Ray, as far as a test can tell; the one that tests share stays as it is."""
    monkeypatch.setattr(clusters.ray, "is_initialized", lambda: False)
    monkeypatch.setattr(clusters.ray, "shutdown", lambda: None)


@pytest.mark.usefixtures("no_ray")
@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (
            RuntimeError(
                "Version mismatch: The cluster was started with:\n    Ray: 2.55.1\n    Python: 3.12.0\nThis process on "
                "node 10.0.0.1 was started with:\n    Ray: 2.60.0\n    Python: 3.11.7\n"
            ),
            "must run the versions of this process, Ray 2.60.0 on Python 3.11.7, but runs Ray 2.55.1 on Python 3.12.0;",
        ),
        (AuthenticationError("no token"), "needs the token of the cluster at 'head:1'"),
        (
            RuntimeError("No node info found.\nTraceback"),
            "join the cluster at 'head:1' (RuntimeError: No node info found.)",
        ),
    ],
    ids=["another version", "no token", "anything else"],
)
def test_whatever_keeps_ray_from_joining_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, told: str
) -> None:
    def init(**_: Any) -> None:
        raise raised

    monkeypatch.setattr(clusters, "check_address", lambda _: None)
    monkeypatch.setattr(clusters.ray, "init", init)
    with pytest.raises(ResourceError) as refused, ray_session("head:1"):
        pass
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not isinstance(refused.value, NoClusterError)


@pytest.mark.usefixtures("no_ray")
def test_a_token_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**_: Any) -> None:
        raise AuthenticationError("no token")

    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "/no/such/token")
    monkeypatch.setattr(clusters, "check_address", lambda _: None)
    monkeypatch.setattr(clusters.ray, "init", init)
    with pytest.raises(ResourceError, match="but there is no file '/no/such/token'"), ray_session("head:1"):
        pass


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch, no_ray: None) -> list[dict[str, Any]]:
    """The settings of each start of a Ray that does not start unless this is changed."""
    tried: list[dict[str, Any]] = []

    def init(**settings: Any) -> None:
        tried.append(settings)
        raise Exception("The current node timed out during startup.\nmore")

    monkeypatch.setattr(own_ray.ray, "init", init)
    return tried


def test_a_ray_that_does_not_start_is_tried_twice_and_told_in_one_line(starts: list[dict[str, Any]]) -> None:
    with pytest.raises(ResourceError, match=r"tried twice \(Exception: The current") as refused, ray_session():
        pass
    assert len(starts) == 2
    assert "\n" not in str(refused.value)


def test_a_ray_of_one_s_own_has_the_cpus_that_may_be_used(
    starts: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_ray, "usable_cpus", lambda: 3)
    with pytest.raises(ResourceError), ray_session():
        pass
    assert starts[0]["num_cpus"] == 3


def test_a_folder_too_long_for_sockets_is_refused_before_ray_starts(
    starts: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", f"/tmp/{'x' * 60}")
    with pytest.raises(ResourceError, match="must have a path of at most"), ray_session():
        pass
    assert starts == []


@pytest.mark.usefixtures("no_ray")
@pytest.mark.parametrize("before", [{}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": "/no/such/file"}])
def test_a_ray_of_one_s_own_has_a_new_token_for_its_length_only(
    monkeypatch: pytest.MonkeyPatch, before: dict[str, str]
) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_USAGE_STATS_ENABLED"):
        monkeypatch.delenv(name, raising=False)
    for name, value in before.items():
        monkeypatch.setenv(name, value)
    seen = []

    def init(**_: Any) -> None:
        seen.append(dict(os.environ))
        os.environ["PYTHONBREAKPOINT"] = "ray.util.rpdb.set_trace"  # as Ray does

    monkeypatch.setattr(own_ray.ray, "init", init)
    found = dict(os.environ)
    for _ in range(2):
        with ray_session():
            pass
        assert dict(os.environ) == found
    first, second = (inside["RAY_AUTH_TOKEN"] for inside in seen)
    assert len(first) == 64
    assert first != second
    assert {inside["RAY_AUTH_MODE"] for inside in seen} == {"token"}
    assert not any("RAY_AUTH_TOKEN_PATH" in inside for inside in seen)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A process of a user without a home, in a folder of its own, that starts a Ray of its own twice.

    It says whether the first has left anything in its environment, and where a worker of the second has its modules.
    """
    here = tmp_path_factory.mktemp("here")
    script = (
        f"import os, sys, time, ray\nos.chdir({str(here)!r})\nsys.path.remove('')\n"
        "from smartmixed_search.search.placing.cluster import ray_session\n"
        "before = dict(os.environ)\n"
        "with ray_session():\n    assert ray.get(ray.remote(lambda: 1).remote()) == 1\n"
        "print('changed', sorted(before.items() ^ os.environ.items()))\n"
        "with ray_session():\n"
        "    print(ray.get(ray.remote(lambda: (os.getcwd(), sys.path)).remote()))\n    print('up')\n    time.sleep(500)"
    )
    variables = {"HOME": "/proc"}  # not even root can write there
    with cleaned_up(Process.start(python("-u", "-c", script), here / "log", variables)) as process:
        wait_until(lambda: "up" in process.output.splitlines() or not process.running, 200, "Ray is up")
        assert process.running, process.output
        yield process


@pytest.mark.ray
@pytest.mark.timeout(240)
def test_a_user_who_has_no_home_starts_ray_and_leaves_nothing_in_it(own: Process) -> None:
    assert "changed []" in own.output.splitlines()


@pytest.mark.ray
def test_workers_look_for_modules_where_the_driver_does(own: Process) -> None:
    folder, path = ast.literal_eval(own.output.splitlines()[-2])
    assert Path(folder).name.startswith("here")
    assert folder not in path


@pytest.mark.ray
def test_local_ray_listens_on_the_loopback_alone(own: Process) -> None:
    addresses = listening(own)
    assert addresses, own.output
    assert {address.is_loopback for address in addresses} == {True}, addresses


@pytest.fixture(scope="module")
def guarded() -> Iterator[Cluster]:
    """A cluster that asks for a token."""
    with cluster(("--num-cpus=1",)) as made:
        yield made


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize(
    "variables",
    [{"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_MODE": "token"}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}],
    ids=["no mode", "no token", "another token"],
)
def test_process_without_the_token_is_refused_in_one_line(
    guarded: Cluster, tmp_path: Path, variables: dict[str, str]
) -> None:
    (tmp_path / "home").mkdir()
    main = "from smartmixed_search.cli import main; main()"
    command = python("-c", main, "run", "quickstart", "--output-dir", tmp_path, "--ray-address", guarded.address)
    process = Process.start(command, tmp_path / "log", variables | {"HOME": str(tmp_path / "home")})
    with cleaned_up(process):
        assert process.wait(50) == 2
    *_, line = process.output.splitlines()
    assert "needs the token of the cluster" in line
    assert "RAY_AUTH_TOKEN_PATH" in line
    assert list(Path(tmp_path).glob("*/ledger.jsonl")) == []
