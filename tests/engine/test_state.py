"""A trial that was interrupted, however and wherever, goes on to the numbers of one that was not."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from safetensors import safe_open
from upath import UPath

from smartmixed_search.datasets import Dataset, load_dataset
from smartmixed_search.engine.parts import Part
from smartmixed_search.engine.state import States, dump, file_name, load
from smartmixed_search.engine.training import TwoPhaseTraining
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.errors import TrialInterrupted
from smartmixed_search.system.files import locate, remove
from smartmixed_search.trials.config import SELECTIVE, TrialConfig
from smartmixed_search.trials.result import TrialResult
from tests.helpers.memory import limit
from tests.helpers.reference import toy_dataset
from tests.helpers.training import BASE, CPU

VARIANTS: dict[str, dict[str, Any]] = {
    "published, controls": {},
    "reinitialized": {"handoff": "reinitialize", "controls": ()},
    "handed off from the best epoch": {"handoff_from": "best", "learning_rate": 0.3},
    "both, sampled evaluation": {"handoff": "reinitialize", "handoff_from": "best", "evaluation": "sampled"},
    "annealed, clamped, soft": {"temperature_final": 0.1, "clamp": 0.4, "estimator": "soft", "controls": (SELECTIVE,)},
    "diverged": {"learning_rate": 1e37, "logit_learning_rate": 1.0},
}
PHASES = {"selection": 1, "handoff": BASE.selection_epochs, "fixed": BASE.selection_epochs + 1}
"""Epochs after which a trial is interrupted."""


class Stop:
    """Asks to stop after some of the epochs, counted over the parts of a trial."""

    def __init__(self, after: Collection[int]) -> None:
        self.asked = 0
        self._after = after

    def __call__(self) -> bool:
        self.asked += 1
        return self.asked in self._after


class Epochs:
    """Counts the epochs that are really trained."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.trained = 0
        train = TwoPhaseTraining._train_epoch

        def counted(training: TwoPhaseTraining) -> torch.Tensor:
            self.trained += 1
            return train(training)

        monkeypatch.setattr(TwoPhaseTraining, "_train_epoch", counted)


@pytest.fixture
def epochs(monkeypatch: pytest.MonkeyPatch) -> Epochs:
    return Epochs(monkeypatch)


def kept(result: TrialResult) -> dict[str, Any]:
    """Return all that a trial leaves, but for the time it took."""
    with safe_open(result.weights_path, "pt") as file:
        weights = {name: file.get_tensor(name).tolist() for name in file.keys()}  # noqa: SIM118  it is no dict
        metadata = file.metadata()
    numbers = dataclasses.replace(result, seconds=0.0, weights_path=None).to_dict()
    return {"result": numbers, "weights": weights, "metadata": metadata}


def run(config: TrialConfig, folder: Path, **options: Any) -> TrialResult:
    return run_trial(config, toy_dataset(), weights_path=folder / "weights", **options)


def interrupt(config: TrialConfig, folder: Path, after: int, dataset: Dataset | None = None) -> Path:
    """Train that many epochs, and return where the state is."""
    state = folder / "state"
    with pytest.raises(TrialInterrupted, match=f"after {after} of {config.epochs} epochs"):
        run_trial(config, dataset or toy_dataset(), state_dir=state, stop=Stop([after]))
    return state


@pytest.fixture(scope="module", params=VARIANTS, ids=list(VARIANTS))
def undisturbed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrialConfig, dict[str, Any]]:
    config = dataclasses.replace(BASE, **VARIANTS[request.param])
    result = run(config, tmp_path_factory.mktemp("undisturbed"))
    assert ("diverged" in {network.status for network in result.networks}) == (request.param == "diverged")
    return config, kept(result)


@pytest.mark.parametrize("phase", PHASES)
def test_a_trial_interrupted_in_a_phase_goes_on(
    undisturbed: tuple[TrialConfig, dict[str, Any]], phase: str, tmp_path: Path, epochs: Epochs
) -> None:
    config, expected = undisturbed
    state = interrupt(config, tmp_path, after=PHASES[phase])
    assert kept(run(config, tmp_path, state_dir=state)) == expected
    assert epochs.trained == config.epochs


def test_a_trial_interrupted_after_every_epoch_goes_on(
    undisturbed: tuple[TrialConfig, dict[str, Any]], tmp_path: Path, epochs: Epochs
) -> None:
    config, expected = undisturbed
    seconds = []
    for after in range(1, config.epochs):
        with pytest.raises(TrialInterrupted, match=f"after {after} of 5"):
            run(config, tmp_path, state_dir=tmp_path / "state", stop=Stop([1]))
        training = TwoPhaseTraining(config, toy_dataset(), CPU)
        seconds.append(load(training, next((tmp_path / "state").iterdir()).read_bytes()))
    result = run(config, tmp_path, state_dir=tmp_path / "state")
    assert kept(result) == expected
    assert epochs.trained == config.epochs
    assert seconds == sorted(seconds)
    assert seconds[-1] < result.seconds, "the time of all attempts counts"


IN_PARTS = dataclasses.replace(BASE, strategies=("smartmixed", "relu"))


