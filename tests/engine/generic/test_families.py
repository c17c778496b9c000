"""Trials of every family that a space samples: both phases, resumption, and a file that answers as what was tested."""

import dataclasses
from pathlib import Path

import pytest
import torch

from smartmixed_search.datasets import Dataset
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.errors import TrialInterrupted
from smartmixed_search.export.formats import encode
from smartmixed_search.export.weights import load_network, read_network
from smartmixed_search.trials.config import CONTROLS, SMARTMIXED, TrialConfig
from tests.helpers.reference import toy_dataset

NAMES = [
    "conv(stages=2, width=3)",
    "conv(stages=2, width=4, norm='group', pool='stride', residual=True)",
    "mixer(patch=2, width=4, depth=2)",
    "transformer(patch=2, width=4, depth=2, heads=2)",
]
every_family = pytest.mark.parametrize("name", NAMES)


def config(name: str, **changes: object) -> TrialConfig:
    plain = TrialConfig(
        dataset="toy",
        architecture=name,
        phase_fraction=0.5,
        epochs=4,
        learning_rate=0.02,
        logit_learning_rate=0.5,
        batch_size=16,
        pool=("relu", "tanh", "elu"),
        strategies=(SMARTMIXED, "relu"),
        controls=CONTROLS,
    )
    return dataclasses.replace(plain, **changes)


def images() -> Dataset:
    """Return the toy data as images of 2 × 3 pixels."""
    return dataclasses.replace(toy_dataset(), shape=(1, 2, 3))


@every_family
def test_a_trial_goes_on_where_it_was_stopped_and_its_file_holds_what_was_tested(name: str, tmp_path: Path) -> None:
    whole, path = run_trial(config(name), images()), tmp_path / "weights.safetensors"
    for _ in range(3):
        with pytest.raises(TrialInterrupted):
            run_trial(config(name), images(), state_dir=tmp_path, stop=lambda: True, weights_path=path)
    resumed = run_trial(config(name), images(), state_dir=tmp_path, weights_path=path)
    assert (resumed.networks, resumed.choices) == (whole.networks, whole.choices)
    data, network = images(), resumed.networks[0]
    with torch.no_grad():
        right = load_network(path)(data.x_test.view(-1, 1, 2, 3)).argmax(1) == data.y_test
    assert int(right.sum()) == network.test["correct"]


@every_family
def test_rows_of_numbers_are_taken_too_and_programs_exported(name: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    run_trial(config(name, epochs=2, granularity="layer"), toy_dataset(), weights_path=path)
    program = encode(read_network(path), "torch-export")
    (tmp_path / "program.pt2").write_bytes(program)
    x = torch.randn(3, 6)
    with torch.no_grad():
        torch.testing.assert_close(torch.export.load(tmp_path / "program.pt2").module()(x), load_network(path)(x))
