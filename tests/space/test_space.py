import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from smartmixed_search.errors import ConfigError
from smartmixed_search.method.activations import PUBLISHED_POOL, RIVAL_NAMES, register_activation, unregister_activation
from smartmixed_search.method.functions import POOLS
from smartmixed_search.search.proposing.proposals import Proposer
from smartmixed_search.space import files as space_files
from smartmixed_search.space.files import read_yaml, shipped_spaces
from smartmixed_search.space.space import SearchSpace

LISTED = {"dataset": "digits", "architecture": {"choices": ["16-8", 32, "8"]}}
SAMPLED = {"dataset": "digits", "architecture": {"depth": {"low": 1, "high": 4}, "width": {"choices": [64, 128, 256]}}}
PHASE = {"phase_fraction": 0.125, "temperature": 0.3}
RANGES = {"phase_fraction": {"low": 0.05, "high": 0.5}, "temperature": {"low": 0.1, "high": 3.0, "log": True}}
CHOICES = {"phase_fraction": {"choices": [0.25, 0.125]}, "temperature": {"choices": [1.0, 0.3]}}


def make(*parts: dict[str, Any], **keys: object) -> SearchSpace:
    plain: dict[Any, Any] = {}
    for part in (*parts, keys):
        plain |= part
    return SearchSpace.from_dict(plain)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["quickstart", "mnist-mlp", "paper"])
def test_shipped_spaces_load_by_name(name: str) -> None:
    assert SearchSpace.load(name).name == name


def test_every_shipped_file_is_listed() -> None:
    assert sorted(shipped_spaces()) == ["ablation", "mnist-mlp", "paper", "paper-fast", "paper-fast-6", "quickstart"]


def test_an_installed_wheel_has_them_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "search_spaces").mkdir()
    (tmp_path / "search_spaces" / "inside.yaml").write_text("dataset: digits\narchitecture: 8\n", encoding="utf-8")
    monkeypatch.setattr(space_files, "_PACKAGE", tmp_path)
    assert SearchSpace.load("inside").dataset == "digits"


def test_paper_is_the_published_protocol() -> None:
    space = SearchSpace.load("paper")
    architectures = list(space.draw_architectures())
    config = space.config(architectures[0], {})
    assert len(set(architectures)) == space.trials == 18
    assert (config.selection_epochs, config.epochs) == (50, 400)
    assert (config.temperature, config.learning_rate, config.batch_size, config.clamp) == (0.3, 1e-4, 128, 10)
    assert (config.output, config.evaluation, config.replicates) == ("softmax", "sampled", 1)


