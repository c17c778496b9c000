"""The formats of export: what is written computes the same when it is loaded by others."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from smartmixed_search.datasets.preparation import Preparation
from smartmixed_search.errors import NetworkError
from smartmixed_search.export.formats import FORMATS, encode, new_file
from smartmixed_search.export.weights import TrainedNetwork, named_layers, read_network
from smartmixed_search.method.activations import register_activation, unregister_activation
from smartmixed_search.method.functions import FURTHER
from tests.helpers.exports import load
from tests.helpers.networks import Parts, draw, drop_in

Register = Callable[..., str]


def trained(parts: Parts) -> TrainedNetwork:
    weights, biases, choices = parts
    return TrainedNetwork(
        replicate=1,
        tensors=named_layers(weights, biases),
        choices=choices,
        config={"dataset": "digits"},
        preparation=Preparation(shape=(2, 3), mean=(0.5,) * 6, deviation=(2.0,) * 6),
    )


def answer(network: nn.Module, x: Tensor) -> Tensor:
    """Prepare raw examples as `trained` says, by hand, and return the probabilities."""
    probabilities: Tensor = network(((x.flatten(1) - 0.5) / 2.0).float()).softmax(1)
    return probabilities


@pytest.fixture
def register() -> Iterator[Callable[[Callable[[Tensor], Tensor]], str]]:
    """Register a function as a user would; it goes when the test ends."""
    yield lambda function: register_activation("own", function).name
    unregister_activation("own")


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize(
    "names",
    [["selu", "relu", "tanh", "leaky_relu", "sigmoid"], [one.name for one in FURTHER]],
    ids=["nobody chose elu", "not published"],
)
def test_a_file_computes_what_the_network_computes(tmp_path: Path, file_format: str, names: list[str]) -> None:
    parts = draw(names=names)
    path = tmp_path / "network.pt2"
    path.write_bytes(encode(trained(parts), file_format))
    run, reference = load(path, file_format), drop_in(*parts)
    for batch in (1, 2, 7, 600):
        x = torch.randn(batch, 2, 3, dtype=torch.float64)
        torch.testing.assert_close(run(x), answer(reference, x), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_users_function_is_carried(tmp_path: Path, file_format: str, register: Register) -> None:
    parts = draw(names=[register(nn.functional.softsign), "relu"])
    path = tmp_path / "network.pt2"
    path.write_bytes(encode(trained(parts), file_format))
    x = torch.randn(3, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(load(path, file_format)(x), answer(drop_in(*parts), x), atol=2e-5, rtol=1e-4)


def half(x: Tensor) -> Tensor:
    """Look at values: no program can hold it."""
    return x / 2 if bool((x > 0).all()) else x * 0.5


@pytest.mark.parametrize(("file_format", "function"), [("onnx", torch.erfinv), ("torch-export", half)])
def test_a_function_that_a_format_cannot_hold_is_told_in_one_line(
    file_format: str, function: Callable[[Tensor], Tensor], register: Register, capfd: pytest.CaptureFixture[str]
) -> None:
    network = trained(draw(names=[register(function), "relu"]))
    with pytest.raises(
        NetworkError, match=f"cannot write every function of the network as {file_format} .* as safetensors"
    ) as e:
        encode(network, file_format)
    assert "\n" not in str(e.value)
    assert capfd.readouterr() == ("", "")


def test_a_program_that_answers_otherwise_is_not_handed_out(register: Register) -> None:
    """The converted logarithm of the sigmoid is infinite from -18 on."""
    network = trained(draw(names=[register(nn.functional.logsigmoid), "relu"]))
    with pytest.raises(NetworkError, match=r"must answer as the network, but for \d+ examples it does not"):
        encode(network, "onnx")


def test_files_say_where_they_come_from_and_how_inputs_are_prepared(tmp_path: Path) -> None:
    import onnx

    prepared = {
        "words": "flattened from 2 × 3 row by row, each feature less its mean, divided by its standard deviation, of "
        "the training examples",
        **{"shape": [2, 3], "mean": [0.5] * 6, "deviation": [2.0] * 6},
    }
    expected = {
        **{"replicate": 1, "config": {"dataset": "digits"}, "preparation": prepared},
        "takes": "x [batch, 2, 3] float64: raw examples",
        "returns": "the probabilities of the classes 0, 1, 2, 3",
        "outputs": ["0", "1", "2", "3"],
    }
    found = {"smartmixed.json": ""}
    program, model = (encode(trained(draw()), name) for name in ("torch-export", "onnx"))
    torch.export.load(io.BytesIO(program), extra_files=found)
    assert json.loads(found["smartmixed.json"]) == expected
    (entry,) = onnx.load_from_string(model).metadata_props
    assert (entry.key, json.loads(entry.value)) == ("smartmixed", expected)
    path = tmp_path / "network"
    path.write_bytes(encode(trained(draw()), "safetensors"))
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["preparation"]) == prepared
    assert read_network(path).preparation == trained(draw()).preparation
    assert not any(str(Path(__file__).parents[2]).encode() in content for content in (program, model))


@pytest.mark.parametrize("file_format", ["torch-export", "onnx"])
def test_without_a_known_preparation_a_program_takes_prepared_examples(tmp_path: Path, file_format: str) -> None:
    from onnxruntime import InferenceSession

    parts, path = draw(), tmp_path / "network.pt2"
    path.write_bytes(encode(replace(trained(parts), preparation=Preparation()), file_format))
    x = torch.randn(3, 6)
    if file_format == "onnx":
        found = torch.from_numpy(InferenceSession(path).run(["logits"], {"x": x.numpy()})[0])
    else:
        found = load(path, file_format)(x)
    torch.testing.assert_close(found, drop_in(*parts)(x), atol=2e-5, rtol=1e-4)


def test_an_unknown_format_and_a_missing_package_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NetworkError, match=r"format must be one of .* did you mean 'onnx'"):
        encode(trained(draw()), "onxx")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "onnxscript" else name)
    with pytest.raises(
        NetworkError, match=r"but onnxscript is not installed; pip install 'smartmixed-search\[export\]'"
    ):
        encode(trained(draw()), "onnx")


def test_a_new_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(TypeError), new_file(path) as file:
        file.writelines([b"half", None])
    assert not list(tmp_path.iterdir())
    with new_file(path) as file:
        file.write(b"whole")
    assert [item.read_bytes() for item in tmp_path.iterdir()] == [b"whole"]
    with pytest.raises(NetworkError, match="exists"), new_file(path):
        pass
    with pytest.raises(NetworkError, match="No such file"), new_file(tmp_path / "none" / "file"):
        pass


def test_what_goes_wrong_elsewhere_is_not_blamed_on_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match="lost"), new_file(tmp_path / "file"):
        raise ConnectionError("lost")
