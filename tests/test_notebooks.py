"""What a notebook uses: everything by one import, frames that fit the plots, objects that show themselves."""

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes

import smartmixed_search as sms
from smartmixed_search.errors import TrackingError
from smartmixed_search.tracking.runs import runs
from tests.helpers.factories import make_result
from tests.helpers.tracked import make_tracker, record_two_trials

pytestmark = pytest.mark.timeout(180)

POOL = ["relu", "sigmoid", "tanh", "leaky_relu", "elu", "selu"]


@pytest.fixture
def uri(copy_of: Callable[..., str]) -> str:
    return copy_of(record_two_trials)


@pytest.fixture(autouse=True)
def closed_figures() -> Iterator[None]:
    yield
    pyplot.close("all")


@pytest.mark.parametrize("name", sms.__all__)
def test_every_public_name_is_found(name: str) -> None:
    assert getattr(sms, name) is not None


def test_no_public_name_is_hidden_by_a_room() -> None:
    for room in pkgutil.iter_modules(sms.__path__):
        if room.name != "__main__":
            importlib.import_module(f"{sms.__name__}.{room.name}")
    assert not [name for name in sms.__all__ if isinstance(getattr(sms, name), ModuleType)]


def test_importing_the_package_loads_nothing_heavy() -> None:
    program = (
        "import sys, smartmixed_search; print(sorted({'pandas', 'torch', 'mlflow', 'matplotlib'} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=50)
    assert output.stdout.strip() == "[]"


def test_choices_fit_shares_trend_and_plot(uri: str) -> None:
    found = sms.choices(tracking_uri=uri)
    shares = sms.by_layer(found).set_index(["layer", "function"])
    assert shares.loc[(0, "relu"), "share"] == 10 / 12  # 4 of 5 and 6 of 7 neurons, in two replicates
    assert sms.by_depth(found)["depth"].nunique() == 2
    assert sms.trend(found)["blocks"].tolist() == [2, 2]
    assert isinstance(sms.plot_preferences(sms.by_layer(found)), Axes)


def test_counts_fit_evolution_and_plot(uri: str) -> None:
    evolution = sms.by_epoch(sms.choice_counts(tracking_uri=uri))
    first = evolution[(evolution["depth"] < 0.5) & (evolution["epoch"] == 1)].set_index("function")["share"]
    assert first["relu"] == 10 / 12
    assert sorted(first.index) == sorted(POOL)
    assert isinstance(sms.plot_evolution(evolution), Axes)


def test_agreement_fits_its_mean(uri: str) -> None:
    found = sms.mean_agreement(sms.choice_agreement(tracking_uri=uri))
    assert found["agreement"].tolist() == [1, 1]
    assert found["trials"].tolist() == [2, 2]


def test_trials_fit_tuning_plots(uri: str) -> None:
    trials = sms.trials(tracking_uri=uri)
    assert isinstance(sms.importance(trials), sms.NotEnoughData)
    response = sms.response(trials, "temperature")
    assert isinstance(sms.plot_tuning(trials, "temperature", response=response), Axes)
    assert isinstance(sms.plot_parallel(trials), Axes)


def test_comparison_fits_its_plots(uri: str) -> None:
    (comparison,) = sms.compare(tracking_uri=uri)
    assert isinstance(sms.plot_margins(comparison.margins, comparison.mean_margins), Axes)
    assert isinstance(sms.plot_critical_difference(comparison.friedman), Axes)


def test_curves_of_a_trial_fit_their_plot(uri: str) -> None:
    trial = sms.trials(tracking_uri=uri)["trial"].iloc[0]
    found = sms.curves(trial[:6], tracking_uri=uri)
    assert found["relu"] == pytest.approx([0.96 - 0.1 / (epoch + 1) for epoch in range(4)])
    assert isinstance(sms.plot_curves(found), Axes)
    with pytest.raises(TrackingError, match=r"no trial '.*' in sweep 'mine'"):
        sms.curves("nobody", tracking_uri=uri)


def test_a_sweep_without_trials_has_no_choices_and_the_columns_of_any_other(tracking_uri: str) -> None:
    make_tracker(tracking_uri)
    for question in (sms.choices, sms.choice_counts, sms.choice_agreement):
        found = question(tracking_uri=tracking_uri)
        assert found.empty
    assert sms.by_layer(sms.choices(tracking_uri=tracking_uri)).empty
    assert sms.by_epoch(sms.choice_counts(tracking_uri=tracking_uri)).empty
    assert sms.mean_agreement(sms.choice_agreement(tracking_uri=tracking_uri)).empty


def test_choices_of_all_sweeps_stand_together(uri: str) -> None:
    make_tracker(uri, sweep="other").record_trial(make_result(architecture=(9,)))
    assert set(sms.choices(tracking_uri=uri)["architecture"]) == {"9"}
    assert set(sms.choices(all_sweeps=True, tracking_uri=uri)["architecture"]) == {"9", "5-4", "7-4"}


@pytest.mark.usefixtures("undrawn")
def test_a_report_reads_every_artifact_once(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    load = runs.read_json

    def counted(client: Any, artifact_uri: str, path: str) -> Any:
        read.append(f"{artifact_uri}/{path}")
        return load(client, artifact_uri, path)

    monkeypatch.setattr(runs, "read_json", counted)
    sms.report(keep=False, tracking_uri=uri)
    assert sorted(address.rpartition("/")[2] for address in read) == ["choice_counts.json"] * 2 + ["choices.json"] * 2
    assert len(set(read)) == 4


@pytest.mark.usefixtures("undrawn")
def test_a_notebook_shows_a_report_in_a_frame(uri: str) -> None:
    page = sms.report(keep=False, tracking_uri=uri)
    assert page.startswith("<!DOCTYPE html>")
    shown = page._repr_html_()
    assert shown.startswith('<iframe title="Report" srcdoc="&lt;!DOCTYPE html&gt;')
    assert shown.count('"') == 6


def test_a_notebook_shows_a_trial_s_ranking() -> None:
    shown = replace(make_result(), objective=0.01)._repr_html_()
    assert "<p>8-4 on digits, objective +0.0100</p>" in shown
    assert shown.index("smartmixed") < shown.index("leaky_relu") < shown.index("sigmoid")
    assert "<td>0.9700</td>" in shown
