import pandas as pd

from smartmixed_search.analysis.identity import by_dataset, identified


def called(*identities: tuple[str, object]) -> list[str]:
    rows = pd.DataFrame(identities, columns=["dataset", "checksum"])
    return [name for name, _ in by_dataset(rows)]


def test_a_name_alone_is_enough_unless_two_datasets_shown_have_it() -> None:
    assert called(("b", "3f2a9188"), ("a", "77c0ffee"), ("b", "3f2a9188")) == ["b", "a"]
    assert called(("b", "3f2a9188"), ("a", "77c0ffee"), ("b", "77c0ffee")) == ["b (3f2a91)", "a", "b (77c0ff)"]
    assert called(("b", "3f2a9188"), ("b", None)) == ["b (3f2a91)", "b (unknown data)"]
    assert called() == []


def test_rows_are_those_of_name_and_checksum() -> None:
    rows = pd.DataFrame({"dataset": ["a", "a", "b", "a"], "checksum": ["1", "2", "1", "1"], "row": range(4)})
    assert [part["row"].tolist() for _, part in by_dataset(rows)] == [[0, 3], [1], [2]]


def test_without_checksums_a_name_is_one_dataset_and_nothing_is_left_out() -> None:
    rows = pd.DataFrame({"dataset": ["a", "a", "b"]})
    assert identified(rows)["checksum"].tolist() == [""] * 3
    assert [len(part) for _, part in by_dataset(rows)] == [2, 1]
    assert identified(rows.assign(checksum=[None, "1", None]))["checksum"].tolist() == ["", "1", ""]
