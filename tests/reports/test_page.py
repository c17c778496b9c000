"""The report's page."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from html.parser import HTMLParser
from importlib import import_module

import numpy as np
import pandas as pd
import pytest

from smartmixed_search.analysis.comparison import compare_all, compare_strategies
from smartmixed_search.analysis.evolution import by_epoch, counts_frame
from smartmixed_search.analysis.preferences import agreement, by_depth, by_layer, choices_frame, mean_agreement, trend
from smartmixed_search.analysis.scale import Scale
from smartmixed_search.method.activations import RIVAL_NAMES, known_activations
from smartmixed_search.method.functions import POOLS
from smartmixed_search.reports import (
    About,
    Preferences,
    ReportData,
    build_report,
    figures,
    plot_curves,
    plot_evolution,
    plot_preferences,
    plot_tuning,
)
from smartmixed_search.reports.page import TITLES
from smartmixed_search.reports.palette import SERIES, look
from tests.helpers.synthetic import STRATEGIES, make_rows

VOID = {"meta", "br"}


@cache
def make_data(
    architectures: int = 18, trials: int = 1, sweep: str = "widths", extra: tuple[str, ...] = (), epochs: int = 30
) -> ReportData:
    """A sweep with every section filled; nothing may change it."""
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
    return ReportData(
        sweep=sweep,
        comparisons=compare_all(rows),
        trials=frame,
        counts={"finished": n, "failed": 1, "stopped": 4},
        curves=curves,
        selection_epochs=dict.fromkeys(by_architecture, 5),
        preferences=make_preferences(extra=extra),
    )


@cache
def make_preferences(
    architectures: int = 8,
    *,
    drift: float = 0.4,
    replicates: int = 2,
    confidence: float = 0.7,
    unconverged: int = 0,
    extra: tuple[str, ...] = (),
    layers: int = 4,
) -> Preferences:
    """Choices of which ELU's share rises by `drift` from the first layer to the last, and ReLU's falls."""
    rng = np.random.default_rng(1)
    pool = [*STRATEGIES[1:], *extra]
    tilt = (np.asarray(pool) == "elu").astype(float) - (np.asarray(pool) == "relu")
    frames, agreements, counts = [], [], []
    for number in range(architectures):
        where = {"dataset": "mnist", "architecture": str(number), "trial": str(number)}
        artifact: dict[str, dict[str, list[str]]] = {}
        epochs: dict[str, list[list[list[int]]]] = {}
        for replicate in map(str, range(replicates)):
            shares = [0.4 / len(pool) + 0.6 * _lead(pool) + drift * (depth - 0.5) * tilt for depth in _depths(layers)]
            artifact[replicate] = {str(n): rng.choice(pool, 40, p=share).tolist() for n, share in enumerate(shares)}
            last = [[artifact[replicate][str(n)].count(name) for name in pool] for n in range(layers)]
            epochs[replicate] = [[[40, *[0] * (len(pool) - 1)]] * layers, *[last] * (1 + number % 3)]
        frames.append(choices_frame(**where, artifact=artifact))
        agreements.append(agreement(artifact).assign(**where))
        counts.append(counts_frame(**where, artifact={"pool": pool, "replicates": epochs}))
    choices = pd.concat(frames)
    return Preferences(
        by_layer=by_layer(choices),
        by_depth=by_depth(choices),
        by_epoch=by_epoch(pd.concat(counts)),
        trend=trend(choices),
        agreement=mean_agreement(pd.concat(agreements)),
        confidence=confidence,
        trials=architectures,
        unconverged=unconverged,
    )


def _depths(layers: int) -> list[float]:
    return [layer / max(1, layers - 1) for layer in range(layers)]


def _lead(pool: list[str]) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return np.isin(pool, ["relu", "elu"]) / 2


def with_one_curve(data: ReportData) -> ReportData:
    """Curves are a figure for each architecture: most of what there is to draw."""
    return replace(data, curves=dict(list(data.curves.items())[:1]))


def page_with(preferences: Preferences) -> str:
    return build_report(replace(make_data(1), preferences=preferences))


@pytest.fixture(scope="module")
def page() -> str:
    """A page with all that can be on one, drawn."""
    return build_report(make_data(trials=6))


@pytest.fixture
def drawn() -> None:
    """Figures are drawn for a test that makes a page of its own."""


@pytest.fixture(autouse=True)
def _plotted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other figures are only plotted: to draw them takes most of a page's time."""
    if "drawn" not in request.fixturenames:
        module = import_module("smartmixed_search.reports.figures")  # the package has a function of that name
        monkeypatch.setattr(module, "to_svg", lambda *_: "<svg></svg>")


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


