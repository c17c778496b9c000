"""Files of trained networks."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from smartmixed_search import load_network
from smartmixed_search.datasets import load_dataset
from smartmixed_search.datasets.preparation import Preparation
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.errors import ConfigError, NetworkError
from smartmixed_search.export.weights import read_network
from smartmixed_search.trials.config import TrialConfig
from tests.helpers.networks import draw, drop_in, write_weights


@pytest.mark.parametrize("output", ["logits", "softmax"])
def test_a_trials_networks_score_as_the_stack_said(tmp_path: Path, output: str) -> None:
    config = TrialConfig(
        dataset="digits",
        architecture=(32, 16),
        epochs=3,
        replicates=2,
        strategies=("smartmixed",),
        objective="accuracy",
        output=output,
    )
    digits = load_dataset("digits")
    result = run_trial(config, digits, weights_path=tmp_path / "weights.safetensors")
    for network in result.networks:
        with torch.inference_mode():
            logits = load_network(tmp_path / "weights.safetensors", network.replicate)(digits.x_test)
        received = logits if output == "logits" else logits.softmax(1)
        assert F.cross_entropy(received, digits.y_test).item() == pytest.approx(network.test["loss"], rel=1e-5)
        assert (logits.argmax(1) == digits.y_test).sum() == network.test["correct"]
    assert read_network(tmp_path / "weights.safetensors", 0).preparation == digits.preparation


def test_one_network_needs_no_number(tmp_path: Path) -> None:
    path = write_weights(tmp_path / "weights.safetensors", [2])
    x = torch.randn(3, 6)
    torch.testing.assert_close(load_network(path)(x), drop_in(*draw(seed=2))(x))
    assert not load_network(path).training


def test_a_function_of_a_plugin_is_not_taken_for_a_built_in_one(tmp_path: Path) -> None:
    """Both may be called `gelu`: it was free once."""
    path = write_weights(tmp_path / "weights.safetensors", [0], ["no_such_plugin"], names=("gelu", "relu"))
    with pytest.raises(ConfigError, match=r"names plugins that you have not confirmed.*no_such_plugin"):
        load_network(path)
    load_network(write_weights(tmp_path / "weights.safetensors", [0], names=("gelu", "relu")))


def test_a_file_of_an_earlier_version_has_the_preparation_that_its_dataset_tells(tmp_path: Path) -> None:
    network = read_network(write_weights(tmp_path / "weights.safetensors", [0]))
    assert network.preparation == Preparation(divisor=16)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    network = read_network(write_weights(tmp_path / "weights.safetensors", [0, 2]), 2)
    (tmp_path / "one").write_bytes(network.to_bytes())
    again = read_network(tmp_path / "one")
    assert (again.replicate, again.config) == (2, network.config)
    assert again.choices == [sorted(names) for names in network.choices]
    x = torch.randn(3, 6)
    torch.testing.assert_close(load_network(tmp_path / "one")(x), network.frozen()(x))
    assert replace(again, replicate=7).to_bytes() != again.to_bytes()
    assert len({again.to_bytes() for _ in range(20)}) == 1, "equal networks are equal files, with one checksum"


def _weights(folder: Path) -> Path:
    return write_weights(folder / "weights", [0, 2])


def _cut(folder: Path) -> Path:
    path = _weights(folder)
    path.write_bytes(path.read_bytes()[:-10])
    return path


def _with(metadata: dict[str, str] | None) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        tensors = {"replicate0.layer0.weight": torch.zeros(2, 2), "replicate0.layer0.bias": torch.zeros(2)}
        save_file(tensors, folder / "file", metadata)
        return folder / "file"

    return make


@pytest.mark.parametrize(
    ("make", "replicate", "message"),
    [
        (_weights, None, "replicate must be one of 0, 2, but got None"),
        (_weights, 1, "replicate must be one of 0, 2, but got 1"),
        (lambda folder: write_weights(folder / "weights", []), None, "every replicate .* diverged"),
        (lambda folder: folder / "none", None, "whole safetensors file .* No such file"),
        (lambda folder: folder, None, "whole safetensors file"),
        (_cut, 0, "whole safetensors file"),
        (_with(None), None, "whole safetensors file"),
        (_with({"choices": '{"0": [["relu", "relu"]]}', "config": "{}"}), None, "whole safetensors file"),
        (_with({"choices": '{"0": 5}', "config": "{}"}), None, "whole safetensors file"),
        (_with({"choices": "[]", "config": "{}"}), None, "whole safetensors file"),
        (_with({"choices": '{"0": []}', "config": '{"dataset": "digits"}'}), None, "must fit hidden layers"),
    ],
)
def test_a_file_without_the_network_is_refused_in_one_line(
    tmp_path: Path, make: Callable[[Path], Path], replicate: int | None, message: str
) -> None:
    with pytest.raises(NetworkError, match=message) as raised:
        load_network(make(tmp_path), replicate)
    assert "\n" not in str(raised.value)
