"""Tables that are split by one of their columns, and warnings of those that might be."""

from pathlib import Path

import numpy as np
import pytest

from smartmixed_search.datasets import Dataset, load_dataset
from smartmixed_search.errors import DatasetError

ROWS = 120


def table(folder: Path, **columns: object) -> Path:
    """Write a table of a number, a target and further columns."""
    rng = np.random.default_rng(0)
    held = {"size": rng.normal(size=ROWS).round(3), "kind": rng.integers(2, size=ROWS), **columns}
    lines = [",".join(held), *(",".join(map(str, row)) for row in zip(*held.values(), strict=True))]
    path = folder / "things.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def load(path: Path, **split: str) -> Dataset:
    return load_dataset(str(path), target="kind", split=split or None)


PATIENTS = [f"P{number // 4:03d}" for number in range(ROWS)]
DAYS = [f"2021-{1 + number // 10:02d}-{1 + number % 10:02d}" for number in range(ROWS)]


@pytest.mark.parametrize(("kind", "values"), [("group", PATIENTS), ("time", DAYS)])
def test_the_column_that_splits_is_no_input(tmp_path: Path, kind: str, values: list[str]) -> None:
    dataset = load(table(tmp_path, extra=values), **{kind: "extra"})
    assert dataset.features == 1
    assert f"  extra: left out, the rows are split by it ({kind})" in dataset.notes


def test_dates_order_the_rows(tmp_path: Path) -> None:
    dataset = load(table(tmp_path, day=DAYS, place=range(0, 3 * ROWS, 3)), time="day")
    place = dataset.x_train[:, 1], dataset.x_val[:, 1], dataset.x_test[:, 1]
    assert place[0].max() < place[1].min() < place[1].max() < place[2].min()


@pytest.mark.parametrize(
    ("name", "values", "line"),
    [
        ("patient", [number // 4 for number in range(ROWS)], "--split group=patient"),
        ("code", PATIENTS, "--split group=code"),
        ("userId", [number // 2 + 5 for number in range(ROWS)], "--split group=userId"),
        ("day", [DAYS[number // 3] for number in range(ROWS)], "--split time=day"),
        ("part", ["train", "train", "test"] * 40, "--split column=part"),
        ("the patient", PATIENTS, "--split 'group=the patient'"),
    ],
)
def test_what_recurs_brings_a_warning_with_the_line_that_splits_by_it(
    tmp_path: Path, name: str, values: list[object], line: str
) -> None:
    path = table(tmp_path, **{name: values})
    (warning,) = load(path).warnings
    assert warning.endswith(line)
    kind, _, column = line.removeprefix("--split ").strip("'").partition("=")
    assert not any("--split" in warning for warning in load(path, **{kind: column}).warnings)


def test_what_groups_rows_is_not_said_to_know_the_target_besides(tmp_path: Path) -> None:
    path = table(tmp_path, patient=PATIENTS, kind=[number // 4 % 2 for number in range(ROWS)])
    assert ["to keep them together" in warning for warning in load(path).warnings] == [True]


@pytest.mark.parametrize("values", [["red", "blue", "green"] * 40, DAYS, range(ROWS)])
def test_what_is_no_group_brings_no_warning(tmp_path: Path, values: list[object]) -> None:
    assert load(table(tmp_path, extra=values)).warnings == ()


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"group": "patience"}, "the table has no column 'patience'; did you mean 'patient'"),
        ({"group": "kind"}, "the target must be no other column, but 'kind' is given as both"),
        ({"time": "patient"}, "column 'patient' must hold numbers or dates, but got 'P000'"),
        ({"group": "gap"}, "column 'gap' must have a value in every row, but 1 row of 'things' have none"),
    ],
)
def test_a_column_that_cannot_split_is_refused(tmp_path: Path, split: dict[str, str], message: str) -> None:
    path = table(tmp_path, patient=PATIENTS, gap=["", *PATIENTS[1:]])
    with pytest.raises(DatasetError, match=message):
        load(path, **split)


def test_only_a_table_has_columns_to_split_by() -> None:
    with pytest.raises(DatasetError, match="target, columns, split and weight are of a table"):
        load_dataset("digits", split={"group": "writer"})
