"""The report's page in headless Chromium: wide and narrow, light and dark, on paper, with and without scripts.

Run with `-m browser`; needs Debian's package chromium and the extra `browser`. Screenshots are in pytest's folder.
"""

import io
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from smartmixed_search.reports.page import TITLES
from smartmixed_search.reports.report import report
from smartmixed_search.tracking.store.store import default_tracking_uri
from smartmixed_search.trials.result import TrialResult
from tests.helpers.factories import SEVEN, make_result
from tests.helpers.regression import as_regression
from tests.helpers.tracked import SPACE, make_tracker

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

CHROMIUM = shutil.which("chromium")
WIDTHS, SCHEMES = (1280, 390), ("light", "dark")
ARCHITECTURES = ["64", "128", "512-256-128", *("-".join(["96"] * depth) for depth in range(2, 11))]
TRIALS_EACH = 2
PAPER = 702
"""Pixels between the margins of an A4 page."""
CONTRAST = 4.5
"""WCAG 2.2, success criterion 1.4.3."""

COLLISIONS = """() => {
  const found = [];
  for (const svg of document.querySelectorAll("figure svg")) {
    const box = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
    const room = (at) => Math.min(at.left - box.left, box.right - at.right, at.top - box.top, box.bottom - at.bottom);
    texts.filter(([, at]) => room(at) < -1).forEach(([words]) => found.push(`${words} is cut`));
    texts.forEach(([words, a], number) => texts.slice(0, number).forEach(([others, b]) => {
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (wide > 1 && high > 2.5) found.push(`${words} overlaps ${others} in ${svg.getAttribute("aria-labelledby")}`);
    }));
  }
  return found;
}"""
"""Texts of drawings that lie on one another, or outside of the drawing. Boxes are higher than their letters."""

SCROLLED = """(table) => {
  table.scrolled = new Promise((resolve) => { table.onscroll = () => table.scrollLeft > 0 && resolve(true); });
}"""
"""Makes a table tell that it was scrolled; the page's policy lets nothing be evaluated time and again."""

SHOWN_BY = """(html) => new Promise((loaded) => {
  const frame = document.createElement("iframe");
  frame.width = 900;
  frame.height = 500;
  frame.onload = loaded;
  %s
  document.body.append(frame);
})"""
FRAMES = {
    "mlflow": SHOWN_BY
    % """frame.sandbox = "allow-scripts"; frame.src = URL.createObjectURL(new Blob([html], { type: "text/html" }));""",
    "notebook": SHOWN_BY % "frame.srcdoc = html;",
}
"""How others show the page: MLflow's preview of artifacts, and `Page._repr_html_`."""

CONTRASTS = """() => {
  const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const painted = (colors) => {
    for (const color of colors) { pixel.fillStyle = color; pixel.fillRect(0, 0, 1, 1); }
    return [...pixel.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (rgb) => rgb.map((x) => x / 255).map((x) => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)
    .reduce((sum, x, channel) => sum + x * [0.2126, 0.7152, 0.0722][channel], 0);
  const backgrounds = (element) => element
    ? [...backgrounds(element.parentElement), getComputedStyle(element).backgroundColor] : ["white"];
  const ratio = (element, color) => {
    const below = backgrounds(element);
    const [a, b] = [luminance(painted(below)), luminance(painted([...below, color]))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const measured = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const words = walker.currentNode.data.trim();
    if (!words || !element.checkVisibility() || element.closest("title, desc, script")) continue;
    const style = getComputedStyle(element);
    measured.push([ratio(element, element.closest("svg") ? style.fill : style.color), words]);
  }
  for (const input of document.querySelectorAll("input"))
    measured.push([ratio(input, getComputedStyle(input, "::placeholder").color), "placeholder"]);
  return measured;
}"""
"""Of every visible text: its contrast with what lies below it, and the text."""


