import numpy as np
import pandas as pd
import pytest
from scipy import stats

from smartmixed_search.analysis.statistics import NotEnoughData, mean_interval
from smartmixed_search.analysis.tuning import IMPORTANCE_COLUMNS, RESPONSE_COLUMNS, importance, response
from smartmixed_search.errors import ConfigError


def make_trials(
    architectures: int = 6,
    each: int = 10,
    *,
    phase_effect: float = 0.0,
    architecture_effect: float = 0.0,
    noise: float = 0.01,
    seed: int = 0,
) -> pd.DataFrame:
    """Build finished trials; the effects are those of the largest phase and architecture over the smallest."""
    rng = np.random.default_rng(seed)
    n = architectures * each
    block = np.repeat(np.arange(architectures), each)
    phase = rng.uniform(0.05, 0.5, n)
    objective = phase_effect * (phase - 0.05) / 0.45 + architecture_effect * block / architectures
    return pd.DataFrame(
        {
            "dataset": "mnist",
            "status": "finished",
            "architecture": [f"{8 * (number + 1)}" for number in block],
            "phase_fraction": phase,
            "temperature": np.exp(rng.uniform(np.log(0.1), np.log(3), n)),
            "selection_epochs": pd.array(np.round(30 * phase).astype(int), dtype="Int64"),
            "objective": objective + rng.normal(0, noise, n),
            "objective_kind": "margin",
        }
    )


def importance_of(trials: pd.DataFrame) -> pd.DataFrame:
    found = importance(trials)
    assert isinstance(found, pd.DataFrame), found
    return found.set_index("factor")


def reason_of(trials: pd.DataFrame) -> str:
    found = importance(trials)
    assert isinstance(found, NotEnoughData)
    return found.reason


# --- response ---


def test_response_of_a_hand_worked_example() -> None:
    trials = make_trials(2, 3).assign(
        phase_fraction=[0.1, 0.2, 0.4, 0.1, 0.2, 0.4], objective=[0.1, 0.2, 0.6, 10.1, 10.5, 10.9]
    )
    found = response(trials, "phase_fraction")
    assert found.columns.tolist() == RESPONSE_COLUMNS
    assert found[["from", "to", "trials"]].values.tolist() == [[0.1, 0.1, 2], [0.2, 0.2, 2], [0.4, 0.4, 2]]
    assert found["mean"].tolist() == pytest.approx([-0.3, -0.05, 0.35])
    assert found[["low", "high"]].isna().all(axis=None)


def test_interval_is_the_bootstrap_s_of_the_trials_in_the_bin() -> None:
    trials = make_trials(1, 40)
    inside = trials["temperature"] <= trials["temperature"].quantile(0.25)
    interval = mean_interval((trials["objective"] - trials["objective"].mean())[inside])
    assert not isinstance(interval, NotEnoughData)
    found = response(trials, "temperature").iloc[0]
    assert (found["low"], found["high"]) == pytest.approx((interval.low, interval.high))


def test_response_rises_where_the_objective_does() -> None:
    found = response(make_trials(phase_effect=0.1), "phase_fraction")
    assert found["mean"].is_monotonic_increasing
    assert found["high"].iloc[0] < 0 < found["low"].iloc[-1]


def test_response_is_flat_where_the_objective_is() -> None:
    found = response(make_trials(phase_effect=0.1), "temperature")
    assert ((found["low"] < 0) & (found["high"] > 0)).all()


def test_architectures_do_not_masquerade_as_settings() -> None:
    trials = make_trials(2, 20, noise=0.001)
    second = trials["architecture"] == "16"
    trials.loc[second, ["phase_fraction", "objective"]] += 0.3
    assert response(trials, "phase_fraction")["mean"].abs().max() < 0.001


def test_a_value_that_many_trials_share_is_not_cut() -> None:
    trials = make_trials()
    trials.loc[::2, "phase_fraction"] = 0.125
    found = response(trials, "phase_fraction")
    assert ((found["from"] <= 0.125) & (found["to"] >= 0.125)).sum() == 1
    assert found["trials"].sum() == len(trials)


def test_each_of_few_values_has_its_bin_however_rare() -> None:
    found = response(make_trials(2, 10).assign(temperature=[0.1] * 17 + [0.3, 0.5, 0.7]), "temperature")
    assert found["trials"].tolist() == [17, 1, 1, 1]


def test_selection_epochs_are_a_parameter_too() -> None:
    assert response(make_trials(), "selection_epochs")["trials"].sum() == 60


def test_unfinished_trials_and_lone_architectures_do_not_count() -> None:
    trials = make_trials(3, 4)
    trials.loc[0, "status"], trials.loc[0, "objective"] = "stopped", np.nan
    trials.loc[5:7, "status"] = "failed"
    assert response(trials, "temperature")["trials"].sum() == 7


def test_response_of_nothing_is_an_empty_table() -> None:
    found = response(make_trials().iloc[:0], "temperature")
    assert found.empty
    assert found.columns.tolist() == RESPONSE_COLUMNS


