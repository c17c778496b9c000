"""Files of Stata, SPSS and R say what the same table says as Parquet."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest
import rdata
import torch

from smartmixed_search.datasets import load_dataset
from smartmixed_search.datasets.tables.programs import PROGRAMS, read_program
from smartmixed_search.errors import DatasetError


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    colours = pd.Index(["red", "green", "blue"], dtype=object)  # of which one does not occur
    return pd.DataFrame(
        {
            "size": np.where(rng.random(90) < 0.1, np.nan, rng.normal(size=90)),
            "colour": pd.Categorical.from_codes(rng.choice([0, 2], 90), categories=colours),
            "kind": pd.Series(rng.choice(["a", "b", "c"], 90), dtype=object),
        }
    )


def to_stata(table: pd.DataFrame, path: Path) -> None:
    table.to_stata(path, write_index=False)


def to_spss(table: pd.DataFrame, path: Path) -> None:
    codes = {"red": 7.0, "green": 1.0, "blue": 3.0}
    coded = table.assign(colour=table["colour"].map(codes).astype(float))
    labels = {code: label for label, code in codes.items()}
    pyreadstat.write_sav(coded, path, variable_value_labels={"colour": labels})


def to_r(table: pd.DataFrame, path: Path) -> None:
    table.columns = pd.Index(list(table.columns), dtype=object)
    rdata.write_rds(path, table)


@pytest.mark.parametrize(("ending", "write"), [("dta", to_stata), ("sav", to_spss), ("rds", to_r)])
def test_labels_are_categories_by_what_they_say(
    tmp_path: Path, ending: str, write: Callable[[pd.DataFrame, Path], None]
) -> None:
    frame().to_parquet(tmp_path / "t.parquet")
    write(frame(), tmp_path / f"t.{ending}")
    found, parquet = (load_dataset(str(tmp_path / f"t.{one}"), target="kind") for one in (ending, "parquet"))
    assert "  colour: category, the file has it as categories" in found.notes
    assert torch.equal(found.x_train, parquet.x_train)


def test_a_number_of_which_one_value_has_a_label_stays_a_number(tmp_path: Path) -> None:
    ages = pd.DataFrame({"age": [20.0, 31.5, 99.0, *range(40, 60)], "y": [1.0, 2.0, 3.0] * 7 + [4.0, 5.0]})
    pyreadstat.write_sav(ages, tmp_path / "t.sav", variable_value_labels={"age": {99.0: "refused"}})
    notes = load_dataset(str(tmp_path / "t.sav"), target="y", task="regression").notes
    assert "  age: number, 'refused' taken for missing (1 cell)" in notes


def test_of_several_objects_of_r_the_only_table_is_read(tmp_path: Path) -> None:
    rdata.write_rda(
        tmp_path / "t.RData", {"more": [1.0, 2.0], "t": pd.DataFrame({"a": [1.0, 2.0]}).rename(columns=str)}
    )
    assert read_program(tmp_path / "t.RData").names == ["a"]


def test_a_file_of_r_without_a_table_is_told(tmp_path: Path) -> None:
    rdata.write_rda(tmp_path / "t.rda", {"more": [1.0, 2.0]})
    with pytest.raises(DatasetError, match=r"must hold one data frame, but .*t\.rda' holds 'more'"):
        read_program(tmp_path / "t.rda")


@pytest.mark.parametrize("ending", PROGRAMS)
@pytest.mark.parametrize("content", [None, b"a,b\n1,2\n"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, ending: str, content: bytes | None) -> None:
    path = tmp_path / f"t{ending}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"^the table .*t\.\w+' cannot be read: "):
        read_program(path)


def test_a_reader_that_is_not_installed_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DatasetError, match=r"must have pyreadstat to be read, .*'smartmixed-search\[formats\]'$"):
        read_program(Path("t.sav"))
