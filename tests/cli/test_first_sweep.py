"""From a space file to a top 3, as a user goes who begins."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.helpers.space_files import space_file

ENDING = [("next:", "compare"), ("     ", "confirm"), ("     ", "report")]


@pytest.mark.ray
@pytest.mark.timeout(180)
def test_from_a_space_to_a_top_3(run_cli: object, ray_session: None, tmp_path: Path) -> None:
    space = space_file(tmp_path)
    code, out, err = run_cli("run", space, "--name", "first")
    assert code == 0
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["digits:", "place", "1"]
    assert any("SmartMixed" in line for line in lines[5:])
    assert lines[-3:] == [f"{at} smartmixed-search {name}" for at, name in ENDING]
    assert f"sweep first in {tmp_path / 'smartmixed-runs' / 'first'}\n" in err
    assert "3/3 settled" in err

    code, out, _ = run_cli("top")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[:3]] == ["digits:", "place", "1"]
    assert len(out.splitlines()) == 5
    _, out, _ = run_cli("top", "--by", "trial", "--format", "json", "-k", 2)
    rows = json.loads(out)
    assert len(rows) == 2
    assert rows[0]["objective"] >= rows[1]["objective"]
    _, out, _ = run_cli("top", "--by", "architecture", "--format", "csv")
    assert {row["architecture"] for row in csv.DictReader(io.StringIO(out))} == {"8", "8-4"}
    _, out, _ = run_cli("status", "--format", "json")
    assert [(row["sweep"], row["finished"], row["failed"]) for row in json.loads(out)] == [("first", 3, 0)]

    code, _, err = run_cli("run", space, "--name", "first", "--quiet")
    assert code == 0
    code, _, err = run_cli("run", space, "--name", "first", "--epochs", 6)
    assert code == 2
    assert err.splitlines()[-1].endswith("must keep its space, but epochs was 4, is 6; choose another --name")
    code, _, err = run_cli("top", "--where", "metrics.accuracy > 0.9")
    assert (code, err.count("\n")) == (2, 1)
    assert "did you mean 'val_accuracy'" in err or "did you mean 'test_accuracy'" in err
    code, _, err = run_cli("top", "--sweep", "frist")
    assert (code, err.count("\n")) == (2, 1)
    assert "did you mean 'first'" in err
