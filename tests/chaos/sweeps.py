"""Sweeps through the command line, and what must hold of one whatever has been killed in the meantime."""

import json
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from safetensors.torch import load_file

from smartmixed_search.cli import main
from tests.chaos.processes import Process, cleaned_up, python

RANKED = ("smartmixed", "relu", "tanh")
CONTROLS = ("random-mixed",)
SPACE = {
    "dataset": "digits",
    "architecture": {"choices": ["32-16", "48", "24-24"]},
    "phase_fraction": {"low": 0.1, "high": 0.6},
    "temperature": {"low": 0.1, "high": 3.0, "log": True},
    "epochs": 60,
    "batch_size": 32,
    "replicates": 2,
    "strategies": list(RANKED),
    "controls": list(CONTROLS),
    "trials": 8,
}
"""Trials of some seconds, so that there is time to kill something inside of one."""

_NETWORK = "strategy replicate role status best_epoch val test epochs steps curves"
"""What must be equal in an undisturbed sweep; times and paths need not."""
_STATES = {"finished": "COMPLETE", "failed": "FAIL", "stopped": "PRUNED"}


@dataclass(frozen=True)
class Sweep:
    """A sweep as a user launches it: always by the same command."""

    output_dir: Path
    tracking_uri: str
    space: Mapping[str, Any] = field(default_factory=lambda: SPACE)
    options: tuple[str, ...] = ("--concurrency", "1")
    variables: Mapping[str, str] = field(default_factory=dict)
    name: str = "chaos"

    @property
    def directory(self) -> Path:
        """The sweep's directory."""
        return self.output_dir / self.name

    @property
    def trials(self) -> int:
        """Trials asked for."""
        return int(self.space["trials"])

    @property
    def arguments(self) -> list[str]:
        """What the command is given."""
        space = self.output_dir / "space.yaml"
        space.write_text(yaml.safe_dump(dict(self.space)))
        where = ("--name", self.name, "--output-dir", self.output_dir, "--tracking-uri", self.tracking_uri)
        return ["run", str(space), *map(str, where), *self.options]

    @property
    def command(self) -> list[str | Path]:
        """The command, as a process of its own."""
        return python("-c", "from smartmixed_search.cli import main; main()", *self.arguments)

    @contextmanager
    def launched(self) -> Iterator[Process]:
        """Launch or continue the sweep; nothing of it is left when the context ends."""
        with cleaned_up(Process.start(self.command, self.output_dir / "driver.log", self.variables)) as driver:
            yield driver

    def complete(self) -> None:
        """Run the command to its end, which must be a good one."""
        with self.launched() as driver:
            code = driver.wait()
            assert code == 0, f"exit status {code}:\n{driver.output}"

    def complete_here(self) -> None:
        """Do the same in this process, with the Ray that it has: starting both takes most of a short sweep's time."""
        with pytest.raises(SystemExit) as ended:
            main(self.arguments)
        assert not ended.value.code

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the ledger's events of a kind, but for a line that is being written."""
        path = self.directory / "ledger.jsonl"
        whole = path.read_bytes().rpartition(b"\n")[0] if path.exists() else b""
        return [event for event in map(json.loads, whole.splitlines()) if event["event"] == kind]

    @property
    def settled(self) -> int:
        """Number of settled trials."""
        return len(self.events("settled"))

    def result(self, key: str) -> dict[str, Any]:
        """Return a trial's result."""
        return dict(json.loads((self.directory / "trials" / key / "result.json").read_text()))


def check(sweep: Sweep) -> None:
    """Make sure that every trial exists exactly once, in every store."""
    keys = _check_ledger(sweep)
    _check_mlflow(sweep, keys)
    _check_study(sweep)


