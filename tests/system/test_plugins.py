"""Who imports a plugin, and who does not: to import one is to run it."""

import logging
import sys
from pathlib import Path

import pytest

from smartmixed_search.datasets import load_dataset
from smartmixed_search.engine.trial import run_trial
from smartmixed_search.errors import ConfigError
from smartmixed_search.space.space import SearchSpace
from smartmixed_search.system.plugins import import_plugins, is_imported, require_plugins
from smartmixed_search.trials.config import TrialConfig

CONFIG = TrialConfig(dataset="digits", architecture=(8,), epochs=2, strategies=("smartmixed", "relu"))


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the current folder that nobody has imported."""
    name = "a_module_of_the_user"
    (tmp_path / f"{name}.py").write_text("import sys\nPATH = list(sys.path)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


def test_a_space_imports_its_plugins(plugin: str) -> None:
    SearchSpace.from_dict({"dataset": "digits", "architecture": 8, "plugins": [plugin]})
    assert is_imported(plugin)


def test_a_configuration_imports_nothing(plugin: str) -> None:
    config = TrialConfig.from_dict(CONFIG.to_dict() | {"plugins": [plugin], "pool": ["relu", "own"]})
    assert (config.plugins, config.pool) == ((plugin,), ("relu", "own"))
    assert not is_imported(plugin)


def test_the_pool_is_checked_once_the_plugins_are_imported(plugin: str) -> None:
    import_plugins([plugin])
    with pytest.raises(ConfigError, match="'own'"):
        TrialConfig.from_dict(CONFIG.to_dict() | {"plugins": [plugin], "pool": ["relu", "own"]})


def test_a_trial_imports_nothing(plugin: str) -> None:
    config = TrialConfig.from_dict(CONFIG.to_dict() | {"plugins": [plugin]})
    with pytest.raises(ConfigError, match=f"--plugin {plugin}"):
        run_trial(config, load_dataset("digits"))
    assert not is_imported(plugin)


def test_what_is_required_must_have_been_imported(plugin: str) -> None:
    with pytest.raises(ConfigError) as refused:
        require_plugins([plugin, "sys", "another"])
    assert f"give --plugin {plugin} --plugin another (in Python: plugins=['{plugin}', 'another'])" in str(refused.value)
    import_plugins([plugin])
    require_plugins([plugin, "sys"])


def test_the_current_folder_is_looked_in_last_and_for_the_import_alone(plugin: str, tmp_path: Path) -> None:
    before = list(sys.path)
    import_plugins([plugin])
    assert [*before, str(tmp_path)] == sys.modules[plugin].PATH
    assert sys.path == before


def test_a_file_in_the_current_folder_hides_no_module(plugin: str, tmp_path: Path) -> None:
    (tmp_path / "this.py").write_text("raise SystemExit('a stranger s')\n")
    import_plugins(["this"])  # Python's own
    assert "a stranger s" not in Path(sys.modules["this"].__file__ or "").read_text()


def test_a_worker_looks_in_the_driver_s_folder(plugin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    import_plugins([plugin], str(tmp_path))
    assert is_imported(plugin)


def test_what_is_about_to_be_imported_is_said(plugin: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    import_plugins([plugin])
    import_plugins([plugin])
    assert caplog.messages == [f"importing plugin '{plugin}' from {tmp_path / plugin}.py"]


@pytest.mark.parametrize("name", ["no_such_module", "", ".relative", "a\0b", "x y"])
def test_what_cannot_be_imported_is_told_in_one_line(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(ConfigError, match="a plugin must be an importable module, but got ") as refused:
        import_plugins([name])
    assert "\n" not in str(refused.value)
    assert not any(" from " in message for message in caplog.messages), "it lies nowhere"
