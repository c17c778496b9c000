"""Which examples train, validate and test: by chance, by group, by time, or as a column says."""

import numpy as np
import pytest
from numpy.typing import NDArray

from smartmixed_search.datasets.account import complaints, rows_and_classes
from smartmixed_search.datasets.parts import KINDS, Parts, Splitting, divide
from smartmixed_search.datasets.source import Source
from smartmixed_search.errors import DatasetError
from smartmixed_search.space.keys import SPLIT_KINDS


class WithColumns(Source):
    """Examples with one more column, whatever it is called."""

    said: NDArray[np.generic]

    def column(self, name: str, *, numeric: bool = False) -> NDArray[np.generic]:
        """See `Splittable`."""
        return self.said


def source(said: object = None, n: int = 200, classes: int = 4, **changes: object) -> WithColumns:
    values = {"name": "toy", "x": np.arange(n)[:, None], "y": np.arange(n) % classes}
    made = WithColumns(**(values | changes))
    object.__setattr__(made, "said", np.asarray(said))
    return made


def indices(parts: Parts) -> tuple[list[int], ...]:
    assert parts.test is not None
    return tuple(sorted(part.tolist()) for part in (parts.train, parts.val, parts.test))


GROUPS = np.random.default_rng(0).zipf(1.6, 200).clip(max=30).astype(str)
"""Of very different sizes."""


def test_every_kind_can_be_said_in_a_space() -> None:
    assert KINDS == SPLIT_KINDS


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_in_two_parts_and_every_example_in_one(seed: int) -> None:
    groups = np.random.default_rng(seed).integers(40, size=200).astype(str)
    (parts,) = divide(source(groups), Splitting(by={"group": "patient"}))
    found = indices(parts)
    assert sorted(np.concatenate(found).tolist()) == list(range(200))
    assert sum(len(set(groups[part])) for part in found) == len(set(groups))


def test_groups_are_spread_by_rows_and_classes_not_by_their_number() -> None:
    groups = np.repeat(np.arange(60), np.tile([1, 2, 17], 20)).astype(str)
    y = np.arange(len(groups)) // 20 % 2
    (parts,) = divide(source(groups, len(groups), y=y), Splitting(by={"group": "g"}))
    train, val, test = (y[list(part)] for part in indices(parts))
    assert len(test) / 400 == pytest.approx(0.2, abs=0.02)
    assert len(val) / 400 == pytest.approx(0.08, abs=0.02)
    assert [part.mean() for part in (train, val, test)] == pytest.approx([0.5] * 3, abs=0.06)


def test_with_test_examples_of_its_own_groups_are_spread_over_the_other_two() -> None:
    (parts,) = divide(source(GROUPS, x_test=np.zeros((2, 1)), y_test=np.array([0, 1])), Splitting(by={"group": "g"}))
    assert parts.test is None
    assert not set(GROUPS[parts.train]) & set(GROUPS[parts.val])


def test_as_few_groups_as_parts_are_one_each() -> None:
    (parts,) = divide(source(np.array(["a"] * 150 + ["b"] * 40 + ["c"] * 10)), Splitting(by={"group": "g"}))
    assert sorted(map(len, indices(parts))) == [10, 40, 150]


def test_fewer_groups_than_parts_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"a group for each of 3 parts, but 'toy' has 2$"):
        divide(source(np.arange(200) % 2), Splitting(by={"group": "g"}))


def test_the_newest_examples_test_and_those_before_validate() -> None:
    times = np.random.default_rng(0).permutation(200).astype(float)
    train, val, test = (times[list(part)] for part in indices(divide(source(times), Splitting(by={"time": "day"}))[0]))
    assert [len(train), len(val), len(test)] == [144, 16, 40]
    assert train.max() < val.min()
    assert val.max() < test.min()


def test_equal_times_stay_together() -> None:
    times = np.arange(200) // 30 * 1.0
    train, val, test = (
        set(times[list(part)]) for part in indices(divide(source(times), Splitting(by={"time": "day"}))[0])
    )
    assert (train, val, test) == ({0.0, 1.0, 2.0, 3.0}, {4.0}, {5.0, 6.0})


def test_a_single_time_is_refused() -> None:
    with pytest.raises(DatasetError, match="three different times"):
        divide(source(np.zeros(200)), Splitting(by={"time": "day"}))


def test_a_column_names_the_parts() -> None:
    said = np.array(["Train", "train", "validation", "TEST"] * 50)
    (parts,) = divide(source(said), Splitting(by={"column": "part"}))
    assert [part[:2] for part in indices(parts)] == [[0, 1], [2, 6], [3, 7]]


