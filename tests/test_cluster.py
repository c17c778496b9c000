import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from smartmixed_search.errors import ResourceError
from smartmixed_search.search.cluster import TrialResources, check_address, slots, trial_resources
from tests.chaos.processes import Process, cleaned_up, listening, python, wait_until
from tests.chaos.services import Cluster, cluster

LAPTOP = [{"CPU": 2.0}]
CLUSTER = [{"CPU": 16.0, "GPU": 2.0}, {"CPU": 8.0, "GPU": 1.0}, {"CPU": 64.0}]


def test_auto_is_a_share_of_a_gpu_where_there_are_any():
    assert trial_resources(1, "auto", CLUSTER).gpus == 0.25


def test_auto_is_no_gpu_where_there_are_none():
    assert trial_resources(1, "auto", LAPTOP).gpus == 0


def test_more_gpus_than_any_node_has_is_refused():
    with pytest.raises(ResourceError, match="gpus_per_trial must be at most 2, what the largest node has, however: 4"):
        trial_resources(1, 4, CLUSTER)


def test_more_cpus_than_any_node_has_is_refused():
    with pytest.raises(ResourceError, match=r"cpus_per_trial must be at most 2, .*, however: 3"):
        trial_resources(3, 0, LAPTOP)


def test_resources_must_be_on_one_node():
    with pytest.raises(ResourceError, match="none has 32 CPUs and 1 GPUs together"):
        trial_resources(32, 1, CLUSTER)


@pytest.mark.parametrize(
    ("cpus", "gpus", "expected"), [(1, 0, 88), (1, 0.25, 12), (4, 0.25, 6), (0.5, 1, 3), (0.1, 0.1, 30)]
)
def test_slots_count_what_fits_node_by_node(cpus, gpus, expected):
    assert slots(TrialResources(cpus=cpus, gpus=gpus), CLUSTER) == expected


@pytest.mark.parametrize(("cpus", "threads"), [(0.5, 1), (1, 1), (2.9, 2), (4, 4)])
def test_threads_are_the_whole_cpus(cpus, threads):
    assert TrialResources(cpus=cpus, gpus=0).threads == threads


@pytest.mark.parametrize("address", ["head", "head:", ":6379", "ray://head:10001", "head:port"])
def test_malformed_address_is_refused(address):
    with pytest.raises(ResourceError, match="must be auto or HOST:PORT, however"):
        check_address(address)


def test_address_where_nothing_answers_is_refused_soon():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(ResourceError, match=f"nothing answers at '{address}'"):
            check_address(address)


@pytest.mark.ray
def test_local_ray_listens_on_the_loopback_alone(tmp_path):
    script = (
        "import time, ray\nfrom smartmixed_search.search.cluster import ray_session\n"
        "with ray_session():\n    ray.get(ray.remote(lambda: None).remote())\n    print('up')\n    time.sleep(50)"
    )
    with cleaned_up(Process.start(python("-u", "-c", script), tmp_path / "log")) as process:
        wait_until(lambda: "up" in process.output or not process.running, 40, "Ray is up")
        addresses = listening(process)
    assert addresses, process.output
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
def test_process_without_the_token_is_refused_in_one_line(guarded, tmp_path, variables):
    (tmp_path / "home").mkdir()
    main = "from smartmixed_search.cli import main; main()"
    command = python("-c", main, "run", "quickstart", "--output-dir", tmp_path, "--ray-address", guarded.address)
    process = Process.start(command, tmp_path / "log", variables | {"HOME": str(tmp_path / "home")})
    with cleaned_up(process):
        assert process.wait(50) == 2
    (line,) = process.output.splitlines()
    assert "must have the token of the cluster" in line
    assert "RAY_AUTH_TOKEN_PATH" in line
    assert list(Path(tmp_path).glob("*/ledger.jsonl")) == []
