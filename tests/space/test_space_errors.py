from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from smartmixed_search.errors import UserError
from smartmixed_search.space.files import SIZE_LIMIT
from smartmixed_search.space.space import SearchSpace

VALID = {"dataset": "digits", "architecture": "16-8"}
FINE = {"low": 0.0001, "high": 1, "step": 0.0001}
SAMPLED = {"depth": {"low": 1, "high": 2}, "width": {"choices": [8, 16]}}


def refusal(action: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(UserError) as raised:
        action(*arguments)
    message = str(raised.value)
    assert len(message.splitlines()) == 1, message
    assert len(message) < 2000
    return message


@pytest.mark.parametrize(
    ("keys", "fragments"),
    [
        ({"epoch": 30}, ["'epoch'", "did you mean 'epochs'"]),
        ({1: 2}, ["1"]),
        ({"x" * 5000: 2}, ["xxx...xxx"]),
        ({"dataset": None}, ["dataset", "missing"]),
        ({"architecture": None}, ["architecture", "missing"]),
        ({"dataset": "mnits"}, ["dataset", "'mnits'", "did you mean 'mnist'"]),
        ({"dataset": 3}, ["dataset", "3"]),
        ({"name": "a/b"}, ["name", "'a/b'"]),
        ({"name": 42}, ["name", "42"]),
        ({"name": "x" * 81}, ["name", "80"]),
        ({"task": "regresion"}, ["task", "'regresion'", "did you mean 'regression'"]),
        ({"metric": "acuracy"}, ["metric", "'acuracy'", "did you mean 'accuracy'"]),
        ({"metric": {"choices": ["auroc"]}}, ["metric", "choices"]),
        (
            {"task": "regression", "metric": "auroc"},
            ["metric must be one of rmse, mae, r2", "'auroc', which is not of"],
        ),
        ({"task": "regression", "objective": "accuracy"}, ["objective must be margin or metric where rmse ranks"]),
        ({"metric": "auroc", "objective": "accuracy", "task": "classification"}, ["where auroc ranks"]),
        ({"metric": "no_such_module_at_all:f"}, ["no_such_module_at_all"]),
        ({"epochs": 1}, ["epochs", "1"]),
        ({"epochs": 2.5}, ["epochs", "2.5"]),
        ({"epochs": "many"}, ["epochs", "'many'"]),
        ({"epochs": True}, ["epochs", "True"]),
        ({"epochs": None}, ["epochs", "None"]),
        ({"epochs": {"low": 1, "high": 5}}, ["epochs", "low", "1"]),
        ({"epochs": {"low": 5, "high": 2}}, ["epochs", "low is 5", "high is 2"]),
        ({"epochs": [10, 20]}, ["epochs", "[10, 20]"]),
        ({"temperature": 0}, ["temperature", "0"]),
        ({"temperature": {"low": -1, "high": 1}}, ["temperature", "-1"]),
        ({"temperature": {"choices": [1, 0]}}, ["temperature", "0"]),
        ({"temperature": {"low": 0, "high": 1, "log": True}}, ["temperature", "0"]),
        ({"temperature": {"low": 0.1, "high": 1, "log": True, "step": 0.1}}, ["temperature", "step"]),
        ({"temperature": float("nan")}, ["temperature", "nan"]),
        ({"temperature": {"low": 1, "high": 1.7e308, "step": 1.6e308}}, ["temperature", "float32", "1.7e+308"]),
        ({"learning_rate": 1e-300}, ["learning_rate", "float32", "1e-300"]),
        ({"architecture": "x" * 5000}, ["architecture", "xxx...xxx"]),
        ({"architecture": {"choices": ["8", "x" * 5000]}}, ["architecture", "xxx...xxx"]),
        ({"temperature_final": -0.1}, ["temperature_final", "-0.1"]),
        ({"phase_fraction": 0}, ["phase_fraction", "0"]),
        ({"phase_fraction": 1.0}, ["phase_fraction", "1.0"]),
        ({"phase_fraction": {"low": 0.1, "high": 1.5}}, ["phase_fraction", "1.5"]),
        ({"phase_fraction": {"low": 0.1, "high": 0.5, "step": 0}}, ["phase_fraction", "step", "0"]),
        ({"learning_rate": "1e-3x"}, ["learning_rate", "'1e-3x'"]),
        ({"batch_size": 0}, ["batch_size", "0"]),
        ({"train_examples": 0}, ["train_examples", "or none", "0"]),
        ({"clip_norm": "none"}, ["clip_norm", "'none'"]),
        ({"clamp": "nothing"}, ["clamp", "'nothing'"]),
        ({"replicates": {"low": 1, "high": 3}}, ["replicates", "low"]),
        ({"replicates": 0}, ["replicates", "0"]),
        ({"seed": -1}, ["seed", "-1"]),
        ({"trials": 0}, ["trials", "0"]),
        ({"trials": {"choices": [1, 2]}}, ["trials", "choices"]),
        ({"trials": 10**7}, ["trials", "1000000", "10000000"]),
        ({"sampler": "grid", "clamp": FINE, "clip_norm": FINE}, ["trials", "1000000", "100000000"]),
        ({"architectures": 2}, ["architectures", "at most 1", "2"]),
        ({"architectures": 0}, ["architectures", "0"]),
        ({"architecture": SAMPLED, "architectures": 6}, ["architectures", "at most 5", "6"]),
        ({"architecture": SAMPLED, "architectures": 3, "search": "joint"}, ["architectures", "joint", "3"]),
        ({"architecture": "512-0"}, ["architecture", "'512-0'"]),
        ({"architecture": SAMPLED | {"depth": 0}}, ["depth", "0"]),
        ({"strategies": "relu"}, ["strategies", "'relu'"]),
        ({"strategies": ["smartmixed", "rely"]}, ["strategy", "'rely'", "did you mean 'relu'"]),
        ({"strategies": ["smartmixed", 3]}, ["strategies", "3"]),
        ({"strategies": ["relu"]}, ["strategies", "smartmixed"]),
        ({"strategies": ["smartmixed"]}, ["margin", "objective 'metric'"]),
        ({"controls": ["selectve"]}, ["control", "'selectve'", "did you mean 'selective'"]),
        ({"controls": "selective"}, ["controls", "'selective'"]),
        ({"pool": ["relu", "gellu"]}, ["activation function", "'gellu'"]),
        ({"pool": []}, ["pool", "[]"]),
        ({"plugins": ["no_such_module_anywhere"]}, ["plugin", "'no_such_module_anywhere'"]),
        ({"plugins": "module"}, ["plugins", "'module'"]),
        ({"output": "logit"}, ["output", "'logit'", "did you mean 'logits'"]),
        ({"estimator": ["hard"]}, ["estimator", "['hard']"]),
        ({"objective": "loss"}, ["objective", "'loss'"]),
        ({"sampler": "tpee"}, ["sampler", "did you mean 'tpe'"]),
        ({"search": "all"}, ["search", "'all'"]),
        ({"sampler": "grid", "search": "joint"}, ["sampler", "joint", "'grid'"]),
        ({"sampler": "grid", "temperature": {"low": 0.1, "high": 1}}, ["temperature", "step", "0.1"]),
        ({"sampler": "grid", "epochs": {"low": 5, "high": 9}}, ["epochs", "step", "5"]),
        ({"resources": 2}, ["resources", "2"]),
        ({"resources": {"gpu": 1}}, ["resources", "'gpu'"]),
        ({"resources": {"cpus_per_trial": 0}}, ["cpus_per_trial", "0"]),
        ({"resources": {"gpus_per_trial": -1}}, ["gpus_per_trial", "-1"]),
        ({"resources": {"gpus_per_trial": 1.5}}, ["gpus_per_trial", "1.5"]),
        ({"resources": {"gpus_per_trial": "all"}}, ["gpus_per_trial", "'all'"]),
    ],
)
def test_bad_space(keys: dict[Any, Any], fragments: list[str]) -> None:
    message = refusal(SearchSpace.from_dict, {**VALID, **keys})
    assert all(fragment in message for fragment in fragments), message


@pytest.mark.parametrize(
    ("content", "fragments"),
    [
        (b"", ["nothing"]),
        (b"# only a comment\n", ["nothing"]),
        (b"- a\n- b\n", ["['a', 'b']"]),
        (b"just words\n", ["'just words'"]),
        (b"dataset: [digits\n", ["line 2"]),
        (b"dataset: digits\n\tarchitecture: 8\n", ["line 2"]),
        (b"dataset: digits\nepochs: 3\nepochs: 4\n", ["line 3", "'epochs'"]),
        (b"dataset: digits\narchitecture: {depth: 1, depth: 2, width: 8}\n", ["line 2", "'depth'"]),
        (b"a: 1\n---\nb: 2\n", ["line 2", "document"]),
        (b"dataset: \xff\xfe\n", ["UTF-8", "byte 9"]),
        (b"dataset: \x00\n", ["YAML"]),
        (b"dataset: !!python/object/apply:os.system [ls]\n", ["line 1", "tags"]),
        (b"a: &x [1]\nb: *x\n", ["aliases"]),
        (b"a: &x [*x]\n", ["aliases"]),
        (b"[" * 20_000, ["nested"]),
        (b"? [1, 2]\n: 3\n", ["line 1", "[1, 2]"]),
        (b"#" * (SIZE_LIMIT + 1), [str(SIZE_LIMIT)]),
    ],
)
def test_bad_file(tmp_path: Path, content: bytes, fragments: list[str]) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    message = refusal(SearchSpace.load, path)
    assert all(fragment in message for fragment in [*fragments, "bad.yaml"]), message


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.yaml"
    path.touch()

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert "Permission denied" in refusal(SearchSpace.load, path)


@pytest.mark.parametrize("name", ["quickstrat", "quickstart.yml", "no/such/quickstart.yaml"])
def test_unknown_space_names_the_nearest(name: str) -> None:
    message = refusal(SearchSpace.load, name)
    assert repr(name) in message
    assert "did you mean 'quickstart'" in message


@pytest.mark.parametrize("name", ["", "..", "x" * 5000 + ".yaml", "a\0b.yaml", "two\nlines.yaml"])
def test_strange_names(name: str) -> None:
    assert " space " in refusal(SearchSpace.load, name)


def test_a_missing_file_names_the_nearest_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "vehicle.yaml").touch()
    message = refusal(SearchSpace.load, tmp_path / "vehicles.yaml")
    assert "there is no space file " in message
    assert message.endswith("vehicles.yaml'; did you mean 'vehicle.yaml'?")


def test_a_folder_is_no_space_and_says_which_it_holds(tmp_path: Path) -> None:
    assert "is a folder; it holds no .yaml file" in refusal(SearchSpace.load, tmp_path)
    (tmp_path / "b.yml").touch()
    (tmp_path / "a.yaml").touch()
    assert "is a folder; it holds a.yaml, b.yml" in refusal(SearchSpace.load, tmp_path)


def test_a_wrong_key_comes_before_the_keys_there_are() -> None:
    message = refusal(SearchSpace.from_dict, VALID | {"trails": 3})
    assert message.index("did you mean 'trials'?") < 80 < message.index("temperature_final")


def test_unknown_override() -> None:
    assert "'epoch'" in refusal(SearchSpace.load, "quickstart", {"epoch": 3})


def test_overrides_are_validated() -> None:
    assert "epochs" in refusal(SearchSpace.load, "quickstart", {"epochs": 1})


def test_a_table_in_memory_is_to_be_saved() -> None:
    with pytest.raises(UserError, match=r"a table in memory; save it: frame\.to_parquet"):
        SearchSpace.from_dict({"dataset": pd.DataFrame({"a": [1]}), "architecture": "8"})