def test_a_column_without_validation_has_it_drawn_from_training() -> None:
    said = np.array(["train", "train", "train", "test"] * 50)
    (parts,) = divide(source(said, y=np.arange(200) // 2 % 4), Splitting(by={"column": "part"}))
    assert [len(part) for part in indices(parts)] == [135, 15, 50]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (["train", "tset"] * 100, r"the part of a row must be one of train, val, test, but got 'tset'; did you mean"),
        (["train"] * 200, r"must say train and test, but no row of 'toy' is of test$"),
        (["test"] * 200, r"must say train and test, but no row of 'toy' is of train$"),
    ],
)
def test_a_column_that_names_no_parts_is_refused(said: list[str], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        divide(source(said), Splitting(by={"column": "part"}))


def test_a_class_of_one_example_trains_and_is_named() -> None:
    y = np.where(np.arange(200) == 7, 2, np.arange(200) % 2)
    rare = source(y=y)
    (parts,) = divide(rare, Splitting())
    assert 7 in parts.train
    (said,) = complaints(rare, None, [parts])
    assert said.startswith("class 2 has no row to validate and to test: it is too rare")


def test_too_many_classes_for_a_part_are_drawn_without_stratifying() -> None:
    assert [len(part) for part in indices(divide(source(n=60, classes=20), Splitting())[0])] == [43, 5, 12]


def test_rows_and_classes_of_every_part_are_said() -> None:
    toy = source()
    assert list(rows_and_classes(toy, None, divide(toy, Splitting()))) == [
        "split by chance",
        "  train: 144 rows (0 36, 1 36, 2 36, 3 36)",
        "  validate: 16 rows (0 4, 1 4, 2 4, 3 4)",
        "  test: 40 rows (0 10, 1 10, 2 10, 3 10)",
    ]


def test_it_is_said_that_the_rows_to_test_are_given() -> None:
    toy = source(x_test=np.zeros((4, 1)), y_test=np.arange(4))
    said = next(iter(rows_and_classes(toy, None, divide(toy, Splitting()))))
    assert said == "split by chance, the rows to test as given"


def test_a_group_of_over_half_of_a_part_is_named() -> None:
    groups = np.array(["a"] * 100 + ["b", "c"] * 50)
    toy, how = source(groups), {"group": "g"}
    said = list(complaints(toy, how, divide(toy, Splitting(by=how))))
    assert any(line.startswith("g a is 100% of the rows to train") for line in said)


@pytest.mark.parametrize("groups", [None, GROUPS], ids=["by chance", "by group"])
def test_every_example_tests_once_in_the_folds_of_each_repeat(groups: NDArray[np.str_] | None) -> None:
    splits = divide(source(groups), Splitting(by=None if groups is None else {"group": "g"}, folds=3, repeats=2))
    assert len(splits) == 6
    for repeat in (splits[:3], splits[3:]):
        assert sorted(np.concatenate([indices(parts)[2] for parts in repeat]).tolist()) == list(range(200))
    for parts in splits:
        assert sorted(np.concatenate(indices(parts)).tolist()) == list(range(200))
        assert groups is None or sum(len(set(groups[part])) for part in indices(parts)) == len(set(groups))


def test_folds_are_stratified_and_repeats_differ() -> None:
    splits = divide(source(), Splitting(folds=5, repeats=2))
    assert {tuple(np.bincount(np.array(indices(parts)[2]) % 4)) for parts in splits} == {(10, 10, 10, 10)}
    assert len({tuple(indices(parts)[2]) for parts in splits}) == 10


def test_repeats_without_folds_begin_with_the_usual_split() -> None:
    first, second = divide(source(), Splitting(repeats=2))
    assert indices(first) == indices(divide(source(), Splitting())[0])
    assert [len(part) for part in indices(second)] == [144, 16, 40]


def test_groups_of_equal_size_are_spread_evenly_over_folds() -> None:
    groups = np.arange(200) // 4
    tests = [indices(parts)[2] for parts in divide(source(groups.astype(str)), Splitting(by={"group": "g"}, folds=5))]
    assert {len(test) for test in tests} == {40}


@pytest.mark.parametrize(
    ("how", "changes", "message"),
    [
        ({"time": "day"}, {}, "'toy' is split by its column 'day'; leave them out"),
        ({"column": "part"}, {}, "'toy' is split by its column 'part'; leave them out"),
        (None, {"x_test": np.zeros((2, 1)), "y_test": np.array([0, 1])}, "'toy' has a test part; leave them out"),
    ],
)
def test_folds_need_a_test_part_that_is_drawn(
    how: dict[str, str] | None, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        divide(source(np.arange(200), **changes), Splitting(by=how, folds=5))


def test_more_folds_than_examples_of_any_class_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"folds must be at most 50, .* of its largest class, but got 51$"):
        divide(source(), Splitting(folds=51))


@pytest.mark.parametrize("by", KINDS)
def test_the_first_training_examples_are_of_every_class_also_where_the_file_is_sorted(by: str) -> None:
    said = {"group": np.arange(200).astype(str), "time": np.arange(200.0), "column": np.repeat(["train", "test"], 100)}
    ordered = source(said[by], y=np.repeat(np.arange(4), 50), classes=4)
    (parts,) = divide(ordered, Splitting(by={by: "c"}))
    trained = ordered.y[parts.train]
    assert set(trained[:30]) == set(trained)