def test_what_was_confirmed_stands_beside_what_had_been_promised() -> None:
    data = make_data(6)
    assert "No trial was confirmed" in build_report(data)
    rows = make_rows(6)
    confirmed = rows[rows["architecture"] == "8"].assign(confirms=rows["trial"], trial="again", replicates=1)
    row = {"trial": "8/0", "architecture": "8", "objective": 0.0116, "confirmed_objective": 0.0007, "low": -0.01}
    page = build_report(
        replace(data, comparisons=compare_all(rows, confirmed=confirmed), confirmations=pd.DataFrame([row]))
    )
    assert "No trial was confirmed" not in page
    assert re.search(r">\+1\.16</td>.*>\+0\.07</td>.*>-1\.00</td>", page)
    assert page.count("<br><small>confirmed</small>") == 1
    assert "confirmed in 1 of 6 architectures" in page


def test_the_head_says_when_on_what_data_and_with_which_space() -> None:
    day = datetime(2026, 11, 28, tzinfo=UTC)
    about = About(
        written=day.replace(hour=12, minute=30),
        begun=day.replace(hour=9),
        ended=day.replace(hour=10),
        sizes={"features": 13, "classes": 3, "train": 119, "val": 14, "test": 45},
        settings={"name": "wine", "epochs.low": "10", "epochs.high": "20", "replicates": "3", "seed": "7"},
    )
    page = build_report(replace(make_data(1), about=about))
    head = page[: page.index("<nav")]
    for said in (
        "Data: 178 examples of 13 features in 3 classes: 119 to train on, 14 to validate, 45 to test.",
        "Space wine: epochs low 10, high 20, replicates 3, seed 7, batch size unknown.",
        "Recorded from 2026-11-28 09:00 UTC to 2026-11-28 10:00 UTC",
        "was written 2026-11-28 12:30 UTC.",
        "<td>epochs.high</td><td>20</td>",
    ):
        assert said in head, said
    assert "No trial was confirmed when this page was written (2026-11-28 12:30 UTC): " in page
    assert Tags(page).open == []


@pytest.mark.parametrize(("examples", "said"), [(45, "0.23 of the 45 test examples"), (10_000, "50 of the 10,000")])
def test_what_is_equal_is_said_in_test_examples(examples: int, said: str) -> None:
    rows = make_rows(1)
    rows["test_correct"] = (rows["test_accuracy"] * examples).round()
    rows["test_accuracy"] = rows["test_correct"] / examples
    data = replace(make_data(1), comparisons=compare_all(rows))
    page = build_report(data)
    assert f"Equal in practice is what differs by less than 0.5 points: {said}" in page
    assert ("One of the 45 test examples is 2.2 points" in page) is (examples == 45)


def test_examples_that_test_in_folds_are_counted_together() -> None:
    rows = make_rows(1)
    rows["test_correct"] = (rows["test_accuracy"] * 45).round()
    rows["test_accuracy"] = rows["test_correct"] / 45
    folded = compare_strategies(rows, scale=Scale(folds=5))
    assert (folded.test_examples, "One of the" in folded.conclusion) == (225, False)


def test_every_drawing_has_a_text_alternative(page: str) -> None:
    for _, attrs in (seen for seen in Tags(page).seen if seen[0] == "svg" and "aria-hidden" not in seen[1]):
        assert attrs["role"] == "img"
        for part in str(attrs["aria-labelledby"]).split():
            assert re.search(f'id="{part}">[^<]+<', page)


def test_points_have_tooltips(page: str) -> None:
    assert re.search(r"<title>8 · φ 0\.\d\d · τ \d\.\d\d: -?\d+\.\d\d</title>", page)


def test_text_is_escaped(drawn: None) -> None:
    page = build_report(with_one_curve(make_data(6, sweep="<b>&", extra=("<i>$a$",))))
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


def test_a_page_says_in_how_many_architectures_the_selection_has_not_converged() -> None:
    data = make_data(1)
    rows = make_rows(3)
    rows["choice_confidence"] = np.where(rows["architecture"] == "8", 0.4, 0.9)
    page = build_report(ReportData(data.sweep, compare_all(rows), data.trials, data.counts))
    assert "Mean choice confidence is 0.73, but in 1 of 3 architectures SmartMixed" in page
    assert "the selection has converged" not in page


