"""Columns that know the target are named before the training."""

import numpy as np
import pandas as pd
import pytest

from smartmixed_search.datasets import load_dataset

ROWS = 120
rng = np.random.default_rng(0)
CLASSES = rng.choice(["a", "b", "c"], ROWS)
NUMBERS = rng.normal(size=ROWS)


@pytest.mark.parametrize(
    ("target", "column", "how"),
    [
        (CLASSES, CLASSES, "is equal to"),
        (CLASSES, np.searchsorted(["a", "b", "c"], CLASSES) * 1.5, "determines"),
        (CLASSES, rng.integers(4, size=ROWS), None),
        (CLASSES, np.arange(0.0, 60.0, 0.5), None),
        (NUMBERS, NUMBERS, "is equal to"),
        (NUMBERS, 100 - 3 * NUMBERS, "is a multiple of"),
        (NUMBERS, NUMBERS + 1e-3 * rng.normal(size=ROWS), None),
    ],
)
def test_a_column_that_knows_the_target_is_named(target: object, column: object, how: str | None) -> None:
    table = pd.DataFrame({"size": rng.normal(size=ROWS), "known": column, "y": target})
    told = [warning for warning in load_dataset(table, target="y").warnings if "known" in warning]
    assert [f"column known {how} the target y: " in warning for warning in told] == ([] if how is None else [True])


def test_a_column_that_is_left_out_is_not_named() -> None:
    table = pd.DataFrame({"size": rng.normal(size=ROWS), "known": CLASSES, "y": CLASSES})
    assert not load_dataset(table, target="y", columns={"known": "ignore"}).warnings
