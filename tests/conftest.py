"""Fixtures shared by several test files, and how the tests are spread over processes."""

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.hurrying import remembering, unsynced
from tests.helpers.spreading import Spreading, shares_ray

os.environ.setdefault("OMP_NUM_THREADS", "1")  # several processes test at once; a test of threads sets its own


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: the tests that share a Ray, then those that start one."""
    items.sort(
        key=lambda item: (not shares_ray(item.nodeid.partition("::")[0]), item.get_closest_marker("ray") is None)
    )


def pytest_collection_finish() -> None:
    """Have the garbage collector pass over what was imported, and look seldom: it took a sixth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Spreading:
    return Spreading(config, log)


@pytest.fixture(autouse=True, scope="session")
def _hurried() -> Iterator[None]:
    with unsynced():
        yield


@pytest.fixture(scope="session")
def store_template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty tracking store; creating one takes seconds, copying it none."""
    from smartmixed_search.tracking.store.store import default_tracking_uri, prepare_store

    directory = tmp_path_factory.mktemp("store")
    with remembering():
        prepare_store(default_tracking_uri(directory))
        yield directory / "mlflow.db"


@pytest.fixture
def tracking_uri(store_template: Path, tmp_path: Path) -> str:
    """The URI of an empty tracking store of the test's own."""
    from smartmixed_search.tracking.store.store import default_tracking_uri

    shutil.copy(store_template, tmp_path)
    return default_tracking_uri(tmp_path)


@pytest.fixture(scope="session")
def recorded_by() -> dict[Callable[[str], object], Path]:
    """The folders of stores that tests copy, by what has recorded them."""
    return {}


@pytest.fixture
def copy_of(
    store_template: Path,
    recorded_by: dict[Callable[[str], object], Path],
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
) -> Callable[[Callable[[str], object]], str]:
    """Returns the URI of a store of the test's own with what a function records, given one: once, and copied then."""
    from smartmixed_search.tracking.store.store import default_tracking_uri

    def copy_of(record: Callable[[str], object]) -> str:
        if record not in recorded_by:
            folder = tmp_path_factory.mktemp("recorded")
            shutil.copy(store_template, folder)
            record(default_tracking_uri(folder))
            recorded_by[record] = folder
        shutil.copytree(recorded_by[record], tmp_path, dirs_exist_ok=True)
        return default_tracking_uri(tmp_path)

    return copy_of


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """A quiet Ray of two CPUs and no GPU, shared by all tests: starting one takes seconds, and it is left as it was."""
    import ray

    ray.init(
        address="local", num_cpus=2, num_gpus=0, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
    )
    yield
    ray.shutdown()


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without figures, which take most of a page's time: for tests of all else."""
    from smartmixed_search.reports.figures import Figures

    monkeypatch.setattr(Figures, "draw", lambda *_: "")
