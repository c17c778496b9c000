"""From a file to a dataset: the target, what is left out, and nothing learned from test rows."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from smartmixed_search.datasets import load_dataset
from smartmixed_search.datasets.prepared import read_preparation
from smartmixed_search.datasets.tables.preparation import TablePreparation
from smartmixed_search.datasets.tables.source import read_table
from smartmixed_search.errors import DatasetError


def table(tmp_path: Path, target: str = "kind", rows: int = 60) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "things.csv"
    lines = [f"{rng.normal():.3f},{rng.choice(['a', 'b'])},{'yes' if row % 3 else 'no'}" for row in range(rows)]
    path.write_text("\n".join([f"size,colour,{target}", *lines]) + "\n")
    return path


def test_a_table_becomes_a_dataset(tmp_path: Path) -> None:
    data = load_dataset(str(table(tmp_path)), target="kind")
    assert (data.name, data.sizes) == (
        "things",
        {"features": 4, "classes": 2, "train": 43, "val": 5, "test": 12},
    )
    assert data.notes[1] == "target kind: 2 classes, no, yes"
    assert data.preparation is not None
    assert data.preparation.to_dict()["classes"] == ["no", "yes"]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["3", "10", "2"], ("2", "3", "10")),
        (["1.0", "2.0", "1"], ("1", "2")),
        (["hid", "hId", "had"], ("hId", "had", "hid")),
        (["TRUE", "FALSE", "FALSE"], ("FALSE", "TRUE")),
    ],
)
def test_class_names_are_kept(tmp_path: Path, labels: list[str], names: tuple[str, ...]) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "".join(f"{place % 7},{label}\n" for place, label in enumerate(labels * 5)))
    assert read_table(path, "t", "y").class_names == names


def test_a_class_that_is_called_as_what_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "".join(f"{place % 7},{('high', 'low', 'None')[place % 3]}\n" for place in range(30)))
    assert read_table(path, "t", "y").notes[:2] == (
        "t.csv: 20 rows of 2 columns, 10 rows without y left out",
        "target y: 2 classes, high, low, 'None' taken for missing (10 cells): a value of that name must be written "
        "otherwise",
    )


def test_rows_without_a_target_are_left_out_and_counted(tmp_path: Path) -> None:
    path = table(tmp_path)
    path.write_text(path.read_text() + "1.0,a,\n2.0,b,NA\n")
    source = read_table(path, "t", "kind")
    assert len(source.cells["size"]) == len(source.y) == 60
    assert "2 rows without kind left out" in source.notes[0]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (None, "must have a target, .* of size, colour, kind"),
        ("kinds", "no column 'kinds'; did you mean 'kind'"),
    ],
)
def test_a_target_that_will_not_do_is_refused(tmp_path: Path, target: str | None, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load_dataset(str(table(tmp_path)), target=target)


@pytest.mark.parametrize(
    ("targets", "task", "words"),
    [
        (
            [1, 2, 3] * 20,
            None,
            "3 classes, 1, 2, 3, for it says 3 different whole numbers; task: regression predicts a",
        ),
        ([1, 2, 3] * 20, "regression", "regression, a number from 1 to 3, as you say"),
        ([0.5, 1.5, 3] * 20, None, "regression, a number from 0.5 to 3, for it says 3 different numbers; task: class"),
        ([0.5, 1.5, 3] * 20, "classification", "3 classes, 0.5, 1.5, 3, as you say"),
        (list(range(60)), None, "regression, a number from 0 to 59, for it says 60 different whole numbers"),
        ([1, 2, 3] * 19 + ["n.d.", "", "NA"], None, "3 classes, 1, 2, 3, for it says"),
        (["1,5", "2,5"] * 30, None, "regression, a number from 1.5 to 2.5"),
        ([f"0{one}.03.2021" for one in range(1, 7)] * 10, None, "regression, a number from 18687 to 18692"),
    ],
)
def test_whether_a_target_is_a_class_or_a_number_is_said_with_the_reason(
    tmp_path: Path, targets: list[object], task: str | None, words: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x;y\n" + "".join(f"{place % 7};{target}\n" for place, target in enumerate(targets)))
    assert read_table(path, "t", "y", task=task).notes[1].startswith(f"target y: {words}")


def test_numbers_to_predict_are_standardised_by_the_training_rows_and_the_preparation_tells_by_what() -> None:
    rng = np.random.default_rng(0)
    prices = 1e5 + 1e4 * rng.normal(size=80)
    data = load_dataset(pd.DataFrame({"row": np.arange(0.5, 80), "price": prices}), target="price")
    assert isinstance(data.preparation, TablePreparation)
    plain = read_preparation(json.loads(json.dumps(data.preparation.to_dict())))
    assert plain == data.preparation
    (mean,), (deviation,) = plain.target_mean, plain.target_deviation
    places = data.x_train[:, 0].double() * plain.features[0].deviation + plain.features[0].mean
    trained = prices[(places - 0.5).round().long()]
    assert (mean, deviation) == pytest.approx((trained.mean(), trained.std()))
    torch.testing.assert_close(data.y_train[:, 0].double() * deviation + mean, torch.from_numpy(trained))


@pytest.mark.parametrize(
    ("targets", "task", "message"),
    [
        (["a", "b"], "regression", "no number, but got regression, and 'y' says 'a'"),
        ([1.5, 1.5], None, "must differ between rows, but 'y' says 1.5"),
        ([1.5, np.inf], None, "'y' is inf in row 1"),
        ([None, None], None, "two classes at least, but it says nothing"),
    ],
)
def test_a_target_that_cannot_be_learned_is_refused(targets: list[object], task: str | None, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load_dataset(pd.DataFrame({"x": range(40), "y": targets * 20}), target="y", task=task)


def test_one_class_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\n1,a\n2,a\n")
    with pytest.raises(DatasetError, match="two classes at least, but it says 'a'"):
        read_table(path, "t", "y")


def test_a_table_of_which_nothing_is_left_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\nsame,a\nsame,b\n")
    with pytest.raises(DatasetError, match=r"all of .* are left out \(x: it is 'same' in every row"):
        read_table(path, "t", "y")


def test_a_target_is_of_a_table(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="'digits' is not one"):
        load_dataset("digits", target="y")


def test_nothing_is_learned_from_rows_that_are_not_trained_on(tmp_path: Path) -> None:
    path = table(tmp_path)
    before = load_dataset(str(path), target="kind")
    assert before.preparation is not None
    lines = path.read_text().splitlines()
    trained = {tuple(row.tolist()) for row in before.x_train}
    features = before.preparation.transform(pd.read_csv(path, dtype=str))
    for place, row in enumerate(features, start=1):
        if tuple(row.tolist()) not in trained:
            size, _, kind = lines[place].split(",")
            lines[place] = f"{float(size) + 100:.3f},violet,{kind}"
    path.write_text("\n".join(lines) + "\n")
    after = load_dataset(str(path), target="kind")
    assert torch.equal(after.x_train, before.x_train)
    assert not torch.equal(after.x_test, before.x_test)


@pytest.mark.parametrize(
    ("targets", "task", "words"),
    [
        (["1", "X", "2"] * 20, None, "3 classes, 1, 2, X"),
        (["0", "1", "2", "3+"] * 15, None, "4 classes, 0, 1, 2, 3+"),
        (["1", "2", "3"] * 19 + ["n.d."], None, "3 classes, 1, 2, 3, for it says 3 different whole numbers"),
        (["1", "2", "3"] * 19 + ["n.d."], "classification", "4 classes, 1, 2, 3, n.d., as you say"),
    ],
)
def test_a_word_among_numbers_is_a_class_unless_it_is_rare(
    tmp_path: Path, targets: list[str], task: str | None, words: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x;y\n" + "".join(f"{place % 7};{target}\n" for place, target in enumerate(targets)))
    note = read_table(path, "t", "y", task=task).notes[1]
    assert note.startswith(f"target y: {words}")
    assert note.endswith("'n.d.' taken for missing (1 cell)") == ("n.d." in targets and task is None)


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["0", "1", "2"], [0, 1, 2]),
        (["1", "1", "1"], [1, 1, 1]),
        (["0,57", "1,5", "2"], [0.57, 1.5, 2]),
        (["02.01.1970", "03.01.1970", "20.01.1970"], [1, 2, 19]),
    ],
)
def test_a_column_is_read_as_numbers_whatever_it_would_be_to_learn_from(
    tmp_path: Path, cells: list[str], values: list[float]
) -> None:
    path = tmp_path / "t.csv"
    rows = [f"{place * 7 % 4},5;{cells[place % 3]};{'ab'[place % 2]}" for place in range(30)]
    path.write_text("\n".join(["x;index;y", *rows]) + "\n")
    found = read_table(path, "t", "y").column("index", numeric=True)
    assert found.tolist() == [values[place % 3] for place in range(30)]


def test_the_ending_of_a_file_may_be_in_capitals(tmp_path: Path) -> None:
    table(tmp_path).rename(tmp_path / "T.CSV")
    assert load_dataset(str(tmp_path / "T.CSV"), target="kind").name == "T"
