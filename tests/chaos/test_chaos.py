"""Whatever is killed, the same command again finishes the sweep with every trial exactly once, and the same results."""

import random
import re
import signal
import socket
import sys
import time
from pathlib import Path

import pytest
import torch

from smartmixed_search.datasets import load_dataset
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.trials.config import TrialConfig
from tests.chaos.processes import Process, holding_on, kill, title, trial_workers, wait_until
from tests.chaos.services import cluster, kill_a_worker, mlflow_server
from tests.chaos.sweeps import SPACE, Sweep, check, check_equal, networks

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]

NODES = (("--num-cpus=0",), ("--num-cpus=1",), ("--num-cpus=1",))
KILLS = 5


def say(message: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr)


def kill_driver(driver: Process, sweep: Sweep) -> None:
    """SIGKILL the driver alone; what it had started must end by itself."""
    say(f"driver killed with {sweep.settled} settled, {len(sweep.events('proposed'))} proposed")
    kill(driver.popen.pid)
    driver.wait()
    wait_until(lambda: not holding_on(driver), 30, "no process of a killed driver is left")


def wait_for_settled(driver: Process, sweep: Sweep, count: int) -> None:
    wait_until(lambda: sweep.settled >= count or not driver.running, 240, f"{count} trials are settled")


def pause(dice: random.Random, longest: float) -> None:
    time.sleep(dice.uniform(0, longest))


def test_killed_driver(ray_session: None, tracking_uri: str, tmp_path: Path) -> None:
    sweep = Sweep(tmp_path, tracking_uri, SPACE | {"trials": 2, "replicates": 1, "epochs": 30})
    with sweep.launched() as driver:
        wait_until(lambda: len(sweep.events("proposed")) > 1 or not driver.running, 240, "a second trial is running")
        time.sleep(0.5)
        kill_driver(driver, sweep)
    interrupted = sweep.events("proposed")[-1]
    assert sweep.settled < sweep.trials
    sweep.complete_here()
    check(sweep)
    torch.set_num_threads(1)  # as a trial of one CPU has
    config = TrialConfig.from_dict(interrupted["config"])
    expected = run_trial(config, load_dataset("digits")).to_dict()
    assert networks(sweep.result(config.key)) == networks(expected)


