"""Fixtures shared by several test files, and how the tests are spread over processes."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # several processes test at once; a test of threads sets its own


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a file's tests share one process, all that need Ray another; those begin, because they take longest."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group("ray" if needs_ray(item) else item.nodeid.partition("::")[0]))
    items.sort(key=lambda item: not needs_ray(item))


def needs_ray(item: pytest.Item) -> bool:
    return item.get_closest_marker("ray") is not None


@pytest.fixture(scope="session")
def store_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty tracking store; creating one takes seconds, copying it none."""
    from smartmixed_search.tracking.store.store import default_tracking_uri, prepare_store

    directory = tmp_path_factory.mktemp("store")
    prepare_store(default_tracking_uri(directory))
    return directory / "mlflow.db"


@pytest.fixture
def tracking_uri(store_template: Path, tmp_path: Path) -> str:
    """The URI of an empty tracking store of the test's own."""
    from smartmixed_search.tracking.store.store import default_tracking_uri

    shutil.copy(store_template, tmp_path)
    return default_tracking_uri(tmp_path)


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """A quiet Ray of two CPUs and no GPU, shared by all tests: starting one takes seconds, and it is left as it was."""
    import ray

    ray.init(
        address="local", num_cpus=2, num_gpus=0, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
    )
    yield
    ray.shutdown()
