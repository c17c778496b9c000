"""MLflow's page in headless Chromium, over a store with a small sweep, served as `smartmixed-search ui` serves it."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from smartmixed_search.tracking.runs.view import view_path
from smartmixed_search.tracking.store.store import connect, default_tracking_uri
from tests.chaos.services import free_port
from tests.helpers.models import record, results
from tests.helpers.tracked import all_runs

playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH"),
]

SIZES = {"desktop": (1366, 900), "phone": (390, 844)}
NOISE = {
    "users/current": "the page asks who is logged in, and a server without accounts answers 404",
    "ResizeObserver loop": "Chromium's notice that a layout took two passes",
}
"""What MLflow's page itself writes to the console as an error."""
PATIENCE = 120_000
"""Milliseconds for the page to draw something: it is large, and the machine may be busy."""


@dataclass(frozen=True)
class Served:
    address: str
    experiment: str
    sweep: str
    """Id of the sweep's run."""


@pytest.fixture(scope="module")
def served(store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The page of a sweep of four trials, whose best networks are registered."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copy(store_template, folder)
    uri = default_tracking_uri(folder)
    record(uri, *results(folder, 0.1, 0.4, 0.2, 0.3)).register_networks()
    experiment = connect(uri).get_experiment_by_name("smartmixed/digits").experiment_id
    port = free_port()
    with ui(folder, port):
        yield Served(f"http://127.0.0.1:{port}", experiment, all_runs(uri)["sweep"][0].info.run_id)


@contextmanager
def ui(folder: Path, port: int) -> Iterator[None]:
    program = "from smartmixed_search.cli import main; main()"
    command = [sys.executable, "-c", program, "ui", "--output-dir", str(folder), "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    with (folder / "ui.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
    try:
        wait_for(f"http://127.0.0.1:{port}/health")
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def wait_for(address: str) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except OSError:
            assert time.monotonic() < deadline, "the page must be served"
            time.sleep(0.5)
        else:
            return


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=[(size, scheme) for size in SIZES for scheme in ("light", "dark")], ids="-".join)
def page(request: pytest.FixtureRequest, browser: Any) -> Iterator[Any]:
    """A page that must not have written an error by the end of the test; MLflow's assistant is closed."""
    size, scheme = request.param
    context = browser.new_context(viewport=dict(zip(("width", "height"), SIZES[size], strict=True)))
    context.set_default_timeout(PATIENCE)
    settings = {
        "_mlflow_dark_mode_toggle_enabled": scheme == "dark",
        "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": True,
        "mlflow.assistant.panelOpen_v1": False,
    }
    for name, value in settings.items():
        context.add_init_script(f"localStorage.setItem({name!r}, '{str(value).lower()}')")
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda m: errors.append(f"{m.text} {m.location.get('url')}") if m.type == "error" else None)
    yield page
    if "SCREENSHOTS" in os.environ:
        page.screenshot(path=Path(os.environ["SCREENSHOTS"], f"{request.node.name}.png"))
    context.close()
    assert [error for error in errors if not any(noise in error for noise in NOISE)] == []


def texts(found: Any) -> list[str]:
    return [one.strip() for one in found.all_inner_texts()]


def test_a_sweep_s_page_shows_the_leaderboard_its_dataset_and_its_models(page: Any, served: Served) -> None:
    page.goto(f"{served.address}/#/experiments/{served.experiment}/runs/{served.sweep}")
    board = page.get_by_role("table").filter(has_text="mean rank")
    board.wait_for(state="attached")
    page.get_by_text("Show more").click()
    board.scroll_into_view_if_needed()
    cells = texts(board.get_by_role("row").nth(1).get_by_role("cell"))
    assert cells == ["1", "smartmixed", "1.00", "1.000", "1", "1.00", "0.8000 ± 0.1000", "1"]
    assert page.get_by_text("On digits SmartMixed has mean rank 1.00").count() == 1
    assert page.get_by_text("**").count() == 0
    assert page.get_by_role("link", name="smartmixed-digits").count() >= 1
    page.get_by_text("digits (cccccccccccccccc)").first.wait_for(state="attached")


def test_the_table_of_rankings_has_its_columns(page: Any, served: Served) -> None:
    page.goto(served.address + view_path(served.experiment, "rankings"))
    page.get_by_text("8 matching runs").wait_for(state="attached")
    figures = {"rank": "1", "test_accuracy": "0.79", "val_accuracy": "0.79", "temperature": "0.3"}
    for column, first in (figures | {"smartmixed.sweep": "mine"}).items():
        assert first_cell(page, column).startswith(first)


def test_the_table_of_trials_has_its_columns(page: Any, served: Served) -> None:
    page.goto(served.address + view_path(served.experiment, "trials"))
    page.get_by_text("4 matching runs").wait_for(state="attached")
    expected = {
        "Dataset": "digits (cccccccc",
        "params.`objective`": "margin",
        "metrics.`objective`": "0.4",
        "smartmixed_rank": "1",
        "best_fixed_test_accuracy": "0.5",
        "Models": "smartmixed-digits v1",
    }
    for column, first in expected.items():
        assert " ".join(first_cell(page, column).split()).startswith(first)


def first_cell(page: Any, column: str) -> str:
    """The text of a column's cell in the first row, by its heading or, where two have one, by what is in it.

    The table draws only what is in view, so it is moved there.
    """
    named = page.locator("[role=columnheader][col-id]").filter(has=page.get_by_text(column, exact=True))
    heading = page.locator(f'[role=columnheader][col-id="{column}"]') if "`" in column else named
    for left in range(0, 3000, 150):
        if heading.count():
            key = heading.first.get_attribute("col-id")
            cell = page.locator(f"[row-index='0'] [role=gridcell][col-id='{key}']")
            if cell.count() and cell.first.inner_text().strip():
                return str(cell.first.inner_text()).strip()
        page.locator(".ag-body-horizontal-scroll-viewport").evaluate("(bar, x) => { bar.scrollLeft = x }", left)
        page.wait_for_timeout(200)
    raise AssertionError(f"the column {column} must be there, and filled")


def test_the_model_s_page_lists_versions_and_the_alias(page: Any, served: Served) -> None:
    page.goto(f"{served.address}/#/models/smartmixed-digits")
    page.get_by_role("link", name="Version 3").wait_for(state="attached")
    assert page.get_by_role("link", name="Version").count() == 3
    page.get_by_text("SmartMixed's best networks on digits, by validation.").wait_for(state="attached")
    page.goto(f"{served.address}/#/models/smartmixed-digits/versions/1")
    page.get_by_text("@ mine").first.wait_for(state="attached")
    page.get_by_text("of sweep mine: validation loss").wait_for(state="attached")
    page.get_by_text("Inputs (1)").wait_for(state="attached")