def test_controls_have_a_table_of_their_own_if_they_were_trained() -> None:
    data = make_data(1)
    rows = make_rows(1, strategies=("smartmixed", "relu", "random-mixed"))
    page = build_report(ReportData(data.sweep, compare_all(rows), data.trials, data.counts))
    assert '<td>random-mixed</td><td class="words">neurons with functions drawn at random: what' in page
    assert "Against the controls" not in build_report(data)


def test_shares_without_intervals_are_drawn(drawn: None) -> None:
    page = page_with(make_preferences(1, drift=0.6))
    assert re.search(r"Most chosen: layer 0: relu \d\d %; .* layer 3: elu \d\d %\.", page)


@pytest.mark.parametrize(
    ("drift", "architectures", "said"),
    [
        (0.6, 12, "significant for both families, in the claimed direction. From the first layer"),
        (0.0, 12, "the trend is not shown"),
        (-0.6, 12, "the trend is contradicted"),
        (0.6, 3, "the trend cannot be judged: not enough data (3 of at least 6 blocks)."),
    ],
)
def test_the_claimed_trend_is_judged(drift: float, architectures: int, said: str) -> None:
    page = page_with(make_preferences(architectures, drift=drift))
    assert said in page
    assert "Mean choice confidence: 0.70." in page


def test_a_trend_says_which_functions_lead() -> None:
    page = page_with(make_preferences(12, drift=0.6))
    assert re.search(r"Most chosen: relu in the first layers \(\d\d %\), elu in the last \(\d\d %\)\.", page)


def test_choices_that_have_not_converged_are_called_undecided() -> None:
    page = page_with(make_preferences(12, confidence=0.2))
    assert "Mean choice confidence over all finished trials is 0.20, below 0.5" in page
    assert "This section says what they leaned to when they were fixed." in page
    assert "Mean choice confidence: 0.20. This is what neurons leaned to when they were fixed." in page


def test_trials_whose_choices_have_not_converged_are_counted_where_the_mean_has() -> None:
    page = page_with(make_preferences(12, unconverged=2))
    assert "Mean choice confidence over all finished trials is 0.70, but in 2 of 12 finished trials SmartMixed" in page


def test_unknown_confidence_is_said() -> None:
    assert "whether these choices mean anything is unknown" in page_with(make_preferences(confidence=np.nan))


def test_agreement_stands_beside_chance() -> None:
    page = page_with(make_preferences(12))
    assert re.search(
        r"two replicates choose alike for \d\d % of the neurons; .* \d\d % \(kappa -?0\.\d\d\)\. Beyond its layer", page
    )


def test_replicates_that_agree_are_said_to() -> None:
    found = make_preferences(1)
    alike = {"0": {"0": ["relu", "elu"]}, "1": {"0": ["relu", "elu"]}}
    both = mean_agreement(agreement(alike).assign(dataset="mnist", architecture="2", trial="a"))
    assert "(kappa 1.00). So a neuron&#x27;s position" in page_with(replace(found, agreement=both))


def test_one_replicate_agrees_with_nobody() -> None:
    assert "agreement needs at least 2 replicates" in page_with(make_preferences(replicates=1))


def test_networks_of_one_layer_have_choices_and_no_trend() -> None:
    page = page_with(make_preferences(layers=1))
    assert "the trend cannot be judged: not enough data (0 of at least 6 blocks)." in page
    assert Tags(page).open == []


def test_choices_are_drawn_by_epoch_for_first_middle_and_last_layers(page: str) -> None:
    assert re.findall(r"(\w+) layers \(relative depth (0\.\d\d)\)", page) == [
        ("First", "0.17"),
        ("Middle", "0.50"),
        ("Last", "0.83"),
    ]


def test_importance_is_said_and_listed(page: str) -> None:
    assert re.search(r"objective&#x27;s variance over the trials, .*architecture \d+ % \(p [=<] [\d.]+\)", page)
    assert ">share of the variance, %</th>" in page


def test_few_trials_have_no_importance() -> None:
    assert "Importance of the settings: not enough data (6 of at least 20 finished trials)." in build_report(
        make_data(6)
    )


def test_leaderboard_shows_what_strategies_trained_for() -> None:
    rows = make_rows(6).assign(epochs=30, optimizer_steps=12_660, parameters=535_818)
    page = build_report(replace(make_data(1), comparisons=compare_all(rows)))
    board = page.split('id="leaderboard"')[1].split("</section>")[0]
    for said in (">epochs</th>", ">optimiser steps</th>", ">parameters</th>", ">12660</td>", ">535818</td>"):
        assert said in board, said


def test_lines_know_their_strategy_for_the_legend(page: str) -> None:
    drawn = set(re.findall(r'<g [^>]*data-series="([^"]+)"', page))
    assert drawn == set(STRATEGIES)
    assert set(re.findall(r'<li data-series="([^"]+)"', page)) == drawn


