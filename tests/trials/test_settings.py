"""A setting is declared in one place, and everything that knows of settings has it from there."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import smartmixed_search
from smartmixed_search.datasets.tables.columns import KINDS
from smartmixed_search.method.selection_rate import AUTO
from smartmixed_search.space.keys import COLUMN_KINDS, NETWORK, SPACE_KEYS
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.rules import Names, Words
from smartmixed_search.trials.settings import SETTINGS, Setting, fingerprint
from tests.helpers.identities import HASHES, KEYS

ROOT = Path(smartmixed_search.__file__).parents[1]


def declared(default: Any, *, later: bool = True) -> Setting:
    rule = Words(words=("adam", "sgd"))
    return Setting(rule=rule, default=default, space=default, later=later)


PLAIN = {"epochs": 30, "train_examples": None}
TOLD = PLAIN | {"optimizer": "sgd"}


def test_a_later_setting_at_its_default_moves_no_hash() -> None:
    assert fingerprint(PLAIN | {"optimizer": "adam"}, {"optimizer": declared("adam")}) == fingerprint(PLAIN, {})


def test_a_later_setting_that_is_used_does() -> None:
    assert fingerprint(TOLD, {"optimizer": declared("adam")}) != fingerprint(PLAIN, {})


def test_a_setting_there_from_the_first_does_also_at_its_default() -> None:
    first = {"optimizer": declared("sgd", later=False)}
    assert fingerprint(TOLD, first) == fingerprint(TOLD, {}) != fingerprint(PLAIN, first)


def test_a_later_list_that_is_empty_moves_no_hash() -> None:
    assert fingerprint(PLAIN | {"columns": []}, {"columns": declared(())}) == fingerprint(PLAIN, {})


def test_every_field_of_a_trial_but_its_identity_is_a_setting() -> None:
    assert [one.name for one in fields(TrialConfig)] == ["dataset", "architecture", *SETTINGS]


def test_a_resolved_space_has_every_key_once() -> None:
    assert sorted(SearchSpace.load("quickstart").to_dict()) == sorted({*SPACE_KEYS} - {*NETWORK})


@pytest.mark.parametrize("key", SPACE_KEYS)
def test_readme_names_every_key_of_a_space(key: str) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("\n## A search space\n")[2].partition("\n## ")[0]
    assert f"`{key}" in section or re.search(rf"^{key}: ", section, re.MULTILINE)


@pytest.mark.parametrize("key", [key for key, one in SETTINGS.items() if not isinstance(one.rule, Names)])
def test_defaults_keep_their_rule(key: str) -> None:
    assert SETTINGS[key].rule.choice(key, SETTINGS[key].default) == SETTINGS[key].default


def test_the_word_auto_is_the_one_that_the_method_knows() -> None:
    assert SETTINGS["logit_learning_rate"].rule.choice("logit_learning_rate", AUTO) == AUTO


def test_the_kinds_of_columns_are_those_that_tables_know() -> None:
    assert COLUMN_KINDS == KINDS


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"epoch": 30}, "a key of a space must be a known one, but got 'epoch'; did you mean 'epochs'?"),
        ({"epochs": 1}, "epochs must be a whole number from 2 to 1000000, but got 1"),
        ({"sampler": "tep"}, "sampler must be one of tpe, random, grid, but got 'tep'; did you mean 'tpe'?"),
    ],
)
def test_a_wrong_key_or_value_is_told_before_what_takes_long_to_load(plain: dict[str, Any], message: str) -> None:
    program = (
        "import sys\n"
        "from smartmixed_search.space.keys import check_plain\n"
        f"try: check_plain({plain})\n"
        "except ValueError as error: print(error)\n"
        "print({'torch', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=50)
    told, loaded = done.stdout.splitlines()
    assert (told[: len(message)], loaded) == (message, "set()")


ADDED = {
    "smartmixed_search/trials/settings.py": (
        "    plugins: tuple[str, ...] =",
        '    optimizer: str = setting(Words(words=("adam", "sgd")), "adam", baseline=True, later=True)\n',
    ),
    "smartmixed_search/space/keys.py": (
        "    sampler: str =",
        '    budget: str = setting(Words(words=("none", "hour")), "none", later=True)\n',
    ),
}
"""By file: the line before which a setting is declared, and the declaration."""
PROGRAM = """
import json
import pandas as pd
from smartmixed_search.analysis.effects import varying_settings
from smartmixed_search.search.proposing.proposals import Proposer
from smartmixed_search.space.keys import SPACE_KEYS
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.settings import SETTINGS
from tests.helpers.identities import KEYS, space

