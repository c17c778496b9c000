"""The report's page."""

import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from smartmixed_search.comparison import compare_all
from smartmixed_search.preferences import by_layer, choices_frame
from smartmixed_search.reports import ReportData, build_report, figures, plot_curves
from smartmixed_search.reports.page import TITLES
from smartmixed_search.reports.palette import SERIES, look
from tests.synthetic import STRATEGIES, make_rows

VOID = {"meta", "br"}


def make_data(
    architectures: int = 18, trials: int = 1, sweep: str = "widths", extra: tuple[str, ...] = (), epochs: int = 30
) -> ReportData:
    """A sweep with every section filled."""
    rng = np.random.default_rng(0)
    strategies = (*STRATEGIES, *extra)
    rows = make_rows(architectures, advantage=0.004, trials=trials, strategies=strategies)
    by_architecture = list(rows["architecture"].unique())
    frame = rows.drop_duplicates("trial")[["dataset", "trial", "architecture"]].reset_index(drop=True)
    n = len(frame)
    frame = frame.assign(
        status="finished",
        reason=None,
        phase_fraction=rng.uniform(0.05, 0.5, n),
        temperature=np.exp(rng.uniform(np.log(0.1), np.log(3), n)),
        objective_kind="margin",
        objective=0.003 * rng.standard_normal(n),
        choice_confidence=rng.uniform(0.4, 0.9, n),
        smartmixed_rank=1,
    )
    rise = 1 - np.exp(-np.arange(1, epochs + 1) / 4)
    curves = {
        name: {strategy: list(0.9 * rise + 0.05 * rng.random()) for strategy in strategies} for name in by_architecture
    }
    shares = pd.DataFrame(
        [
            {"layer": layer, "function": name, "share": share, "low": 0.8 * share, "high": 1.2 * share, "networks": 36}
            for layer in range(4)
            for name, share in zip(strategies[1:], rng.dirichlet(np.ones(len(strategies) - 1) * 5), strict=True)
        ]
    )
    return ReportData(
        sweep=sweep,
        comparisons=compare_all(rows),
        trials=frame,
        counts={"finished": n, "failed": 1, "stopped": 4},
        curves=curves,
        selection_epochs=dict.fromkeys(by_architecture, 5),
        preferences=[shares, shares.assign(depth=(shares["layer"] + 0.5) / 4).drop(columns="layer")],
    )


@pytest.fixture(scope="module")
def page() -> str:
    return build_report(make_data(trials=6))


