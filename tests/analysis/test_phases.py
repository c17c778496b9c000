import pandas as pd
import pytest

from smartmixed_search.analysis.comparison import Comparison, compare_strategies
from smartmixed_search.analysis.leaderboard import block_rankings
from smartmixed_search.analysis.phases import GAINS, phase_gains
from tests.helpers.synthetic import make_row, make_rows


def trial(number: int, smartmixed: float, *, argmax: float, sampled: float, gains: dict[str, float]) -> list[object]:
    """One architecture's trial: SmartMixed's phases, and what the later epochs gave other strategies."""
    phase1 = {"phase1_test_accuracy_argmax": argmax, "phase1_test_accuracy_sampled": sampled}
    return [
        make_row("8", "smartmixed", smartmixed, trial=number) | phase1,
        *(
            make_row("8", name, 0.8, 0.8, trial=number) | {"test_accuracy_at_handoff": 0.8 - gain}
            for name, gain in gains.items()
        ),
    ]


def gains_of(*trials: list[object], view: str = "tuned") -> "pd.Series[float]":
    rows = pd.DataFrame([row for rows in trials for row in rows])
    return phase_gains(rows, block_rankings(rows, view)).drop(columns="architecture").iloc[0]


def test_gains_are_gross_and_net_for_both_evaluations_of_phase_1() -> None:
    found = gains_of(trial(0, 0.9, argmax=0.85, sampled=0.82, gains={"relu": 0.01, "elu": 0.03}))
    assert found.to_dict() == pytest.approx(
        {"extra_epochs": 0.02, "gross_argmax": 0.05, "gross_sampled": 0.08, "net_argmax": 0.03, "net_sampled": 0.06}
    )


def test_a_slow_fixed_strategy_does_not_decide_what_extra_epochs_give() -> None:
    found = gains_of(trial(0, 0.9, argmax=0.85, sampled=0.82, gains={"relu": 0.01, "elu": 0.02, "sigmoid": 0.3}))
    assert found["extra_epochs"] == pytest.approx(0.02)
    assert found["net_argmax"] == pytest.approx(0.03)


def test_extra_epochs_are_those_of_smartmixed_s_chosen_trial() -> None:
    worse = trial(0, 0.7, argmax=0.6, sampled=0.6, gains={"relu": 0.2})
    better = trial(1, 0.9, argmax=0.85, sampled=0.8, gains={"relu": 0.01})
    assert gains_of(worse, better)["extra_epochs"] == pytest.approx(0.01)


def test_controls_do_not_tell_what_extra_epochs_give() -> None:
    found = gains_of(trial(0, 0.9, argmax=0.85, sampled=0.8, gains={"relu": 0.01, "selective": 0.3}))
    assert found["extra_epochs"] == pytest.approx(0.01)


def test_without_fixed_strategies_the_gross_gain_remains() -> None:
    found = gains_of(trial(0, 0.9, argmax=0.85, sampled=0.8, gains={}))
    assert found["gross_argmax"] == pytest.approx(0.05)
    assert found[["extra_epochs", "net_argmax", "net_sampled"]].isna().all()


def compared(architectures: int = 8) -> Comparison:
    rows = make_rows(architectures, advantage=0.01)
    rows["phase1_test_accuracy_argmax"] = rows["test_accuracy"] - 0.02
    rows["phase1_test_accuracy_sampled"] = rows["test_accuracy"] - 0.03
    rows["test_accuracy_at_handoff"] = rows["test_accuracy"] - 0.015
    return compare_strategies(rows)


def test_mean_gains_have_intervals_over_architectures() -> None:
    means = compared().mean_phases
    assert means["gain"].tolist() == list(GAINS)
    assert means["mean"].tolist() == pytest.approx([0.02, 0.03, 0.005, 0.015])
    assert means[["low", "high"]].notna().all(axis=None)


def test_too_few_architectures_give_gains_and_a_reason_for_no_interval() -> None:
    found = compared(3)
    assert len(found.phases) == 3
    assert found.mean_phases["mean"].notna().all()
    assert found.mean_phases["reason"].tolist() == ["3 of at least 6 blocks"] * 4


def test_unknown_phases_are_no_gains() -> None:
    assert compare_strategies(make_rows(8)).mean_phases["blocks"].tolist() == [0] * 4
