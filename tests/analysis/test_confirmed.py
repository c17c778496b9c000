"""Which figures count where trials have been confirmed."""

import pandas as pd
import pytest

from smartmixed_search.analysis.comparison import compare_strategies
from smartmixed_search.analysis.confirmed import Confirmed, with_confirmed
from smartmixed_search.analysis.leaderboard import block_rankings
from smartmixed_search.errors import ConfigError
from smartmixed_search.trials.config import TrialConfig
from tests.helpers.synthetic import make_row, make_rows


def confirming(rows: list[dict[str, object]], replicates: int = 4) -> pd.DataFrame:
    """Rows of a confirmation: those given, each for the trial of its own name."""
    table = pd.DataFrame(rows).assign(replicates=replicates)
    table[["val_correct", "test_correct"]] *= replicates
    return table.assign(confirms=table["trial"], trial=table["trial"] + f"/confirmed-{replicates}")


SWEEP = pd.DataFrame(
    [
        make_row("8", "smartmixed", 0.90, 0.95, trial=0),
        make_row("8", "relu", 0.91, 0.92, trial=0),
        make_row("8", "smartmixed", 0.92, 0.96, trial=1, published=False),
        make_row("8", "relu", 0.91, 0.92, trial=1, published=False),
        make_row("8", "smartmixed", 0.93, 0.93, trial=2, published=False),
        make_row("8", "relu", 0.91, 0.92, trial=2, published=False),
        make_row("16", "smartmixed", 0.95, trial=0),
        make_row("16", "relu", 0.94, trial=0),
    ]
)
"""In the block 8 the trial 1 is best by validation, the published one, 0, comes after it; baselines were reused."""
CONFIRMED = confirming(
    [
        make_row("8", "smartmixed", 0.80, 0.81, trial=1, published=False),
        make_row("8", "relu", 0.85, 0.86, trial=1, published=False),
        make_row("8", "smartmixed", 0.99, 0.99, trial=2, published=False),
        make_row("8", "relu", 0.70, 0.70, trial=2, published=False),
    ]
)
AS_IT_WAS = {
    ("8", "smartmixed"): 0.92,
    ("8", "relu"): 0.91,
    ("16", "smartmixed"): 0.95,
    ("16", "relu"): 0.94,
}


def figures(blocks: pd.DataFrame) -> dict[tuple[str, str], float]:
    return {(row.architecture, row.strategy): row.test_accuracy for row in blocks.itertuples()}


def test_a_confirmed_block_has_all_its_figures_from_the_trial_that_the_sweep_had_chosen() -> None:
    blocks = block_rankings(with_confirmed(SWEEP, CONFIRMED))
    # The confirmation itself does not choose: its best, trial 2, was not the sweep's.
    assert figures(blocks) == AS_IT_WAS | {("8", "smartmixed"): 0.80, ("8", "relu"): 0.85}
    assert blocks.groupby("architecture")["confirmed"].all().to_dict() == {"8": True, "16": False}
    assert blocks.groupby("architecture")["trial"].nunique().to_dict() == {"8": 1, "16": 1}


def test_trials_that_do_not_represent_their_block_confirm_nothing() -> None:
    others = CONFIRMED[CONFIRMED["confirms"] == "8/2"]
    assert figures(block_rankings(with_confirmed(SWEEP, others))) == AS_IT_WAS


def test_a_block_whose_baselines_are_of_other_settings_is_not_confirmed() -> None:
    """As where learning rates were drawn: the best relu is another trial's, and was not trained again."""
    better = pd.DataFrame([make_row("8", "relu", 0.94, 0.99, trial=2, published=False)])
    rows = pd.concat([SWEEP.drop(index=5), better], ignore_index=True)
    assert figures(block_rankings(with_confirmed(rows, CONFIRMED))) == AS_IT_WAS | {("8", "relu"): 0.94}


def test_confirming_one_sweep_leaves_another_one_s_better_trial() -> None:
    other = pd.DataFrame([make_row("8", "smartmixed", 0.97, 0.98, trial=7), make_row("8", "relu", 0.96, 0.97, trial=7)])
    found = block_rankings(with_confirmed(pd.concat([SWEEP, other], ignore_index=True), CONFIRMED))
    assert figures(found) == AS_IT_WAS | {("8", "smartmixed"): 0.97, ("8", "relu"): 0.96}


