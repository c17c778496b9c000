"""One finished sweep for all tests that read it or go on from a copy of it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from smartmixed_search.search.summary import SweepSummary
from tests.helpers.placing import placed_here
from tests.helpers.sweeps import run_demo


@pytest.fixture(scope="session")
def finished(store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> SweepSummary:
    """A sweep of four trials; nothing may change it."""
    output_dir = tmp_path_factory.mktemp("finished")
    shutil.copy(store_template, output_dir)
    with placed_here():
        return run_demo(output_dir, trials=4)


@pytest.fixture
def here() -> Iterator[None]:
    """Trials are trained in this process."""
    with placed_here():
        yield


@pytest.fixture
def demo(finished: SweepSummary, tmp_path: Path) -> Path:
    """A copy of its output directory."""
    shutil.copytree(finished.directory.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path