def check_equal(sweep: Sweep, undisturbed: Sweep) -> None:
    """Make sure that two sweeps have the same results in the same order."""
    ours, theirs = ([_outcome(event) for event in one.events("settled")] for one in (sweep, undisturbed))
    assert ours == theirs
    assert _metrics(sweep) == _metrics(undisturbed)
    for key in (event["key"] for event in undisturbed.events("settled")):
        assert networks(sweep.result(key)) == networks(undisturbed.result(key))
        assert sweep.result(key)["choices"] == undisturbed.result(key)["choices"]
        weights = [load_file(one.directory / "trials" / key / "weights.safetensors") for one in (sweep, undisturbed)]
        assert weights[0].keys() == weights[1].keys()
        assert all(weights[0][name].equal(weights[1][name]) for name in weights[0])


def networks(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what must be equal of a trial's networks."""
    return [{name: network[name] for name in _NETWORK.split()} for network in result["networks"]]


def _outcome(event: Mapping[str, Any]) -> tuple[Any, ...]:
    return event["number"], event["key"], event["status"], event["objective"]


def _check_ledger(sweep: Sweep) -> list[str]:
    settled = sweep.events("settled")
    keys = [event["key"] for event in settled]
    assert len(keys) == len(set(keys)) == sweep.trials
    assert {event["status"] for event in settled} == {"finished"}
    numbers = [event["number"] for event in sweep.events("proposed")]
    assert numbers == list(range(len(numbers)))
    accounted = {event["number"] for kind in ("settled", "duplicate") for event in sweep.events(kind)}
    assert accounted == set(numbers)
    return keys


def _check_mlflow(sweep: Sweep, keys: list[str]) -> None:
    runs = _runs(sweep)
    kinds = Counter(run.data.tags["smartmixed.kind"] for run in runs)
    members = (*RANKED, *CONTROLS)
    assert kinds == {"sweep": 1, "trial": sweep.trials, "strategy": sweep.trials * len(members)}
    assert {run.data.tags["smartmixed.status"] for run in runs} == {"finished"}
    assert {run.info.status for run in runs} == {"FINISHED"}
    trials = {run.info.run_id: run for run in _of(runs, "trial")}
    assert sorted(run.data.tags["smartmixed.key"] for run in trials.values()) == sorted(keys)
    strategies = [
        (run.data.tags["mlflow.parentRunId"], run.data.tags["smartmixed.strategy"]) for run in _of(runs, "strategy")
    ]
    assert sorted(strategies) == sorted((trial, member) for trial in trials for member in members)
    client = MlflowClient(sweep.tracking_uri)
    for run in _of(runs, "strategy"):
        ranked = run.data.tags["smartmixed.strategy"] in RANKED
        assert ({"rank", "rank_mean", "val_rank"} <= run.data.metrics.keys()) == ranked
        steps = [point.step for point in client.get_metric_history(run.info.run_id, "epoch/val_accuracy")]
        assert sorted(steps) == list(range(sweep.space["epochs"]))


def _check_study(sweep: Sweep) -> None:
    storage = JournalStorage(JournalFileBackend(str(sweep.directory / "study.journal")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        trials = optuna.load_study(study_name=sweep.name, storage=storage).get_trials()
    found = [
        (trial.number, trial.state.name, trial.value) for trial in trials if "duplicate_of" not in trial.user_attrs
    ]
    settled = sorted(sweep.events("settled"), key=lambda event: event["number"])
    assert found == [(event["number"], _STATES[event["status"]], event["objective"]) for event in settled]


def _metrics(sweep: Sweep) -> dict[tuple[str, str], dict[str, float]]:
    """Return all figures that MLflow has of trials and strategies, but for times."""
    return {
        (run.data.tags["smartmixed.key"], run.info.run_name): {
            name: value for name, value in run.data.metrics.items() if "seconds" not in name
        }
        for run in _runs(sweep)
        if run.data.tags["smartmixed.kind"] != "sweep"
    }


def _runs(sweep: Sweep) -> list[Run]:
    client = MlflowClient(sweep.tracking_uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return list(client.search_runs(experiments, max_results=10_000))


def _of(runs: list[Run], kind: str) -> list[Run]:
    return [run for run in runs if run.data.tags["smartmixed.kind"] == kind]