plain = {"dataset": "digits", "architecture": 8}
adam, sgd = (TrialConfig(dataset="digits", architecture=(8,), optimizer=word) for word in ("adam", "sgd"))
crossed = SearchSpace.from_dict({**plain, "optimizer": {"choices": ["adam", "sgd"]}})
try:
    SearchSpace.from_dict({**plain, "optimizer": "adma"})
except ValueError as error:
    refusal = str(error)
spaces = {name: space(name) for name in KEYS}
proposers = {name: Proposer(one) for name, one in spaces.items()}
configs = {name: [one.propose(n).config for n in range(3)] for name, one in proposers.items()}
print(json.dumps({
    "hashes": {name: one.hash for name, one in spaces.items()},
    "keys": {name: [[one.key, one.baseline_key] for one in of] for name, of in configs.items()},
    "used": [sgd.key != adam.key, sgd.baseline_key != adam.baseline_key],
    "budgeted": SearchSpace.from_dict({**plain, "budget": "hour"}).hash != SearchSpace.from_dict(plain).hash,
    "drawn": crossed.drawn,
    "refusal": refusal,
    "known": [key for key in ("optimizer", "budget") if key in SPACE_KEYS],
    "varying": list(varying_settings({one.key: one.to_dict() for one in (adam, sgd)})),
}))
"""


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a house answers to which two settings have been added, each by one line."""
    house = tmp_path_factory.mktemp("house")
    for folder in ("smartmixed_search", "search_spaces", "tests"):
        shutil.copytree(ROOT / folder, house / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name, (before, line) in ADDED.items():
        text = (house / name).read_text(encoding="utf-8")
        assert text.count(before) == 1, name
        (house / name).write_text(text.replace(before, line + before), encoding="utf-8")
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=50, cwd=house, env={"PYTHONPATH": str(house)}
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_new_setting_moves_the_hash_of_no_space(grown: dict[str, Any]) -> None:
    assert grown["hashes"] == HASHES


def test_a_new_setting_moves_the_key_of_no_trial_and_of_no_baseline(grown: dict[str, Any]) -> None:
    assert grown["keys"] == {name: [list(keys) for keys in of] for name, of in KEYS.items()}


def test_a_new_setting_that_is_used_makes_another_trial_with_other_baselines(grown: dict[str, Any]) -> None:
    assert grown["used"] == [True, True]


def test_a_new_key_of_the_search_that_is_used_makes_another_space(grown: dict[str, Any]) -> None:
    assert grown["budgeted"]


def test_a_new_setting_can_be_given_as_choices_and_is_drawn(grown: dict[str, Any]) -> None:
    assert grown["drawn"] == ["optimizer"]


def test_a_wrong_value_of_a_new_setting_is_refused_by_its_rule(grown: dict[str, Any]) -> None:
    assert grown["refusal"] == "optimizer must be one of adam, sgd, but got 'adma'; did you mean 'adam'?"


def test_the_command_line_knows_a_new_key(grown: dict[str, Any]) -> None:
    assert grown["known"] == ["optimizer", "budget"]


def test_effects_compare_a_new_setting(grown: dict[str, Any]) -> None:
    assert grown["varying"] == ["architecture", "optimizer"]
