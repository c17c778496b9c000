"""A table's cells from files of separated values as people have them."""

from pathlib import Path

import pytest

from smartmixed_search.datasets.tables.cells import texts
from smartmixed_search.datasets.tables.raw import RawTable
from smartmixed_search.datasets.tables.separated import read_separated
from smartmixed_search.errors import DatasetError


def read(tmp_path: Path, content: str | bytes, name: str = "t.csv") -> RawTable:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_separated(path)


def said(table: RawTable, name: str) -> list[object]:
    return texts(table.cells[name]).tolist()


@pytest.mark.parametrize(
    ("separator", "words"), [(",", ()), (";", ("separated by semicolons",)), ("\t", ("separated by tabs",))]
)
def test_the_separator_is_found(tmp_path: Path, separator: str, words: tuple[str, ...]) -> None:
    table = read(tmp_path, f"a{separator}b\n1{separator}2\n3{separator}4\n")
    assert {name: cells.tolist() for name, cells in table.cells.items()} == {"a": [1.0, 3.0], "b": [2.0, 4.0]}
    assert table.remarks == words


def test_a_decimal_comma_is_no_separator(tmp_path: Path) -> None:
    table = read(tmp_path, "size;price\n1,5;2,5\n3,5;4,5\n")
    assert said(table, "size") == ["1,5", "3,5"]
    assert table.commas


def test_quoted_fields_may_hold_separators_and_lines(tmp_path: Path) -> None:
    table = read(tmp_path, 'a,b\r\n"after rain, see log",1\r\n"two\nlines",2\r\n')
    assert said(table, "a") == ["after rain, see log", "two\nlines"]


def test_spaces_after_separators_belong_to_nothing(tmp_path: Path) -> None:
    table = read(tmp_path, 'age, work class, y, z\n27, State-gov, <=50K, "a, b"\n')
    row = {name: said(table, name)[0] for name in table.cells}
    assert row == {"age": "27", "work class": "State-gov", "y": "<=50K", "z": "a, b"}


def test_text_that_means_something_elsewhere_stays_text(tmp_path: Path) -> None:
    cells = ["00123", "+5", "0x10", "9007199254740993", "1_000", "Inf"]
    table = read(tmp_path, "a,b\n" + "".join(f"{cell},1\n" for cell in cells))
    assert said(table, "a") == cells


@pytest.mark.parametrize("strange", ["n.d.", "0123", "9007199254740993", "inf"])
def test_a_column_of_numbers_stays_text_if_a_late_cell_is_no_plain_number(tmp_path: Path, strange: str) -> None:
    lines = ["1.50,1"] * 200_000
    table = read(tmp_path, "\n".join(["a,b", *lines, f"{strange},1"]))
    assert said(table, "a")[-2:] == ["1.50", strange]
    assert table.cells["b"].dtype == float


def test_a_column_of_words_stays_text(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1.50,1\n2,2\n")
    assert texts(read_separated(path, {"a"}).cells["a"]).tolist() == ["1.50", "2"]


def test_what_stands_for_nothing_is_missing(tmp_path: Path) -> None:
    table = read(tmp_path, "a,b\n1,x\nNA,\n , n/a\n3,null\n")
    assert table.cells["a"].isna().tolist() == [False, True, True, False]
    assert table.cells["b"].isna().tolist() == [False, True, True, True]


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    assert read(tmp_path, "\n\na,b\n\n1,2\n\n").rows == 1


def test_windows_text_is_read_and_said(tmp_path: Path) -> None:
    table = read(tmp_path, "Fläche;b\n1;2\n".encode("cp1252"))
    assert list(table.cells) == ["Fläche", "b"]
    assert "written in cp1252" in table.remarks


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    assert list(read(tmp_path, b"\xef\xbb\xbfa,b\n1,2\n").cells) == ["a", "b"]


def test_a_column_without_a_name_is_called_by_its_place(tmp_path: Path) -> None:
    assert list(read(tmp_path, ',a\n"1",x\n').cells) == ["column 1", "a"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("a,b\n", "only the line of names"),
        ("a\n1\n", "two columns or more"),
        ("a,a\n1,2\n", "'a' twice"),
        ("a,b\n1,2\n1,2,3\n", r"row 3 of .* has 3: '1,2,3'"),
        ("a,b\n1,2\n1\n", "row 3 of .* has 1"),
        (b"a,b\n\0\n", "must be text"),
        (b"a,b\n\x81\x8d,2\n", "must be UTF-8 or Windows-1252"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read(tmp_path, content)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nowhere\.csv' cannot be read: No such file"):
        read_separated(tmp_path / "nowhere.csv")


def test_a_semicolon_between_columns_makes_decimal_commas_likely(tmp_path: Path) -> None:
    assert read(tmp_path, "a;b\n12,345;1\n23,456;2\n").commas
    assert not read(tmp_path, 'a,b\n"12,345",1\n"23,456",2\n').commas


def test_a_quote_that_is_left_open_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"cannot be read: field larger than field limit .* is a quote left open"):
        read(tmp_path, 'a,"b\n1,2\n' + "3,4\n" * 50_000)
