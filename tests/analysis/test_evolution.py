import pandas as pd
import pytest

from smartmixed_search.analysis.evolution import COUNT_COLUMNS, EVOLUTION_COLUMNS, by_epoch, counts_frame

Layers = list[list[int]]
"""By hidden layer, the neurons that chose relu and elu."""


def counted(*replicates: list[Layers], architecture: str = "4-4", trial: str = "a") -> pd.DataFrame:
    artifact = {"pool": ["relu", "elu"], "replicates": {str(r): epochs for r, epochs in enumerate(replicates)}}
    return counts_frame("mnist", architecture, trial, artifact)


def shares(found: pd.DataFrame, depth: float, function: str = "elu") -> list[float]:
    rows = found[(found["depth"] == depth) & (found["function"] == function)]
    assert rows["epoch"].tolist() == list(range(1, len(rows) + 1))
    return [float(share) for share in rows["share"]]


def test_frame_has_a_row_per_epoch_layer_and_function() -> None:
    found = counted([[[3, 1]], [[2, 2]]], architecture="4", trial="t7")
    assert found.columns.tolist() == list(COUNT_COLUMNS)
    assert list(found.itertuples(index=False, name=None)) == [
        ("mnist", "4", "t7", 0, 1, 0, "relu", 3),
        ("mnist", "4", "t7", 0, 1, 0, "elu", 1),
        ("mnist", "4", "t7", 0, 2, 0, "relu", 2),
        ("mnist", "4", "t7", 0, 2, 0, "elu", 2),
    ]


def test_shares_are_those_of_the_neurons_by_epoch_and_depth() -> None:
    found = by_epoch(counted([[[4, 0], [1, 3]], [[2, 2], [0, 4]]]), bins=2)
    assert found.columns.tolist() == EVOLUTION_COLUMNS
    assert shares(found, 0.25) == [0, 0.5]
    assert shares(found, 0.25, "relu") == [1, 0.5]
    assert shares(found, 0.75) == [0.75, 1]


def test_a_network_keeps_its_choices_when_its_selection_is_over() -> None:
    short, long = [[[0, 4]]], [[[4, 0]], [[4, 0]], [[2, 2]]]
    found = by_epoch(counted(short, long, architecture="4"), bins=1)
    assert shares(found, 0.5) == [0.5, 0.5, 0.75]
    elu = found[found["function"] == "elu"]
    assert elu["networks"].tolist() == [2, 2, 2]
    assert elu["selecting"].tolist() == [2, 1, 1]


def test_three_bins_are_first_middle_and_last_layers() -> None:
    deep = counted([[[4, 0], [3, 1], [0, 4]]], architecture="4-4-4")
    found = by_epoch(pd.concat([deep, counted([[[4, 0], [2, 2]]], trial="b")]))
    assert sorted(set(found["depth"])) == pytest.approx([1 / 6, 1 / 2, 5 / 6])
    assert [shares(found, depth) for depth in sorted(set(found["depth"]))] == [[0], [0.25], [0.75]]
    assert found.drop_duplicates("depth")["networks"].tolist() == [2, 1, 2]


def test_layers_of_one_bin_are_weighted_by_their_neurons() -> None:
    found = by_epoch(counted([[[6, 0], [0, 2]]], architecture="6-2"), bins=1)
    assert shares(found, 0.5) == [0.25]
    assert found["networks"].tolist() == [1, 1]


def test_nothing_recorded_has_the_columns_of_any_other() -> None:
    assert by_epoch(counted()).columns.tolist() == EVOLUTION_COLUMNS