def make_varied(architecture: str, rng: np.random.Generator) -> TrialResult:
    """Build a trial whose accuracies, settings and choices vary."""
    widths = tuple(map(int, architecture.split("-")))
    level = 0.02 * rng.standard_normal(2)
    accuracies = {
        name: [round(value - 0.03 + shift + 0.01 * rng.standard_normal(), 3) for shift in level]
        for name, value in (SEVEN | {"selective": 0.95, "random-mixed": 0.94}).items()
    }
    settings: dict[str, Any] = {
        "epochs": 20,
        "phase_fraction": round(rng.uniform(0.1, 0.5), 2),
        "temperature": round(float(np.exp(rng.uniform(-2.3, 1.1))), 3),
    }
    result = make_result(
        architecture=widths,
        accuracies=accuracies,
        confidence=rng.uniform(0.4, 0.9),
        objective=0.01 * rng.standard_normal(),
        **settings,
    )
    pool = list(result.config.pool)
    choices = []
    for choice in result.choices:
        functions = [rng.choice(pool, width, p=rng.dirichlet(np.ones(len(pool)))).tolist() for width in widths]
        last = [[layer.count(name) for name in pool] for layer in functions]
        even = [[width - 5 * (width // 6), *[width // 6] * 5] for width in widths]
        choices.append(replace(choice, functions=functions, counts=[even, *[last] * (result.selection_epochs - 1)]))
    return replace(result, choices=choices)


@pytest.fixture(scope="module")
def page_path(store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a sweep of twelve architectures up to ten layers deep."""
    folder = tmp_path_factory.mktemp("browser")
    shutil.copy(store_template, folder)
    uri = default_tracking_uri(folder)
    tracker = make_tracker(uri)
    rng = np.random.default_rng(0)
    for architecture in ARCHITECTURES * TRIALS_EACH:
        tracker.record_trial(make_varied(architecture, rng))
    path = folder / "report.html"
    path.write_text(report(keep=False, tracking_uri=uri))
    return path


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    api = pytest.importorskip("playwright.sync_api", reason="needs the extra browser: pip install -e '.[browser]'")
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


class Shown:
    """The page as opened in a window of its own, without a network; and what the browser had to say."""

    def __init__(self, context: "BrowserContext", path: Path) -> None:
        self.messages: list[str] = []
        self.requested: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("request", lambda request: self.requested.append(request.url))
        self.page.goto(path.as_uri())

    def unfold(self) -> None:
        self.page.evaluate("document.querySelectorAll('details').forEach((folded) => { folded.open = true; })")

    def overflow(self) -> int:
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))


@pytest.fixture(scope="module", params=[(width, scheme) for width in WIDTHS for scheme in SCHEMES], ids=str)
def shown(browser: "Browser", page_path: Path, request: pytest.FixtureRequest) -> Iterator[Shown]:
    width, scheme = request.param
    viewport: Any = {"width": width, "height": 900}
    context = browser.new_context(viewport=viewport, color_scheme=scheme, offline=True)
    opened = Shown(context, page_path)
    opened.page.screenshot(path=page_path.with_name(f"{width}-{scheme}.png"), full_page=True)
    opened.unfold()
    yield opened
    context.close()


@pytest.fixture(scope="module")
def errors_path(store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a sweep that ranks by RMSE, of a target with a long name."""
    folder = tmp_path_factory.mktemp("errors")
    shutil.copy(store_template, folder)
    uri = default_tracking_uri(folder)
    tracker = make_tracker(uri, space=SPACE | {"target": "median_value_of_owner_occupied_homes"})
    rng = np.random.default_rng(0)
    for architecture in ARCHITECTURES * TRIALS_EACH:
        result = as_regression(make_varied(architecture, rng))
        tracker.record_trial(replace(result, objective=100 * result.objective))
    path = folder / "report.html"
    path.write_text(report(keep=False, tracking_uri=uri))
    return path


@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_of_errors_is_whole_at_every_width(browser: "Browser", errors_path: Path, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
    shown = Shown(context, errors_path)
    shown.page.screenshot(path=errors_path.with_name(f"{width}.png"), full_page=True)
    shown.unfold()
    assert (shown.messages, shown.overflow()) == ([], 0)
    assert shown.page.evaluate(COLLISIONS) == []
    assert "accurac" not in shown.page.locator("body").inner_text()
    context.close()


@pytest.fixture
def desktop(browser: "Browser", page_path: Path) -> Iterator[Shown]:
    context = browser.new_context(offline=True)
    yield Shown(context, page_path)
    context.close()


def test_nothing_is_complained_of_and_nothing_else_loaded(shown: Shown, page_path: Path) -> None:
    assert shown.messages == []
    assert shown.requested == [page_path.as_uri()]


def test_every_section_is_there_and_says_something(shown: Shown) -> None:
    for key, title in TITLES.items():
        section = shown.page.locator(f"section#{key}")
        assert section.get_by_role("heading", level=2).inner_text() == title
        assert len(section.inner_text()) > len(title) + 40, key
        assert "not enough data" not in section.inner_text().lower(), key


def test_links_lead_to_what_is_there(shown: Shown) -> None:
    links = shown.page.locator("a[href]").evaluate_all("links => links.map((link) => link.getAttribute('href'))")
    assert len(links) > len(TITLES)
    for link in links:
        assert link.startswith("#")
        assert shown.page.locator(f"[id='{link[1:]}']").count() == 1, link


@pytest.mark.parametrize("frame", list(FRAMES))
def test_links_scroll_and_focus_in_a_frame(browser: "Browser", page_path: Path, frame: str) -> None:
    page = browser.new_page()
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.evaluate(FRAMES[frame], page_path.read_text())
    inside = page.frames[-1]
    for key, press in (("curves", "mouse"), ("leaderboard", "keyboard"), ("main", "keyboard")):
        link = inside.locator(f"a[href='#{key}']")
        if press == "mouse":
            link.click()
        else:
            link.focus()
            page.keyboard.press("Enter")
        assert inside.evaluate("document.activeElement.id") == key
        top = inside.evaluate(f"document.getElementById('{key}').getBoundingClientRect().top")
        assert top == pytest.approx(0, abs=1), key
        page.keyboard.press("Tab")
        assert inside.evaluate(f"document.getElementById('{key}').contains(document.activeElement)"), key
    assert messages == []
    page.close()


def test_links_keep_their_address_where_the_page_has_one(desktop: Shown) -> None:
    desktop.page.locator("a[href='#curves']").click()
    assert desktop.page.url.endswith("#curves")
    assert desktop.page.evaluate("document.activeElement.id") == "curves"


def test_a_table_that_goes_on_says_so_and_scrolls_by_keyboard(shown: Shown) -> None:
    tables = shown.page.locator("#leaderboard .scroll, #rankings .scroll, #preferences .scroll")
    goes_on = [table for table in tables.all() if table.evaluate("table => table.scrollWidth > table.clientWidth")]
    assert len(goes_on) > 2 or shown.page.evaluate("innerWidth") > 1000
    for table in goes_on:
        assert edges(table) == [False, True]
        table.evaluate("table => { table.scrollLeft = table.scrollWidth; }")
        assert edges(table) == [True, False]
        table.evaluate("table => { table.scrollLeft = 0; }")
        table.evaluate(SCROLLED)
        table.press("ArrowRight")
        assert table.evaluate("table => table.scrolled")
    for table in tables.all():
        assert table.get_attribute("role") == "region"
        assert table.get_attribute("aria-label")


def edges(table: "Locator") -> list[bool]:
    """Whether the table's left and right edge are shaded, above its first row, where there is no text."""
    from PIL import Image

    drawn = np.asarray(Image.open(io.BytesIO(table.screenshot())).convert("L"), dtype=float)[1:4]
    page = np.median(drawn)
    return [bool(abs(drawn[:, part].mean() - page) > 10) for part in (slice(0, 4), slice(-4, None))]


def test_the_page_is_no_wider_than_its_window(shown: Shown) -> None:
    assert shown.overflow() <= 0


def test_texts_of_drawings_neither_overlap_nor_are_cut(shown: Shown) -> None:
    assert shown.page.locator("figure svg").count() > 15
    assert shown.page.evaluate(COLLISIONS) == []


def test_every_text_can_be_read(shown: Shown) -> None:
    measured = shown.page.evaluate(CONTRASTS)
    assert len(measured) > 500
    assert [(round(ratio, 2), text) for ratio, text in measured if ratio < CONTRAST] == []


def test_a_click_on_a_head_sorts_a_table(desktop: Shown) -> None:
    board = desktop.page.locator("#leaderboard table")

    def accuracies() -> list[float]:
        values = board.locator("tbody tr td:nth-child(7)").evaluate_all("cells => cells.map((c) => c.dataset.value)")
        return [float(value) for value in values]

    head = board.get_by_role("columnheader", name="test accuracy")
    head.get_by_role("button").click()
    assert accuracies() == sorted(accuracies())
    assert head.get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").press("Enter")
    assert accuracies() == sorted(accuracies(), reverse=True)


def test_a_click_in_a_legend_points_out_lines(desktop: Shown) -> None:
    key = desktop.page.locator("#curves .legend").get_by_role("button", name="tanh")
    key.click()
    desktop.page.mouse.move(0, 0)
    faded = desktop.page.locator("#curves g.faded").evaluate_all("lines => lines.map((line) => line.dataset.series)")
    assert len(faded) == 8 * len(ARCHITECTURES)
    assert "tanh" not in faded
    assert key.get_attribute("aria-pressed") == "true"
    key.click()
    desktop.page.mouse.move(0, 0)
    assert desktop.page.locator("g.faded").count() == 0


def test_a_filter_shows_some_architectures(desktop: Shown) -> None:
    rows = desktop.page.locator("#rankings tbody tr:visible")
    assert rows.count() == len(ARCHITECTURES)
    desktop.page.get_by_label("Show only architectures with").fill("512")
    assert rows.count() == 1
    assert desktop.page.locator("#curves .figures > div:visible").count() == 1
    assert desktop.page.get_by_role("status").inner_text() == f"1 of {len(ARCHITECTURES)}"
    desktop.page.get_by_label("Show only architectures with").fill("")
    assert rows.count() == len(ARCHITECTURES)


def test_on_paper_nothing_is_cut_there_is_no_navigation_and_the_paper_is_white(
    browser: "Browser", page_path: Path
) -> None:
    context = browser.new_context(viewport={"width": PAPER, "height": 1000}, color_scheme="dark", offline=True)
    printed = Shown(context, page_path)
    printed.page.emulate_media(media="print")
    assert printed.overflow() <= 0
    assert not printed.page.locator("nav").is_visible()
    background = printed.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(255, 255, 255)"
    assert [text for ratio, text in printed.page.evaluate(CONTRASTS) if ratio < CONTRAST] == []
    printed.page.screenshot(path=page_path.with_name("paper.png"), full_page=True)
    context.close()


def test_without_scripts_everything_can_be_read(browser: "Browser", page_path: Path) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)
    plain = Shown(context, page_path)
    assert plain.messages == []
    assert plain.page.locator("button, input").count() == 0
    assert plain.page.locator("#rankings tbody tr:visible").count() == len(ARCHITECTURES)
    assert plain.page.locator("#curves .legend li:visible").count() == 9
    context.close()
