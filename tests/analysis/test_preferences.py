from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.inter_rater import fleiss_kappa

from smartmixed_search.analysis.preferences import (
    AGREEMENT_COLUMNS,
    CHOICE_COLUMNS,
    CONTRADICTED,
    HOLDS,
    MEAN_AGREEMENT_COLUMNS,
    NOT_ENOUGH,
    NOT_SHOWN,
    SHARE_COLUMNS,
    TREND_COLUMNS,
    Artifact,
    agreement,
    by_depth,
    by_layer,
    choices_frame,
    mean_agreement,
    trend,
    verdict,
)

POOL = ("relu", "sigmoid", "tanh", "leaky_relu", "elu", "selu")
EMPTY = choices_frame("mnist", "8", "t", {})


def draw(widths: list[int], slope: float, rng: np.random.Generator) -> dict[str, list[str]]:
    """Draw one network's choices; the share of ELU / SELU rises by `slope` over depth, that of ReLU / Leaky falls."""
    depths = np.linspace(-0.5, 0.5, len(widths)) if len(widths) > 1 else [0.0]
    chances = [(1 / 6 + slope / 2 * depth * np.array([-1, 0, 0, -1, 1, 1])) for depth in depths]
    return {
        str(layer): rng.choice(POOL, size=width, p=chance).tolist()
        for layer, (width, chance) in enumerate(zip(widths, chances, strict=True))
    }


