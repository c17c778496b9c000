"""`init`: a file becomes a space that fits it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from smartmixed_search.cli import main
from smartmixed_search.space.space import SearchSpace
from tests.helpers.picture_files import class_folders, pixels, put


def houses(rows: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    kinds = np.where(rng.random(rows) < 0.2, "rare # kind", "usual")
    return pd.DataFrame({"size": rng.normal(size=rows), "of: it": rng.choice(["a", "b"], rows), "class": kinds})


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return int(str(end.value.code))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_what_was_found_is_said_and_a_space_written_that_fits_it(
    here: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    houses().to_csv("houses.csv", index=False)
    houses().to_parquet("houses.parquet")
    assert run("init", f"houses.{ending}") == 0
    space = SearchSpace.load("houses.yaml")
    assert (space.dataset, space.target, space.options["metric"]) == (f"houses.{ending}", "class", "balanced_accuracy")
    assert "#   of: it: category, 2 different texts" in (here / "houses.yaml").read_text()
    printed = capsys.readouterr().out
    assert "target class: 2 classes, rare # kind, usual" in printed
    assert printed.splitlines()[-1].endswith("next: smartmixed-search run houses.yaml")


def test_a_number_is_predicted(here: Path) -> None:
    houses().to_csv("houses.csv", index=False)
    assert run("init", "houses.csv", "--target", "size", "--out", "sizes.yaml") == 0
    assert SearchSpace.load("sizes.yaml").options["metric"] == "rmse"


def test_nothing_is_overwritten(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    houses().to_csv("houses.csv", index=False)
    (here / "houses.yaml").write_text("mine")
    assert run("init", "houses.csv") == 2
    assert "must be new, but 'houses.yaml' exists" in capsys.readouterr().err
    assert (here / "houses.yaml").read_text() == "mine"


def test_a_target_is_not_guessed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    houses().rename(columns={"class": "kind"}).to_csv("houses.csv", index=False)
    assert run("init", "houses.csv") == 2
    assert "--target kind, which is the last; there are size, of: it, kind" in capsys.readouterr().err
    assert not (here / "houses.yaml").exists()


def test_images_that_are_not_alike_are_made_so(here: Path) -> None:
    class_folders(here / "photos", {"cat": 12, "dog": 12})
    put(here / "photos" / "cat" / "0003.png", pixels(0, (9, 12), channels=1))
    assert run("init", "photos") == 0
    assert SearchSpace.load("photos.yaml").image == {"size": 4, "channels": 3}