@pytest.fixture(scope="module")
def undisturbed_in_parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[Any]]:
    reports: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        limit(patch, networks=4)
        result = run(IN_PARTS, tmp_path_factory.mktemp("undisturbed"), report=lambda *report: reports.append(report))
    return kept(result), reports


@pytest.mark.parametrize("after", [3, 5, 7], ids=["first part", "between the parts", "second part"])
def test_a_trial_in_parts_goes_on(
    undisturbed_in_parts: tuple[dict[str, Any], list[Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, after: int
) -> None:
    config, (expected, expected_reports) = IN_PARTS, undisturbed_in_parts
    limit(monkeypatch, networks=4)
    state = tmp_path / "state"
    with pytest.raises(TrialInterrupted):
        run(config, tmp_path, state_dir=state, stop=Stop([after]))
    assert len(list(state.iterdir())) == 1 + (after > 5), "what was too large has left nothing"
    epochs = Epochs(monkeypatch)
    reports: list[Any] = []
    result = run(config, tmp_path, state_dir=state, report=lambda *report: reports.append(report))
    assert kept(result) == expected
    assert reports == expected_reports
    assert epochs.trained == 1 + 2 * config.epochs - after, "one epoch shows that the whole does not fit"


def test_a_trial_that_is_killed_goes_on(tmp_path: Path, epochs: Epochs) -> None:
    config = TrialConfig(
        dataset="digits", architecture=(16, 8), epochs=6, strategies=("smartmixed", "relu"), phase_fraction=0.5
    )
    program = (
        "import json, sys, time, torch; from pathlib import Path\n"
        "from smartmixed_search import TrialConfig, load_dataset, run_trial\n"
        "from smartmixed_search.engine import state\n"
        "state.LEAST_SECONDS = state.LEAST_COSTS = 0\n"
        "torch.set_num_threads(int(sys.argv[2]))\n"
        "def report(epoch, metrics):\n"
        "    print(epoch, flush=True)\n"
        "    time.sleep(60 if epoch == 4 else 0)\n"
        "config = TrialConfig.from_dict(json.loads(sys.argv[3]))\n"
        "run_trial(config, load_dataset('digits'), report=report, state_dir=Path(sys.argv[1]))\n"
    )
    arguments = [str(tmp_path / "state"), str(torch.get_num_threads()), json.dumps(config.to_dict())]
    with subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert [process.stdout.readline() for _ in range(5)] == [f"{epoch}\n" for epoch in range(5)]
        os.kill(process.pid, signal.SIGKILL)
    reports: list[int] = []
    dataset = load_dataset("digits")
    continued = run_trial(
        config,
        dataset,
        report=lambda epoch, _: reports.append(epoch),
        weights_path=tmp_path / "continued",
        state_dir=tmp_path / "state",
    )
    assert epochs.trained == 2, "the state after epoch 3 was there"
    assert reports == list(range(6))
    assert kept(continued) == kept(run_trial(config, dataset, weights_path=tmp_path / "undisturbed"))


def test_reports_of_a_continued_trial_are_complete(tmp_path: Path) -> None:
    expected: list[tuple[int, dict[str, float]]] = []
    run(BASE, tmp_path, report=lambda *report: expected.append(report))
    state = interrupt(BASE, tmp_path, after=3)
    reports: list[tuple[int, dict[str, float]]] = []
    run(BASE, tmp_path, state_dir=state, report=lambda *report: reports.append(report))
    assert reports == expected
    assert [epoch for epoch, _ in reports] == list(range(5))


def damage(content: bytes) -> dict[str, bytes]:
    flipped = bytearray(content)
    flipped[-100] ^= 1
    header = int.from_bytes(content[:8], "little")
    return {
        "empty": b"",
        "no header": content[:5],
        "torn header": content[: header // 2],
        "torn": content[:-1],
        "longer": content + b"\0",
        "one bit": bytes(flipped),
        "another epoch": content.replace(rb"\"epoch\": 3", rb"\"epoch\": 2"),
        "other steps": content.replace(rb"\"steps_taken\": ", rb"\"steps_taken\": 1"),
        "other seconds": content.replace(rb"\"seconds\": ", rb"\"seconds\": 1"),
        "another checksum": content.replace(rb"\"crc32\": ", rb"\"crc32\": 1"),
        "another type": content.replace(b'"I64"', b'"U64"'),
        "other schema": content.replace(rb"\"schema\": 1", rb"\"schema\": 7"),
        "no metadata": content[:8] + content[8 : 8 + header].replace(b"__metadata__", b"__metadatA__") + content[8:],
        "text": b"not a state",
    }


def test_a_damaged_state_is_as_good_as_none(tmp_path: Path) -> None:
    (path,) = interrupt(BASE, tmp_path, after=3).iterdir()
    content = path.read_bytes()
    training = TwoPhaseTraining(BASE, toy_dataset(), CPU)
    before = training.networks.stack.parameters.clone().tensors()
    for name, damaged in damage(content).items():
        assert damaged != content, name
        assert load(training, damaged) is None, name
    assert training.epoch == 0
    assert all(map(torch.equal, training.networks.stack.parameters.tensors(), before))
    assert load(training, content) is not None
    assert training.epoch == 3


def test_the_state_of_an_earlier_version_is_continued(tmp_path: Path) -> None:
    """Its checksum was that of its tensors alone, and its configuration lacks the settings that have come since."""
    (path,) = interrupt(BASE, tmp_path, after=3).iterdir()
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["state"])
    tensors = safetensors.torch.load_file(path)
    checksum = 0
    for name in sorted(tensors):
        checksum = zlib.crc32(tensors[name].contiguous().numpy().data, zlib.crc32(name.encode(), checksum))
    for name in ("metric", "train_examples"):
        about["config"].pop(name)
    earlier = safetensors.torch.save(tensors, {"state": json.dumps(about | {"crc32": checksum})})
    training = TwoPhaseTraining(BASE, toy_dataset(), CPU)
    assert load(training, earlier) == about["seconds"]
    assert training.epoch == 3


def test_a_trial_with_a_damaged_state_starts_anew(tmp_path: Path, epochs: Epochs) -> None:
    expected = kept(run(BASE, tmp_path))
    state = interrupt(BASE, tmp_path, after=3)
    (path,) = state.iterdir()
    path.write_bytes(path.read_bytes()[:-7])
    epochs.trained = 0
    assert kept(run(BASE, tmp_path, state_dir=state)) == expected
    assert epochs.trained == 5


@pytest.mark.parametrize(
    "changes", [{"temperature": 0.4}, {"phase_fraction": 0.41}, {"seed": 1}, {"precision": "bf16"}, {"epochs": 6}]
)
def test_the_state_of_another_configuration_is_not_continued(changes: dict[str, Any], tmp_path: Path) -> None:
    (path,) = interrupt(BASE, tmp_path, after=3).iterdir()
    other = TwoPhaseTraining(dataclasses.replace(BASE, **changes), toy_dataset(), CPU)
    assert load(other, path.read_bytes()) is None
    assert other.epoch == 0


def test_the_state_of_other_data_is_not_continued(tmp_path: Path) -> None:
    (path,) = interrupt(BASE, tmp_path, after=3).iterdir()
    data = dataclasses.replace(toy_dataset(), checksum="1" * 16)
    assert load(TwoPhaseTraining(BASE, data, CPU), path.read_bytes()) is None


def test_the_state_of_other_networks_is_not_continued() -> None:
    config = dataclasses.replace(BASE, strategies=("smartmixed", "relu", "tanh"), controls=())
    first, second = (Part(members=(name,), replicates=(0,)) for name in ("relu", "tanh"))
    trained = TwoPhaseTraining(config, toy_dataset(), CPU, part=first)
    trained.run()
    assert load(TwoPhaseTraining(config, toy_dataset(), CPU, part=second), dump(trained, 0.0)) is None
    assert file_name(first) != file_name(second)


def test_a_files_name_is_safe_whatever_the_members_are_called() -> None:
    name = file_name(Part(members=("../" * 99, "ü?*"), replicates=tuple(range(999))))
    assert len(name) < 50
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")


def test_a_state_is_kept_on_other_storage(tmp_path: Path, epochs: Epochs) -> None:
    expected = kept(run(BASE, tmp_path))
    folder = UPath("memory://trial-of-test-state/a")
    with pytest.raises(TrialInterrupted):
        run_trial(BASE, toy_dataset(), state_dir=folder / "state", stop=Stop([3]))
    epochs.trained = 0
    result = run_trial(BASE, toy_dataset(), weights_path=folder / "weights", state_dir=folder / "state")
    assert epochs.trained == 2
    copy = tmp_path / "copy"
    copy.write_bytes(locate(result.weights_path).read_bytes())
    assert kept(dataclasses.replace(result, weights_path=str(copy))) == expected
    remove(folder / "state")
    assert not (folder / "state").exists()


class Clock:
    """Tells the time, and takes some to do so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.cost = 0.0

    def __call__(self) -> float:
        self.now += self.cost
        return self.now


def test_states_are_written_seldom_enough(tmp_path: Path) -> None:
    clock = Clock()
    states = States(tmp_path, clock)
    training = TwoPhaseTraining(BASE, toy_dataset(), CPU)
    clock.now = 29.0
    assert not states.due
    clock.now = 30.0
    assert states.due
    clock.cost = 2.0  # three looks at the clock: writing takes four to six seconds
    training.run(lambda *_: states.save(training) if training.epoch == 1 else None)
    clock.cost = 0.0
    written = clock.now
    clock.now = written + 60.0
    assert not states.due
    clock.now = written + 120.0
    assert states.due


def test_a_short_trial_writes_no_state_and_stop_is_not_asked_in_vain(tmp_path: Path) -> None:
    stop = Stop([])
    run(BASE, tmp_path, state_dir=tmp_path / "state", stop=stop)
    assert stop.asked == BASE.epochs - 1
    assert not (tmp_path / "state").exists()


def test_a_trial_without_a_folder_stops_as_well(tmp_path: Path) -> None:
    with pytest.raises(TrialInterrupted):
        run(BASE, tmp_path, stop=Stop([2]))