def make_choices(
    architectures: int = 8, *, depths: tuple[int, ...] = (2, 3, 4), slope: float = 0.0, width: int = 40, seed: int = 0
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frames = []
    for number in range(architectures):
        widths = [width + number] * depths[number % len(depths)]
        artifact = {str(replicate): draw(widths, slope, rng) for replicate in range(3)}
        name = "-".join(map(str, widths))
        frames.append(choices_frame("mnist", name, f"{name}/0", artifact))
    return pd.concat(frames, ignore_index=True)


def repeated(*networks: list[list[str]], trials: int = 1) -> pd.DataFrame:
    """One replicate per network, the same choices in every trial."""
    artifact = {str(r): {str(layer): names for layer, names in enumerate(of)} for r, of in enumerate(networks)}
    return pd.concat([choices_frame("mnist", "a", str(trial), artifact) for trial in range(trials)], ignore_index=True)


def cell(table: pd.DataFrame, column: str, **where: object) -> float:
    (value,) = table.loc[(table[list(where)] == pd.Series(where)).all(axis=1), column]
    return float(value)


# --- the frame ---


def test_frame_counts_the_neurons_of_each_function() -> None:
    found = choices_frame("mnist", "3-1", "t7", {"2": {"0": ["relu", "elu", "relu"], "1": ["elu"]}})
    assert found.columns.tolist() == list(CHOICE_COLUMNS)
    assert sorted(found.itertuples(index=False, name=None)) == [
        ("mnist", "3-1", "t7", 2, 0, "elu", 1),
        ("mnist", "3-1", "t7", 2, 0, "relu", 2),
        ("mnist", "3-1", "t7", 2, 1, "elu", 1),
    ]


def test_frame_of_nothing_has_the_types_of_any_other() -> None:
    assert EMPTY.dtypes.to_dict() == make_choices(1).dtypes.to_dict()


# --- shares ---


def test_shares_are_those_of_the_neurons_over_all_networks() -> None:
    found = by_layer(repeated([["relu", "relu", "elu"], ["elu"]], [["elu"], ["elu"]]))
    assert found.columns.tolist() == ["layer", *SHARE_COLUMNS]
    assert found[["layer", "function", "share", "networks", "neurons"]].values.tolist() == [
        [0, "elu", 0.5, 2, 4],
        [0, "relu", 0.5, 2, 4],
        [1, "elu", 1.0, 2, 2],
        [1, "relu", 0.0, 2, 2],
    ]


def test_functions_of_the_pool_that_nobody_chose_have_a_share_of_0() -> None:
    found = by_layer(repeated([["relu", "elu"]]), pool=POOL)
    assert found["function"].tolist() == list(POOL)
    assert found["share"].tolist() == [0.5, 0, 0, 0, 0.5, 0]
    assert (found["uniform"] == 1 / 6).all()


def test_functions_of_plugins_are_counted_like_any_other() -> None:
    assert cell(by_layer(repeated([["swish", "relu", "swish", "swish"]])), "share", function="swish") == 0.75


def test_one_network_gives_shares_but_no_interval() -> None:
    found = by_layer(repeated([["relu", "elu"]]))
    assert found[["low", "high"]].isna().all(axis=None)
    assert found["networks"].tolist() == [1, 1]


def test_networks_that_choose_alike_leave_no_doubt() -> None:
    found = by_layer(repeated(*[[["relu", "elu"]]] * 6))
    assert found[["low", "high"]].to_numpy().tolist() == [[0.5, 0.5]] * 2


def test_trials_of_equal_seeds_narrow_no_interval() -> None:
    networks = [[["relu"] * k + ["elu"] * (10 - k)] for k in range(8)]
    once, thrice = (by_layer(repeated(*networks, trials=trials)) for trials in (1, 3))
    pd.testing.assert_frame_equal(once[["low", "high"]], thrice[["low", "high"]])
    assert thrice["networks"].tolist() == [24, 24]


def test_neurons_that_choose_together_widen_the_interval_over_the_binomial_one() -> None:
    together = by_layer(repeated(*[[[name] * 100] for name in ("relu", "elu") * 10]))
    alone = np.sqrt(0.25 / 2000) * 1.96
    assert cell(together, "high", function="relu") - 0.5 > 5 * alone


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(100):
        # Networks differ by more than their neurons do: their own chances are Beta(2, 6), ¼ on average.
        chosen = [rng.random(30) < chance for chance in rng.beta(2, 6, size=8)]
        found = by_layer(repeated(*[[np.where(of, "relu", "elu").tolist()] for of in chosen]))
        covered.append(cell(found, "low", function="relu") <= 0.25 <= cell(found, "high", function="relu"))
    assert stats.binomtest(sum(covered), len(covered), 0.95).pvalue > 0.001, np.mean(covered)


def test_shares_of_nothing_are_an_empty_table() -> None:
    assert by_layer(EMPTY).columns.tolist() == ["layer", *SHARE_COLUMNS]
    assert by_depth(EMPTY).empty


# --- by depth ---


def test_depth_is_relative_to_the_last_layer() -> None:
    found = by_depth(repeated([["relu"], ["elu"], ["tanh"]]), bins=3)
    chosen = found[found["share"] == 1]
    assert chosen["function"].tolist() == ["relu", "elu", "tanh"]
    assert chosen["depth"].tolist() == pytest.approx([1 / 6, 1 / 2, 5 / 6])


def test_the_only_layer_is_an_early_one() -> None:
    assert by_depth(repeated([["relu", "elu"]]), bins=2)["depth"].tolist() == [0.25, 0.25]


def test_every_layer_is_in_the_bin_that_exact_fractions_say() -> None:
    found = by_depth(repeated([[f"f{layer}"] for layer in range(11)]), bins=10)
    chosen = found[found["share"] > 0].set_index("function")["depth"]
    assert chosen["f7"] == 0.75  # 7/10 · 10 is less than 7 in some orders of evaluation
    assert chosen["f9"] == chosen["f10"] == 0.95


def test_layers_of_one_network_in_one_bin_are_one_network() -> None:
    found = by_depth(repeated([["relu"], ["elu"], ["elu"], ["elu"]]), bins=1)
    assert found[["share", "networks", "neurons"]].values.tolist() == [[0.75, 1, 4], [0.25, 1, 4]]


# --- the trend ---


def test_claimed_trend_is_found_where_there_is_one() -> None:
    found = trend(make_choices(12, slope=0.3)).set_index("family")
    assert found["claimed"].tolist() == ["falls", "rises"]
    assert (found["p"] < 0.01).all()
    assert found.loc["ReLU / Leaky ReLU", "high"] < 0 < found.loc["ELU / SELU", "low"]
    assert found["slope"].abs().tolist() == pytest.approx([0.3, 0.3], abs=0.05)


def test_no_trend_is_seldom_found() -> None:
    found = pd.concat([trend(make_choices(8, seed=seed)) for seed in range(15)])
    assert (found["p"] < 0.05).sum() <= 5


def test_slope_is_least_squares_of_each_network_averaged_by_block() -> None:
    shares = {"a": [[0.1, 0.4, 0.3], [0.2, 0.2, 0.8]], "b": [[0.5, 0.9]]}
    frames = [
        choices_frame(
            "mnist",
            name,
            name,
            {
                str(r): {
                    str(layer): ["elu"] * round(10 * s) + ["tanh"] * round(10 - 10 * s) for layer, s in enumerate(of)
                }
                for r, of in enumerate(networks)
            },
        )
        for name, networks in shares.items()
    ]
    slopes = {
        name: np.mean([stats.linregress(np.linspace(0, 1, len(of)), of).slope for of in networks])
        for name, networks in shares.items()
    }
    found = trend(pd.concat(frames)).set_index("family").loc["ELU / SELU"]
    assert found["slope"] == pytest.approx(np.mean(list(slopes.values())))
    assert (found["blocks"], found["networks"]) == (2, 3)
    assert found["reason"] == "2 of at least 6 blocks"


def test_p_is_wilcoxon_s_over_the_blocks() -> None:
    signs = (1, 1, 1, -1, 1, 1, 1, 1)
    frames = [
        choices_frame("mnist", str(block), "t", {"0": {"0": ["tanh"] * 20, "1": ["elu"] * (block + 1) + ["tanh"] * 19}})
        if sign > 0
        else choices_frame("mnist", str(block), "t", {"0": {"0": ["elu", "tanh"], "1": ["tanh"]}})
        for block, sign in enumerate(signs)
    ]
    slopes = [(block + 1) / (block + 20) if sign > 0 else -0.5 for block, sign in enumerate(signs)]
    found = trend(pd.concat(frames)).set_index("family").loc["ELU / SELU"]
    assert found["p"] == pytest.approx(stats.wilcoxon(slopes).pvalue)


def test_one_layer_has_no_trend() -> None:
    found = trend(make_choices(8, depths=(1,)))
    assert found["blocks"].tolist() == [0, 0]
    assert found["reason"].tolist() == ["0 of at least 6 blocks"] * 2


def test_networks_of_one_layer_do_not_dilute_the_trend() -> None:
    mixed = make_choices(12, depths=(1, 3), slope=0.3)
    deep = mixed[mixed["architecture"].str.contains("-")]
    pd.testing.assert_frame_equal(trend(mixed), trend(deep))


def test_a_pool_without_the_families_shows_no_trend() -> None:
    choices = make_choices(8)
    found = trend(choices.assign(function="swish"))
    assert (found["slope"] == 0).all()
    assert (found["p"] == 1).all()


def test_trend_of_nothing_is_not_enough_data() -> None:
    found = trend(EMPTY)
    assert found.columns.tolist() == TREND_COLUMNS
    assert found[["slope", "low", "high", "p"]].isna().all(axis=None)


# --- agreement ---


def test_agreement_of_a_hand_worked_example() -> None:
    found = agreement({"0": {"0": ["relu", "relu", "elu", "elu"]}, "1": {"0": ["relu", "relu", "elu", "relu"]}})
    # 3 of 4 agree; relu has 5/8 and elu 3/8, so by chance 34/64; (0.75 − 0.53125) / 0.46875.
    assert found.values.tolist() == [[0, 4, 2, 0.75, 0.53125, pytest.approx(7 / 15)]]


def test_kappa_is_that_of_statsmodels() -> None:
    chosen = np.random.default_rng(0).choice(POOL, size=(5, 60))
    votes = np.stack([(chosen == name).sum(axis=0) for name in POOL], axis=1)
    found = agreement({str(r): {"0": names.tolist()} for r, names in enumerate(chosen)})
    assert found["kappa"].tolist() == [pytest.approx(fleiss_kappa(votes))]


def test_layers_of_different_taste_do_not_pass_for_agreement() -> None:
    layers = {"0": ["relu", "relu", "relu", "elu"], "1": ["elu", "elu", "elu", "relu"]}
    turned: Artifact = {"0": layers, "1": {layer: names[::-1] for layer, names in layers.items()}}
    assert (agreement(turned)["kappa"] < 0).all()


def test_positions_that_decide_everything_agree_fully() -> None:
    layers = {str(layer): list(names) for layer, names in enumerate(product(("relu", "elu"), repeat=3))}
    found = agreement({"0": layers, "1": layers, "2": layers})
    assert (found["agreement"] == 1).all()
    assert found["kappa"].dropna().tolist() == [1] * 6


def test_a_function_chosen_by_all_gives_no_kappa() -> None:
    found = agreement({"0": {"0": ["swish", "swish"]}, "1": {"0": ["swish", "swish"]}})
    assert found[["agreement", "by_chance"]].values.tolist() == [[1, 1]]
    assert found["kappa"].isna().all()


@pytest.mark.parametrize("artifact", [{}, {"0": {"0": ["relu", "elu"]}}])
def test_a_single_replicate_has_nobody_to_agree_with(artifact: Artifact) -> None:
    found = agreement(artifact)
    assert found.empty
    assert found.columns.tolist() == AGREEMENT_COLUMNS


def of_trial(architecture: str, *replicates: list[str], trial: str = "a") -> pd.DataFrame:
    found = agreement({str(r): {"0": functions} for r, functions in enumerate(replicates)})
    return found.assign(dataset="mnist", architecture=architecture, trial=trial)


def test_mean_agreement_is_over_architectures_whatever_their_number_of_trials() -> None:
    alike, opposed = (["relu", "elu"], ["relu", "elu"]), (["relu", "elu"], ["elu", "relu"])
    both = pd.concat([of_trial("2", *alike), of_trial("3", *opposed), of_trial("3", *opposed, trial="b")])
    found = mean_agreement(both)
    assert found.columns.tolist() == MEAN_AGREEMENT_COLUMNS
    row = found.iloc[0]
    assert row[["layer", "architectures", "trials"]].tolist() == [0, 2, 3]
    assert row[["agreement", "by_chance", "kappa"]].tolist() == pytest.approx([1 / 3, 0.5, 0])
    assert row[["low", "high"]].isna().all()


def test_mean_kappa_has_an_interval_over_enough_architectures() -> None:
    some = [(["relu", "elu"], ["relu", "elu"]), (["relu", "elu"], ["elu", "relu"])]
    row = mean_agreement(pd.concat([of_trial(str(n), *some[n % 2]) for n in range(12)])).iloc[0]
    assert -1 < row["low"] < row["kappa"] == 0 < row["high"] < 1


def test_layers_of_one_function_are_left_out_of_the_mean_kappa() -> None:
    both = pd.concat([of_trial("2", ["relu"] * 2, ["relu"] * 2), of_trial("3", ["relu", "elu"], ["relu", "elu"])])
    assert mean_agreement(both)["kappa"].tolist() == [1]


def test_no_replicates_have_no_mean_agreement() -> None:
    found = mean_agreement(of_trial("2", ["relu"]))
    assert found.empty
    assert found.columns.tolist() == MEAN_AGREEMENT_COLUMNS


# --- the verdict on the claim ---


@pytest.mark.parametrize(
    ("slopes", "ps", "said"),
    [
        ((-0.2, 0.2), (0.01, 0.01), HOLDS),
        ((-0.2, 0.2), (0.01, 0.2), NOT_SHOWN),
        ((0.2, -0.2), (0.2, 0.2), NOT_SHOWN),
        ((0.2, 0.2), (0.01, 0.01), CONTRADICTED),
        ((-0.2, -0.2), (0.2, 0.01), CONTRADICTED),
        ((-0.2, 0.2), (np.nan, np.nan), NOT_ENOUGH),
    ],
)
def test_verdict(slopes: tuple[float, float], ps: tuple[float, float], said: str) -> None:
    assert verdict(pd.DataFrame({"claimed": ["falls", "rises"], "slope": slopes, "p": ps})) == said


def test_verdicts_on_drawn_choices() -> None:
    assert verdict(trend(make_choices(12, slope=0.3))) == HOLDS
    assert verdict(trend(make_choices(12, slope=-0.3))) == CONTRADICTED
    assert verdict(trend(make_choices(3, slope=0.3))) == NOT_ENOUGH


def test_choices_on_two_datasets_are_never_mixed() -> None:
    one = choices_frame("digits", "8", "a", {"0": {"0": ["relu"]}})
    two = choices_frame("mnist", "8", "b", {"0": {"0": ["elu"]}})
    with pytest.raises(ValueError, match="choices must be of one dataset, but got digits, mnist"):
        by_layer(pd.concat([one, two]))