@pytest.mark.slow
def test_driver_killed_at_five_moments(
    tracking_uri: str, tmp_path: Path, undisturbed: Sweep, dice: random.Random
) -> None:
    sweep = Sweep(tmp_path, tracking_uri)
    for moment in range(KILLS):
        with sweep.launched() as driver:
            wait_for_settled(driver, sweep, moment * (sweep.trials - 1) // KILLS)
            pause(dice, 12 if moment == 0 else 1)
            kill_driver(driver, sweep)
    assert sweep.settled < sweep.trials
    sweep.complete()
    check(sweep)
    check_equal(sweep, undisturbed)


@pytest.mark.slow
def test_killed_worker(tracking_uri: str, tmp_path: Path, undisturbed: Sweep, dice: random.Random) -> None:
    sweep = Sweep(tmp_path, tracking_uri)
    with sweep.launched() as driver:
        wait_for_settled(driver, sweep, 2)
        pause(dice, 2)
        kill_a_worker(driver)
        assert driver.wait() == 0, driver.output
    check(sweep)
    check_equal(sweep, undisturbed)


def wait_for_setbacks(driver: Process, sweep: Sweep, count: int) -> None:
    """Wait for that many attempts to have been lost, all of one trial."""
    wait_until(lambda: len(sweep.events("setback")) >= count or not driver.running, 60, f"{count} attempts are lost")
    setbacks = [(event["number"], event["kind"]) for event in sweep.events("setback")]
    assert setbacks == [(setbacks[0][0], "lost")] * count, driver.output


@pytest.mark.slow
@pytest.mark.parametrize("times", [2, 3])
def test_worker_killed_again_and_again_in_one_trial(
    tracking_uri: str, tmp_path: Path, undisturbed: Sweep, dice: random.Random, times: int
) -> None:
    sweep = Sweep(tmp_path, tracking_uri)
    with sweep.launched() as driver:
        wait_for_settled(driver, sweep, 2)
        for count in range(1, times + 1):
            pause(dice, 2)
            say(f"worker killed with {sweep.settled} settled")
            kill_a_worker(driver)
            wait_for_setbacks(driver, sweep, count)
        assert driver.wait() == 0, driver.output
    check(sweep)
    check_equal(sweep, undisturbed)


@pytest.mark.slow
def test_node_killed_twice_in_one_trial(
    tracking_uri: str, tmp_path: Path, undisturbed: Sweep, dice: random.Random
) -> None:
    with cluster(*NODES, NODES[-1]) as made:
        options = ("--concurrency", "1", "--ray-address", made.address)
        sweep = Sweep(tmp_path, tracking_uri, options=options, variables=made.variables)
        with sweep.launched() as driver:
            wait_for_settled(driver, sweep, 2)
            for count in (1, 2):
                pause(dice, 1)
                node = made.busy_node()
                say(f"node killed with {sweep.settled} settled")
                node.kill_all()
                wait_for_setbacks(driver, sweep, count)
            assert driver.wait() == 0, driver.output
    check(sweep)
    check_equal(sweep, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["gcs_server", "raylet"])
def test_killed_ray_is_told_in_one_line(
    tracking_uri: str, tmp_path: Path, undisturbed: Sweep, dice: random.Random, part: str
) -> None:
    sweep = Sweep(tmp_path, tracking_uri)
    with sweep.launched() as driver:
        wait_for_settled(driver, sweep, 2)
        pause(dice, 2)
        (pid,) = (pid for pid in driver.members if title(pid).partition(" ")[0].endswith(f"/{part}"))
        say(f"{part} killed with {sweep.settled} settled")
        kill(pid)
        assert driver.wait() == 2, driver.output
        assert re.search(r"error: Ray has ended, .* run the same command again to continue", driver.output)
        assert "internal error" not in driver.output
        wait_until(lambda: not holding_on(driver), 60, "no process of the lost Ray is left")
    assert sweep.settled < sweep.trials
    sweep.complete()
    check(sweep)
    check_equal(sweep, undisturbed)


@pytest.mark.slow
def test_killed_node(tracking_uri: str, tmp_path: Path, undisturbed: Sweep, dice: random.Random) -> None:
    with cluster(*NODES) as made:
        options = ("--concurrency", "1", "--ray-address", made.address)
        sweep = Sweep(tmp_path, tracking_uri, options=options, variables=made.variables)
        with sweep.launched() as driver:
            wait_for_settled(driver, sweep, 2)
            pause(dice, 2)
            node = made.busy_node()
            say(f"node killed with {sweep.settled} settled")
            node.kill_all()
            assert driver.wait() == 0, driver.output
    check(sweep)
    check_equal(sweep, undisturbed)


@pytest.mark.slow
def test_mlflow_server_stopped_and_restarted(tmp_path: Path, undisturbed: Sweep, dice: random.Random) -> None:
    with mlflow_server() as server:
        sweep = Sweep(tmp_path, server.uri)
        with sweep.launched() as driver:
            wait_for_settled(driver, sweep, 2)
            pause(dice, 1)
            say(f"MLflow server killed with {sweep.settled} settled")
            server.kill()
            wait_for_settled(driver, sweep, 5)
            assert driver.running, "training goes on without MLflow"
            server.start()
            assert driver.wait() == 0, driver.output
        check(sweep)
        check_equal(sweep, undisturbed)


@pytest.mark.slow
def test_mlflow_server_gone_until_the_sweep_is_over(tmp_path: Path, undisturbed: Sweep) -> None:
    with mlflow_server() as server:
        sweep = Sweep(tmp_path, server.uri)
        with sweep.launched() as driver:
            wait_for_settled(driver, sweep, 3)
            server.kill()
            assert driver.wait() == 1
            assert re.search(r"trials are not in MLflow yet", driver.output)
        assert sweep.settled == sweep.trials
        server.start()
        sweep.complete()
        check(sweep)
        check_equal(sweep, undisturbed)


@pytest.mark.slow
def test_everything_in_one_sweep(tmp_path: Path, undisturbed: Sweep, dice: random.Random) -> None:
    with mlflow_server() as server, cluster(*NODES) as made:
        options = ("--concurrency", "1", "--ray-address", made.address)
        sweep = Sweep(tmp_path, server.uri, options=options, variables=made.variables)
        for moment in range(2):
            with sweep.launched() as driver:
                wait_for_settled(driver, sweep, moment)
                pause(dice, 8 if moment == 0 else 3)
                kill_driver(driver, sweep)
        with sweep.launched() as driver:
            wait_for_settled(driver, sweep, 2)
            say("worker killed")
            kill_a_worker(made.busy_node())
            wait_for_settled(driver, sweep, 3)
            say("MLflow server killed")
            server.kill()
            pause(dice, 1)
            say("driver killed, with MLflow down")
            kill_driver(driver, sweep)
        server.start()
        with sweep.launched() as driver:
            wait_for_settled(driver, sweep, 4)
            pause(dice, 2)
            say("node killed")
            made.busy_node().kill_all()
            assert driver.wait() == 0, driver.output
        check(sweep)
        check_equal(sweep, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_sweep_says_how_to_continue(
    tracking_uri: str, tmp_path: Path, undisturbed: Sweep, number: int
) -> None:
    sweep = Sweep(tmp_path, tracking_uri)
    with sweep.launched() as driver:
        wait_for_settled(driver, sweep, 2)
        time.sleep(1)
        driver.signal(number)
        assert driver.wait(60) == 130
        assert re.search(
            r"interrupted with \d of 8 trials settled: run the same command again to continue", driver.output
        )
        wait_until(lambda: not driver.members, 30, "no process of an interrupted driver is left")
    assert sweep.settled < sweep.trials
    sweep.complete()
    check(sweep)
    check_equal(sweep, undisturbed)


@pytest.mark.slow
def test_second_process_is_refused(tracking_uri: str, tmp_path: Path) -> None:
    sweep = Sweep(tmp_path, tracking_uri, SPACE | {"epochs": 300})
    with sweep.launched() as first:
        wait_for_settled(first, sweep, 1)
        second = Process.start(sweep.command, tmp_path / "second.log")
        assert second.wait() == 2
        *_, line = second.output.splitlines()
        assert re.search(
            rf"'chaos' is being run by process {first.popen.pid} on {re.escape(socket.gethostname())};", line
        )
        assert "Traceback" not in line
        wait_until(lambda: trial_workers(first), 30, "the first goes on")