def test_an_unknown_parameter_is_named_with_its_nearest() -> None:
    with pytest.raises(ConfigError, match="but got 'temprature'; did you mean 'temperature'"):
        response(make_trials(), "temprature")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("dataset", "digits", "one dataset, but got digits, mnist"),
        ("objective_kind", "accuracy", "one kind of objective, but got accuracy, margin"),
    ],
)
def test_objectives_that_cannot_be_compared_are_not(column: str, value: str, message: str) -> None:
    trials = make_trials()
    trials.loc[0, column] = value
    with pytest.raises(ValueError, match=message):
        response(trials, "temperature")
    with pytest.raises(ValueError, match=message):
        importance(trials)


# --- importance ---


def test_the_setting_that_matters_comes_first() -> None:
    found = importance_of(make_trials(phase_effect=0.1))
    assert found.index[0] == "phase_fraction"
    assert found.loc["phase_fraction", "share"] > 0.7
    assert found.loc["phase_fraction", "p"] < 0.001 < found.loc["temperature", "p"]


def test_architecture_that_matters_comes_first() -> None:
    found = importance_of(make_trials(architecture_effect=0.2, phase_effect=0.02))
    assert found.index.tolist()[:2] == ["architecture", "phase_fraction"]
    assert found["share"].sum() < 1


def test_many_architectures_that_do_not_matter_have_no_share_on_average() -> None:
    shares = [importance_of(make_trials(12, 3, seed=seed)).loc["architecture", "share"] for seed in range(40)]
    # η² would be 11 / 35 = 0.31.
    assert np.mean(shares) < 0.12


def test_f_test_holds_its_level() -> None:
    p = np.concatenate([importance_of(make_trials(6, 4, seed=seed))["p"] for seed in range(60)])
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_importance_of_architectures_is_one_way_analysis_of_variance() -> None:
    trials = make_trials(4, 8, architecture_effect=0.02)
    groups = [group.to_numpy() for _, group in trials.groupby("architecture")["objective"]]
    objective = trials["objective"]
    between = sum(len(group) * (group.mean() - objective.mean()) ** 2 for group in groups)
    within = sum(((group - group.mean()) ** 2).sum() for group in groups)
    found = importance_of(trials).loc["architecture"]
    assert found["p"] == pytest.approx(stats.f_oneway(*groups).pvalue)
    assert found["share"] == pytest.approx((between - 3 * within / 28) / (between + within))


def test_importance_of_a_setting_in_a_balanced_design_is_that_inside_the_architectures() -> None:
    trials = make_trials(6, 4, phase_effect=0.01, architecture_effect=0.1).assign(
        phase_fraction=[0.1, 0.2, 0.3, 0.4] * 6
    )
    table = trials.pivot(index="architecture", columns="phase_fraction", values="objective").to_numpy()
    rows, columns = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    effect = 6 * ((columns - table.mean()) ** 2).sum()
    noise = ((table - rows - columns + table.mean()) ** 2).sum() / 15
    found = importance_of(trials).loc["phase_fraction"]
    assert found["levels"] == 4
    assert found["share"] == pytest.approx(max(0, effect - 3 * noise) / ((table - table.mean()) ** 2).sum())
    assert found["p"] == pytest.approx(stats.f.sf(effect / 3 / noise, 3, 15))


def test_one_architecture_still_has_settings() -> None:
    found = importance_of(make_trials(1, 30, phase_effect=0.1))
    assert found.index[0] == "phase_fraction"
    assert np.isnan(found.loc["architecture", "share"])


def test_a_constant_setting_has_no_share() -> None:
    assert np.isnan(importance_of(make_trials().assign(temperature=0.3)).loc["temperature", "share"])


def test_a_setting_that_follows_from_the_architecture_has_no_share() -> None:
    trials = make_trials(4, 6)
    found = importance_of(trials.assign(temperature=trials["architecture"].astype("float64")))
    assert np.isnan(found.loc["temperature", "share"])


@pytest.mark.parametrize("effect", [0.1, 0.3, 0.7])
def test_objectives_that_only_the_architecture_decides_leave_nothing_to_the_settings(effect: float) -> None:
    found = importance_of(make_trials(architecture_effect=effect, noise=0))
    assert found["share"].tolist() == pytest.approx([1, 0, 0])
    assert found["p"].tolist() == [0, 1, 1]


def test_importance_has_its_columns() -> None:
    found = importance(make_trials())
    assert isinstance(found, pd.DataFrame)
    assert found.columns.tolist() == IMPORTANCE_COLUMNS


@pytest.mark.parametrize(
    ("trials", "reason"),
    [
        (make_trials().iloc[:0], "0 of at least 20 finished trials"),
        (make_trials(1, 19), "19 of at least 20 finished trials"),
        (make_trials(2, 19).assign(status=["finished", "failed"] * 19), "19 of at least 20 finished trials"),
        (make_trials().assign(objective=0.0), "the objective is the same in all finished trials"),
        (make_trials(24, 1), "24 finished trials of 24 architectures: too few trials of each"),
    ],
)
def test_importance_says_why_there_is_none(trials: pd.DataFrame, reason: str) -> None:
    assert reason_of(trials) == reason