class Tags(HTMLParser):
    """Follows the tags of a page, and keeps its ids and links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_tags_are_balanced(page: str) -> None:
    assert Tags(page).open == []


def test_ids_are_unique_and_links_lead_somewhere(page: str) -> None:
    seen = Tags(page).seen
    ids = [attrs["id"] for _, attrs in seen if "id" in attrs]
    links = [attrs["href"] for _, attrs in seen if "href" in attrs]
    assert len(ids) == len(set(ids))
    assert {str(link).removeprefix("#") for link in links} <= set(ids)


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    assert not re.search(r"https?://|@import|src=|<link", page)


def test_every_section_is_there_in_order(page: str) -> None:
    assert re.findall(r'<section id="([^"]+)"', page) == list(TITLES)


def test_there_is_one_first_heading(page: str) -> None:
    assert [tag for tag, _ in Tags(page).seen].count("h1") == 1


def test_a_hundred_trials_fit_in_five_megabytes(page: str) -> None:
    assert len(page.encode()) < 5_000_000


def test_figures_use_variables_only(page: str) -> None:
    drawings = "".join(re.findall("<svg.*?</svg>", page, re.DOTALL))
    assert re.findall("#[0-9a-fA-F]{6}", drawings) == []


def test_every_variable_has_a_light_and_a_dark_value(page: str) -> None:
    used = set(re.findall(r"var\((--[a-z0-9-]+)\)", page)) - {"--heat"}
    light, dark = page.split("prefers-color-scheme: dark", 1)
    assert {name for name in used if f"{name}:" not in light or f"{name}:" not in dark} == set()


def test_every_drawing_has_a_text_alternative(page: str) -> None:
    for _, attrs in (seen for seen in Tags(page).seen if seen[0] == "svg"):
        assert attrs["role"] == "img"
        for part in str(attrs["aria-labelledby"]).split():
            assert re.search(f'id="{part}">[^<]+<', page)


def test_points_have_tooltips(page: str) -> None:
    assert re.search(r"<title>8 · φ 0\.\d\d · τ \d\.\d\d: -?\d+\.\d\d</title>", page)


def test_text_is_escaped() -> None:
    page = build_report(make_data(6, sweep="<b>&", extra=("<i>$a$",)))
    assert "<b>" not in page
    assert "<i>" not in page
    assert "&lt;b&gt;&amp;" in page
    assert "&lt;i&gt;$a$" in page


def test_survivors_are_called_a_selected_sample(page: str) -> None:
    assert "Of the trials, 1 failed and 4 stopped before the end" in page
    assert "selected sample" in page


def test_unrecorded_choices_are_said_to_be_so() -> None:
    data = make_data(1)
    page = build_report(ReportData(data.sweep, data.comparisons, data.trials, data.counts))
    assert "Choices were not recorded." in page
    assert "Curves were not recorded." in page


def test_one_architecture_is_not_enough_for_tests() -> None:
    page = build_report(make_data(1))
    assert "Not enough data: 1 of at least 6 blocks." in page
    assert Tags(page).open == []


@pytest.mark.parametrize(("confidence", "said"), [(0.2, "has not converged"), (0.8, "has converged")])
def test_choice_confidence_stands_beside_the_conclusion(confidence: float, said: str) -> None:
    data = make_data(1)
    rows = make_rows(1).assign(choice_confidence=confidence)
    page = build_report(ReportData(data.sweep, compare_all(rows), data.trials, data.counts))
    assert f"Mean choice confidence is {confidence:.2f}: the selection {said}" in page


def test_shares_without_intervals_are_drawn() -> None:
    layers = {"0": ["relu", "elu"], "1": ["elu", "elu"]}
    shares = by_layer(choices_frame("mnist", "2-2", "a", {"0": layers}))
    data = make_data(1)
    page = build_report(ReportData(data.sweep, data.comparisons, data.trials, data.counts, preferences=[shares]))
    assert "Most chosen: layer 0: elu 50%; layer 1: elu 100%." in page


def test_two_datasets_stand_one_after_the_other() -> None:
    data = make_data(1)
    rows = make_rows(1)
    both = pd.concat([rows, rows.assign(dataset="digits")])
    page = build_report(ReportData(data.sweep, compare_all(both), data.trials, data.counts))
    assert page.index("<h3>digits</h3>") < page.index("<h3>mnist</h3>")
    assert Tags(page).open == []


def test_the_page_needs_no_mlflow() -> None:
    program = "import sys, smartmixed_search.reports; print(sorted({'mlflow', 'matplotlib'} & set(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=50)
    assert output.stdout.strip() == "[]"


def test_a_sweep_without_finished_trials_has_a_page() -> None:
    data = make_data(1)
    page = build_report(ReportData(data.sweep, [], data.trials[:0], {"failed": 3}))
    assert "Not enough data: no trial has finished." in page
    assert Tags(page).open == []


def test_a_setting_that_did_not_vary_is_not_drawn() -> None:
    data = make_data(6)
    page = build_report(ReportData(data.sweep, data.comparisons, data.trials.assign(temperature=0.3), data.counts))
    assert "Not enough data: temperature τ did not vary." in page
    assert "Settings and objective of every trial" not in page


def test_the_same_data_give_the_same_page() -> None:
    assert build_report(make_data(6)) == build_report(make_data(6))


def test_pictures_are_png() -> None:
    found = figures(make_data(1))
    assert {picture[:4] for picture in found.values()} == {b"\x89PNG"}


def test_a_strategy_looks_the_same_everywhere() -> None:
    assert look("smartmixed").color == SERIES[0]
    assert look("a_function_of_mine") == look("a_function_of_mine")


def test_plots_return_their_axes() -> None:
    from matplotlib.figure import Figure

    ax = Figure().add_subplot()
    assert plot_curves({"relu": [0.5, 0.6]}, 1, ax) is ax
