"""A file of separated values is read in pieces that end where a row does."""

from pathlib import Path
from typing import Any

import pytest

from smartmixed_search.datasets.tables import leading_zeros, separated_file
from smartmixed_search.datasets.tables.cells import texts
from smartmixed_search.datasets.tables.separated import read_separated
from smartmixed_search.datasets.tables.separated_file import SeparatedFile


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pieces be of a line or two."""
    monkeypatch.setattr(separated_file, "_PIECE", 8)
    monkeypatch.setattr(leading_zeros, "_PART", 8)


def read(tmp_path: Path, content: str) -> dict[str, list[Any]]:
    path = tmp_path / "t.csv"
    path.write_bytes(content.encode())
    return {name: texts(cells).tolist() for name, cells in read_separated(path).cells.items()}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n"])
def test_rows_of_all_pieces_are_read(tmp_path: Path, end: str) -> None:
    rows = [(str(number), f"w{number % 7}") for number in range(100)]
    found = read(tmp_path, end.join(["a,b", *map(",".join, rows), ""]))
    assert list(zip(found["a"], found["b"], strict=True)) == rows


@pytest.mark.usefixtures("small")
def test_no_piece_ends_within_quotes(tmp_path: Path) -> None:
    found = read(tmp_path, 'a,b\n1,"one\nmore, and\n\nmore"\n2,"two"\n3,"say ""three""\nmore"\n')
    assert found == {"a": ["1", "2", "3"], "b": ["one\nmore, and\n\nmore", "two", 'say "three"\nmore']}


@pytest.mark.usefixtures("small")
def test_a_quote_within_a_cell_opens_nothing(tmp_path: Path) -> None:
    found = read(tmp_path, 'a,b\n5",1\nx,2\n"one\nmore",3\n7",4\ny,5\n')
    assert found == {"a": ['5"', "x", "one\nmore", '7"', "y"], "b": ["1", "2", "3", "4", "5"]}


ROWS = "1,0.5,x\n-2,01,y\n"


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        (f"{ROWS}3,1,z\n", {1}),
        (f"{ROWS}\n\n+03,1,z\n", {0, 1}),
        (f"{ROWS}3,1,0z\n", {1}),
        ("1,10.05,2020-01-01\n0,0,100\n", set()),
        ('1,2,"a,\n01"\n3,4, 02\n', {2}),
        ('1,"2",x\n"03",4,y\n', {0}),
        ('1,2,5"\n03,4,6"\n', {0, 1, 2}),
        ("1,2,3\r\n1,2,03\r\n", {2}),
    ],
)
def test_columns_with_leading_zeros_are_found(tmp_path: Path, content: str, columns: set[int]) -> None:
    file = SeparatedFile.of(tmp_path / "t.csv", f"a,b,c\n{content}".encode())
    assert leading_zeros.with_leading_zeros(file) == columns
