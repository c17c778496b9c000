"""Tables whose columns have types say what the same table says as text."""

import datetime
import decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from smartmixed_search.datasets import load_dataset
from smartmixed_search.datasets.tables.columns import understand
from smartmixed_search.datasets.tables.frames import read_frame, read_parquet
from smartmixed_search.errors import DatasetError


def column_of(values: Any) -> tuple[str, list[Any]]:
    """The kind of a column of one table, and what its cells mean."""
    raw = read_frame(pa.table({"c": values}) if isinstance(values, pa.Array) else pd.DataFrame({"c": values}))
    (column,) = understand(raw)
    return column.kind, [] if column.kind == "ignore" else list(column.values(raw.cells["c"]))


def moments(unit: str, zone: str | None = None) -> pa.Array:
    hour = datetime.timezone(datetime.timedelta(hours=1))
    first = datetime.datetime(1970, 1, 2, 1, tzinfo=hour) if zone else datetime.datetime(1970, 1, 2)
    return pa.array([first, None, first + datetime.timedelta(hours=12)], pa.timestamp(unit, zone))


DAYS = ("date", [1.0, np.nan, 1.5])


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (pd.array([1, None, 3], dtype="Int64"), ("number", [1.0, np.nan, 3.0])),
        (pa.array([decimal.Decimal("1.25"), None]), ("ignore", [])),
        (pa.array([decimal.Decimal("1.25"), None, decimal.Decimal(2)]), ("number", [1.25, np.nan, 2.0])),
        (pa.array([1.5, None, float("nan"), 2], pa.float32()), ("number", [1.5, np.nan, np.nan, 2.0])),
        ([True, False, None], ("boolean", [1.0, 0.0, np.nan])),
        (moments("s"), DAYS),
        (moments("ns"), DAYS),
        (moments("us", "Europe/Berlin"), DAYS),
        (pa.array([datetime.date(1970, 1, 2), None, datetime.date(1970, 1, 3)]), ("date", [1.0, np.nan, 2.0])),
        (pa.array([datetime.time(1), None, datetime.time(2)]), ("number", [3600.0, np.nan, 7200.0])),
        ([datetime.timedelta(1), None, datetime.timedelta(2)], ("number", [86400.0, np.nan, 172800.0])),
        (["a", None, "b"], ("category", ["a", np.nan, "b"])),
        ([1, "x", None], ("category", ["1", "x", np.nan])),
        (pd.Categorical([3, 1, None], categories=[3, 2, 1]), ("category", ["3", "1", np.nan])),
        (pa.array([[1], [2]]), ("ignore", [])),
        (pa.nulls(3), ("ignore", [])),
    ],
)
def test_types_are_what_their_values_are(values: Any, found: tuple[str, list[Any]]) -> None:
    kind, cells = column_of(values)
    assert kind == found[0]
    assert [None if pd.isna(cell) else cell for cell in cells] == [None if pd.isna(cell) else cell for cell in found[1]]


def test_whole_numbers_that_float64_merges_stay_apart() -> None:
    assert len(read_frame(pa.table({"c": [2**53, 2**53 + 1]})).cells["c"].cat.categories) == 2


def test_labels_are_taken_by_what_they_say_whatever_their_codes_are() -> None:
    one = read_frame(pd.DataFrame({"c": pd.Categorical(["lo", "hi"], categories=["lo", "hi"])}))
    other = read_frame(pd.DataFrame({"c": pd.Categorical(["lo", "hi"], categories=["hi", "mid", "lo"])}))
    (column,) = understand(one)
    assert list(column.values(one.cells["c"])) == list(column.values(other.cells["c"]))


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "size": np.where(rng.random(90) < 0.1, np.nan, rng.normal(size=90)),
            "floor": pd.array(rng.integers(0, 5, 90), dtype="Int64"),
            "colour": pd.Categorical(rng.choice(["red", "blue"], 90)),
            "open": rng.random(90) < 0.5,
            "built": pd.to_datetime("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, 90), unit="D"),
            "kind": rng.choice(["a", "b", "c"], 90),
        }
    )


def test_a_table_is_one_dataset_in_whatever_form_it_comes(tmp_path: Path) -> None:
    frame().to_parquet(tmp_path / "t.parquet")
    frame().to_csv(tmp_path / "t.csv", index=False)
    forms = [frame(), pa.Table.from_pandas(frame()), str(tmp_path / "t.parquet"), str(tmp_path / "t.csv")]
    data = [load_dataset(form, target="kind", name="t") for form in forms]
    assert {one.checksum for one in data} == {data[0].checksum}
    assert {one.name for one in data} == {"t"}


def test_rows_of_any_form_are_prepared_as_those_of_the_training_file() -> None:
    data = load_dataset(frame(), target="kind")
    assert data.preparation is not None
    rows = frame().drop(columns="kind")
    whole = data.preparation.transform(rows)
    as_text = pd.DataFrame({name: rows[name].map(str, na_action="ignore") for name in rows})
    np.testing.assert_array_equal(data.preparation.transform(as_text), whole)
    for place in range(20):
        record = pd.DataFrame([{name: None if pd.isna(one) else one for name, one in rows.iloc[place].items()}])
        np.testing.assert_array_equal(data.preparation.transform(record)[0], whole[place])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pd.DataFrame({"a": [1.0, 2.0] * 5, "b": [1.0, np.inf] * 5, "y": ["u", "v"] * 5}), "'b' is inf in row 1, .* 4"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "'a' twice"),
        (pd.DataFrame({"a": [], "y": []}), "has none"),
    ],
)
def test_what_is_wrong_with_a_frame_is_said(table: pd.DataFrame, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load_dataset(table, target="y")


@pytest.mark.parametrize("content", [None, b"no parquet"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "t.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"t\.parquet' cannot be read: "):
        read_parquet(path)


def test_a_table_larger_than_memory_is_refused_before_its_features_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smartmixed_search.datasets.source.machine_memory", lambda: 90 * 6 * 12)
    wide = frame().assign(colour=[f"c{number % 25}" for number in range(90)])
    with pytest.raises(DatasetError, match=r"a table of \d+ features in 90 rows takes .* to prepare; keep fewer"):
        load_dataset(wide, target="kind")
    with pytest.raises(DatasetError, match=r"memory, 0\.0 GiB, but 'the table' takes"):
        load_dataset(wide.assign(more=1.0), target="kind")