def test_a_view_takes_only_confirmations_of_trials_it_may_choose() -> None:
    assert not with_confirmed(SWEEP, CONFIRMED, "default")["confirmed"].any()
    of_published = confirming([make_row("8", "smartmixed", 0.7), make_row("8", "relu", 0.6)])
    assert figures(block_rankings(with_confirmed(SWEEP, of_published, "default")))[("8", "smartmixed")] == 0.7
    unpublished = SWEEP.assign(published=False)
    assert with_confirmed(unpublished, CONFIRMED, "default").empty


def test_of_several_confirmations_of_a_trial_the_one_with_most_replicates_counts_for_all_strategies() -> None:
    more = confirming([make_row("8", "smartmixed", 0.5, trial=1), make_row("8", "relu", 0.4, trial=1)], replicates=9)
    for both in (pd.concat([CONFIRMED, more]), pd.concat([more, CONFIRMED])):
        blocks = block_rankings(with_confirmed(SWEEP, both))
        assert figures(blocks) == AS_IT_WAS | {("8", "smartmixed"): 0.5, ("8", "relu"): 0.4}
        assert set(blocks.loc[blocks["architecture"] == "8", "replicates"]) == {9}


def test_confirmations_of_trials_that_are_not_there_count_nothing() -> None:
    strange = CONFIRMED.assign(confirms="elsewhere")
    for confirmed in (strange, CONFIRMED[:0], None):
        found = with_confirmed(SWEEP, confirmed)
        assert not found["confirmed"].any()
        pd.testing.assert_frame_equal(found.drop(columns=["confirmed", "checksum"]), SWEEP)


def test_an_unknown_view_is_refused() -> None:
    with pytest.raises(ConfigError, match="view"):
        with_confirmed(SWEEP, CONFIRMED, "best")


def test_a_comparison_prefers_what_was_confirmed_and_counts_the_trials_of_the_sweep() -> None:
    found = compare_strategies(SWEEP, confirmed=CONFIRMED)
    board = found.leaderboard.set_index("strategy")
    assert board.loc["smartmixed", "test_accuracy"] == pytest.approx((0.80 + 0.95) / 2)
    assert board.loc["smartmixed", "trials"] == 4
    assert found.margins.set_index("architecture").loc["8", "margin_best_fixed"] == pytest.approx(-0.05)
    assert "Figures are confirmed in 1 of 2 architectures" in found.conclusion
    assert "confirmed" not in compare_strategies(SWEEP).conclusion


def test_a_lucky_winner_is_unmasked() -> None:
    """Ten equal trials an architecture: the sweep's best validation margin is luck, and fresh seeds say so."""
    rows = _with_reused_baselines(make_rows(12, trials=10, noise=0.01))
    fresh = make_rows(12, trials=10, noise=0.001, seed=9)
    own = rows[rows["strategy"] == "smartmixed"]
    best = own.loc[own.groupby("architecture")["val_accuracy"].idxmax(), "trial"]
    found = compare_strategies(rows, confirmed=confirming(fresh[fresh["trial"].isin(best)].to_dict("records")))
    assert found.architectures["confirmed"].all()
    assert "everywhere" in found.conclusion
    assert abs(found.mean_margins.loc[0, "mean"]) < 0.002


def _with_reused_baselines(rows: pd.DataFrame) -> pd.DataFrame:
    """Let the fixed strategies have in every trial what they had in the first."""
    figures = ["val_accuracy", "test_accuracy", "val_loss", "val_correct", "test_correct"]
    first = rows.groupby(["architecture", "strategy"])[figures].transform("first")
    return rows.assign(**first.where(rows["strategy"] != "smartmixed", rows[figures]))


def test_what_phase_2_gained_is_taken_from_the_confirmation() -> None:
    phases = {"phase1_test_accuracy_argmax": 0.7, "phase1_test_accuracy_sampled": 0.6, "test_accuracy_at_handoff": 0.8}
    found = compare_strategies(SWEEP, confirmed=CONFIRMED.assign(**phases)).phases.set_index("architecture")
    assert found.loc["8", "gross_argmax"] == pytest.approx(0.80 - 0.70)
    assert found.loc["8", "extra_epochs"] == pytest.approx(0.85 - 0.80)


def test_seeds_are_fresh_and_the_confirmed_trial_is_known_by_its_key() -> None:
    config = TrialConfig(dataset="digits", architecture=(8,), seed=5, replicates=3, temperature=0.7)
    confirms = Confirmed.of("mine", config)
    assert confirms.fresh_seed == 5 + 1_000_000_007
    assert Confirmed(sweep="mine", seed=2**63 - 1, replicates=3).fresh_seed == 1_000_000_006
    again = TrialConfig(dataset="digits", architecture=(8,), seed=confirms.fresh_seed, replicates=10, temperature=0.7)
    assert confirms.original_key(again) == config.key != again.key