def test_the_documented_format_loads(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        dataset: mnist                    # a comment
        architecture:
          depth: {low: 1, high: 4}
          width: {choices: [64, 128, 256, 512]}
          shape: non-increasing
        architectures: 12
        trials: 36
        phase_fraction: {low: 0.05, high: 0.5}
        temperature: {low: 0.1, high: 3.0, log: true}
        temperature_final: 0.1
        epochs: 30
        learning_rate: 1e-3
        logit_learning_rate: 1e-2
        batch_size: 128
        replicates: 3
        strategies: all
        controls: []
        sampler: tpe
        search: settings
        objective: margin
        resources: {cpus_per_trial: 1, gpus_per_trial: auto}
        plugins: []
        """,
    )
    space = SearchSpace.load(path)
    config = space.config((64,), {"phase_fraction": 0.5, "temperature": 1.0})
    assert (space.name, space.trials, space.architectures) == ("mine", 36, 12)
    assert (config.learning_rate, config.logit_learning_rate, config.temperature_final) == (1e-3, 1e-2, 0.1)


def test_unsaid_fields_are_those_of_a_trial_but_for_what_selects() -> None:
    space = make(LISTED)
    config = space.config((8,), {"phase_fraction": 0.125, "temperature": 0.3})
    assert config == type(config)(dataset="digits", architecture=(8,), logit_learning_rate="auto")
    assert space.tunable == ("phase_fraction", "temperature")
    assert space.contains_published


def test_a_grid_that_says_nothing_keeps_to_the_published_phase_setting() -> None:
    space = make(LISTED, sampler="grid")
    assert (space.tunable, space.contains_published, space.trials) == ((), True, 3)
    assert space.config((8,), {}).logit_learning_rate == "auto"


def test_the_former_space_is_what_the_same_file_was_before_its_defaults_changed() -> None:
    """Or no sweep that was begun then could be continued; the hashes are those of that time."""
    plain = {"dataset": "digits", "architecture": {"choices": [64, "64-32"]}, "trials": 12}
    assert make(plain).former.hash == "a294593e968a4049fd4f3034649766fe24374e1ffb99bf63aaaa8d44092f222d"
    wine = RANGES | {"dataset": "wine.npz", "architecture": {"choices": ["32", "32-16", "64-32"]}}
    wine |= {"phase_fraction": {"low": 0.1, "high": 0.5}, "epochs": 20, "batch_size": 16}
    assert make(wine).unsaid == ("logit_learning_rate",)
    assert make(wine).former.hash == "00875d6c01b542ca75cc3e1731a0cec2b64a9f7255caeea483e4e841bb1e2ef7"


def test_a_space_that_says_everything_was_never_another() -> None:
    space = make(LISTED, RANGES, logit_learning_rate="none")
    assert space.unsaid == ()
    assert space.former == space


def test_strategies_are_all_functions_of_the_pool() -> None:
    register_activation("test_space_cube", lambda x: x**3)
    try:
        assert make(LISTED).options["strategies"] == ("smartmixed", *PUBLISHED_POOL, "test_space_cube")
        assert make(LISTED, pool=["relu", "elu"]).options["strategies"] == ("smartmixed", "relu", "elu")
    finally:
        unregister_activation("test_space_cube")


@pytest.mark.parametrize("name", POOLS)
def test_a_pool_with_a_name_and_its_list_are_one_space(name: str) -> None:
    named, listed = make(LISTED, pool=name), make(LISTED, pool=list(POOLS[name]))
    assert named == listed
    assert named.hash == listed.hash
    assert named.to_dict()["pool"] == list(POOLS[name])
    assert named.config((8,), {}).key == listed.config((8,), {}).key


def test_the_published_pool_by_its_name_is_the_one_of_a_space_that_says_nothing() -> None:
    assert make(LISTED, pool="published").hash == make(LISTED).hash


def test_learned_rivals_are_strategies_where_they_are_named() -> None:
    strategies = ["smartmixed", "relu", *RIVAL_NAMES]
    space = make(LISTED, strategies=strategies)
    assert space.config((8,), {}).strategies == tuple(strategies)
    assert space.config((8,), {}).fixed_strategies == ("relu",)
    assert not set(RIVAL_NAMES) & set(make(LISTED).options["strategies"])


def test_a_margin_needs_a_fixed_strategy_beside_learned_rivals() -> None:
    with pytest.raises(ConfigError, match="must hold a fixed one beside smartmixed"):
        make(LISTED, strategies=["smartmixed", "prelu"])


def test_plugins_are_imported_before_the_pool_is_read(tmp_path: Path) -> None:
    code = "from smartmixed_search.method.activations import register_activation as add\nadd('cube', lambda x: x**3)\n"
    (tmp_path / "cubes.py").write_text(code, encoding="utf-8")
    path = written(tmp_path, "dataset: digits\narchitecture: 8\nplugins: [cubes]\n")
    load = f"SearchSpace.load({str(path)!r})"
    ask = f"from smartmixed_search.space.space import SearchSpace; print({load}.options['pool'][-1])"
    answer = subprocess.run([sys.executable, "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert answer.stdout == "cube\n"


@pytest.mark.parametrize(
    ("parts", "architectures", "trials"),
    [
        ([LISTED], 3, 3),
        ([LISTED, {"architectures": 2}], 2, 2),
        ([LISTED, {"trials": 7}], 3, 7),
        ([SAMPLED], 12, 12),
        ([SAMPLED, {"architecture": {"depth": 1, "width": {"choices": [8, 16]}}}], 2, 2),
        ([LISTED, CHOICES, {"sampler": "grid"}], 3, 12),
        ([SAMPLED, {"search": "joint"}], None, 12),
    ],
)
def test_default_numbers_of_architectures_and_trials(
    parts: list[dict[str, Any]], architectures: int, trials: int
) -> None:
    space = make(*parts)
    assert (space.architectures, space.trials) == (architectures, trials)


@pytest.mark.parametrize("text", ["none", "null", "", "~"])
def test_no_clamp(tmp_path: Path, text: str) -> None:
    space = SearchSpace.load(written(tmp_path, f"dataset: digits\narchitecture: 8\nclamp: {text}\n"))
    assert space.config((8,), {}).clamp is None


def test_readings_of_the_method_are_crossed_like_numbers() -> None:
    clamps, outputs = {"choices": [10, "none"]}, {"choices": ["softmax", "logits"]}
    space = make(LISTED, clamp=clamps, output=outputs, sampler="grid")
    assert space.trials == 3 * 4
    found = {(config.clamp, config.output) for config in (Proposer(space).propose(n).config for n in range(12))}
    assert found == {(10.0, "softmax"), (10.0, "logits"), (None, "softmax"), (None, "logits")}


def test_a_random_search_draws_words_and_a_joint_one_proposes_them() -> None:
    for search, drawn, tunable in (("settings", ("handoff",), ()), ("joint", (), ("handoff",))):
        space = make(LISTED, PHASE, handoff={"choices": ["inherit", "reinitialize"]}, search=search)
        assert (space.drawn, space.tunable) == (drawn, tunable)
        assert {Proposer(space).propose(n).config.handoff for n in range(12)} == {"inherit", "reinitialize"}


def test_no_controls() -> None:
    assert make(LISTED, controls="none").options["controls"] == ()


def test_an_architecture_that_looks_like_a_date(tmp_path: Path) -> None:
    space = SearchSpace.load(written(tmp_path, "dataset: digits\narchitecture: 1024-10-12\n"))
    assert list(space.draw_architectures()) == [(1024, 10, 12)]
    assert read_yaml(space.to_yaml()) == space.to_dict()


def test_overrides_replace_keys_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "dataset: nonsense\narchitecture: 8\nresources: {cpus_per_trial: 2}\n")
    space = SearchSpace.load(
        path, {"dataset": "mnist", "trials": None, "seed": 5, "resources": {"gpus_per_trial": 0.5, "x": None}}
    )
    assert (space.dataset, space.trials, space.seed) == ("mnist", 1, 5)
    assert (space.resources.cpus_per_trial, space.resources.gpus_per_trial) == (2.0, 0.5)


def test_name_comes_from_the_file_unless_it_says_its_own(tmp_path: Path) -> None:
    path = tmp_path / ".my space.yaml"
    path.write_text("dataset: digits\narchitecture: 8\n", encoding="utf-8")
    assert SearchSpace.load(path).name == "my-space"
    assert SearchSpace.load(path, {"name": "other"}).name == "other"


def test_default_sweep_name_has_six_digits_of_the_hash() -> None:
    space = make(LISTED, name="mine")
    assert space.default_sweep_name == f"mine-{space.hash[:6]}"


@pytest.mark.parametrize(
    "keys",
    [
        {"name": "other"},
        {"trials": 99},
        {"resources": {"cpus_per_trial": 2}},
        {"epochs": "3e1"},
        {"learning_rate": {"choices": [0.001]}},
        {"strategies": ["smartmixed", *PUBLISHED_POOL]},
        {"architecture": {"choices": ["16-8", "32", 8]}},
    ],
)
def test_equal_spaces_have_equal_hashes(keys: dict[Any, Any]) -> None:
    assert make(LISTED, keys).hash == make(LISTED).hash


@pytest.mark.parametrize(
    "keys",
    [{"seed": 1}, {"epochs": 31}, {"architectures": 2}, {"sampler": "random"}, {"clamp": 10}, {"dataset": "mnist"}],
)
def test_different_spaces_have_different_hashes(keys: dict[Any, Any]) -> None:
    assert make(LISTED, keys).hash != make(LISTED).hash


def test_where_a_dataset_lies_is_not_part_of_the_hash() -> None:
    spaces = [make(LISTED, dataset=dataset) for dataset in ("here/wine.npz", "/there/wine.npz", "here/beer.npz")]
    assert spaces[0].hash == spaces[1].hash != spaces[2].hash


def test_architectures_do_not_depend_on_how_many_are_drawn() -> None:
    few, many = make(SAMPLED, architectures=3, trials=3), make(SAMPLED, architectures=20, trials=500)
    assert list(few.draw_architectures()) == list(itertools.islice(many.draw_architectures(), 3))


def test_architectures_depend_on_the_seed() -> None:
    assert list(make(SAMPLED).draw_architectures()) != list(make(SAMPLED, seed=1).draw_architectures())


def test_who_proposes_what() -> None:
    space = make(LISTED, RANGES, learning_rate={"low": 1e-4, "high": 1e-2}, temperature_final={"low": 0.1, "high": 1})
    assert space.tunable == ("phase_fraction", "temperature", "temperature_final")
    assert space.drawn == ("learning_rate",)


def test_a_joint_search_leaves_nothing_to_draw() -> None:
    space = make(LISTED, RANGES, learning_rate={"low": 1e-4, "high": 1e-2}, search="joint")
    assert (space.tunable, space.drawn) == (("phase_fraction", "temperature", "learning_rate"), ())


@pytest.mark.parametrize(
    ("keys", "contains"),
    [
        ({}, True),
        (RANGES, True),
        (CHOICES, True),
        ({"temperature": 1.0}, False),
        ({"phase_fraction": {"low": 0.2, "high": 0.5}}, False),
        ({"phase_fraction": {"low": 0.05, "high": 0.5, "step": 0.025}}, True),
        ({"phase_fraction": {"low": 0.1, "high": 0.5, "step": 0.1}}, False),
    ],
)
def test_whether_a_space_contains_the_published_setting(keys: dict[Any, Any], contains: bool) -> None:
    assert make(LISTED, keys).contains_published is contains


def test_grid_has_every_combination_once_and_the_published_one_first() -> None:
    space = make(LISTED, CHOICES, epochs={"low": 8, "high": 12, "step": 2}, sampler="grid")
    combinations = [space.grid.at(index) for index in range(space.grid.size)]
    assert space.grid.size == 12
    assert len({tuple(values.items()) for values in combinations}) == 12
    assert (combinations[0]["phase_fraction"], combinations[0]["temperature"]) == (0.125, 0.3)


def test_a_huge_grid_is_never_made() -> None:
    fine = {"low": 1e-6, "high": 0.9, "step": 1e-6}
    fields = ("temperature", "learning_rate", "logit_learning_rate", "clip_norm", "clamp")
    space = make(LISTED, dict.fromkeys(fields, fine), sampler="grid", trials=100)
    assert space.grid.size == 900_000**5
    assert space.grid.at(900_000**5 - 1)["clamp"] == 0.9
    assert SearchSpace.from_dict(read_yaml(space.to_yaml())) == space


def test_a_tables_target_and_columns_belong_to_the_space() -> None:
    plain = {"dataset": "rows.csv", "architecture": "8", "target": "price", "columns": {"zip": "category"}}
    space = SearchSpace.from_dict(plain)
    assert (space.target, space.columns) == ("price", {"zip": "category"})
    assert SearchSpace.from_dict(space.to_dict()) == space
    assert space.hash != SearchSpace.from_dict(plain | {"target": "rooms"}).hash


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"target": ""}, "target must be a name, but got ''"),
        ({"target": ["a"]}, "target must be a name"),
        ({"columns": ["zip"]}, "columns must be names with a word for each"),
        ({"columns": {"zip": "text"}}, "columns: zip must be one of number, boolean, date, category, ignore"),
    ],
)
def test_what_says_nothing_of_a_table_is_refused(keys: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SearchSpace.from_dict({"dataset": "rows.csv", "architecture": "8", **keys})


def test_a_space_loads_its_table(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("size,zip,kind\n" + "".join(f"{n % 7},0{n % 3}1,{'ab'[n % 2]}\n" for n in range(40)))
    plain = {"dataset": str(path), "architecture": "8", "target": "kind", "columns": {"zip": "ignore"}}
    data = SearchSpace.from_dict(plain).load_dataset()
    assert (data.name, data.features, data.classes) == ("rows", 1, 2)
    moved = path.rename(tmp_path / "moved.csv")
    assert SearchSpace.from_dict(plain).load_dataset(moved=str(moved)).features == 1