def test_rows_and_figures_know_their_architecture_for_the_filter(page: str) -> None:
    assert len(re.findall(r'<tr data-architecture="8">', page)) > 2
    assert page.count('<div data-architecture="8">') == 1


def test_fewer_curves_than_architectures_are_said() -> None:
    page = build_report(with_one_curve(make_data(3)))
    assert "Drawn for the 1 of 3 architectures of highest objective." in page


def test_two_datasets_stand_one_after_the_other() -> None:
    data = make_data(1)
    rows = make_rows(1)
    both = pd.concat([rows, rows.assign(dataset="digits")])
    page = build_report(ReportData(data.sweep, compare_all(both), data.trials, data.counts))
    assert page.index("<h3>digits</h3>") < page.index("<h3>mnist</h3>")
    assert Tags(page).open == []


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


def test_the_same_data_give_the_same_page(drawn: None) -> None:
    data = with_one_curve(make_data(6))
    assert build_report(data) == build_report(data)


def test_pictures_are_png(drawn: None) -> None:
    found = figures(make_data(1))
    assert {picture[:4] for picture in found.values()} == {b"\x89PNG"}


def test_a_strategy_looks_the_same_everywhere() -> None:
    assert look("smartmixed").color == SERIES[0]
    assert look("a_function_of_mine") == look("a_function_of_mine")


def test_every_built_in_function_has_a_look_of_its_own_and_in_a_pool_a_colour() -> None:
    looks = [look(name) for name in ("smartmixed", *known_activations(), *RIVAL_NAMES)]
    assert len({(one.color, one.dash, one.marker) for one in looks}) == len(looks)
    for pool in POOLS.values():
        assert len({look(name).color for name in pool}) == len(pool)


def test_plots_return_their_axes() -> None:
    from matplotlib.figure import Figure

    ax = Figure().add_subplot()
    assert plot_curves({"relu": [0.5, 0.6]}, 1, ax) is ax


def test_plots_of_their_own_have_a_legend() -> None:
    from matplotlib import pyplot

    found = make_preferences(1)
    plots = [
        plot_curves({"relu": [0.5], "elu": [0.6]}),
        plot_preferences(found.by_layer),
        plot_evolution(found.by_epoch),
    ]
    legends = [ax.get_legend() for ax in plots]
    listed = [[text.get_text() for text in legend.get_texts()] for legend in legends if legend is not None]
    assert listed[0] == ["relu", "elu"]
    assert listed[1] == listed[2] == list(STRATEGIES[1:])
    pyplot.close("all")


def test_evolution_is_drawn_for_the_layers_nearest_to_a_depth() -> None:
    from matplotlib.figure import Figure

    found = make_preferences(1)
    drawn = [plot_evolution(found.by_epoch, depth, Figure().add_subplot()) for depth in (0, 1)]
    ends = [{line.get_label(): np.asarray(line.get_ydata())[-1] for line in ax.lines} for ax in drawn]
    for end, depth in zip(ends, (1 / 6, 5 / 6), strict=True):
        rows = found.by_epoch[np.isclose(found.by_epoch["depth"], depth) & (found.by_epoch["epoch"] == 2)]
        assert end == pytest.approx({f"_{row['function']}": 100 * row["share"] for _, row in rows.iterrows()})


def test_response_is_drawn_around_the_trials_mean() -> None:
    from matplotlib.figure import Figure

    trials = make_data(1).trials
    trials = pd.concat([trials.assign(objective=value, phase_fraction=value) for value in (0.1, 0.3)])
    bins = pd.DataFrame({"from": [0.1], "to": [0.3], "mean": [0.01], "low": [-0.02], "high": [0.04]})
    ax = plot_tuning(trials, "phase_fraction", Figure().add_subplot(), response=bins)
    drawn = {tuple(np.round(np.asarray(line.get_ydata(), float), 6)) for line in ax.lines}
    assert {(21.0, 21.0, 21.0), (18.0, 24.0)} <= drawn


def test_a_change_in_the_claimed_direction_is_not_taken_for_the_claim() -> None:
    found = make_preferences(12, drift=0.6)
    leading = found.by_depth.assign(share=np.where(found.by_depth["function"] == "selu", 0.8, 0.04))
    page = page_with(replace(found, by_depth=leading))
    assert (
        "Most chosen: selu in the first layers (80 %), selu in the last (80 %); so, other than claimed, early" in page
    )
    assert "early layers do not prefer ReLU / Leaky ReLU." in page
