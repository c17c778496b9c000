"""The corrected resampled t-test over folds and repeated splits."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_moons
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.svm import SVC

from smartmixed_search.analysis.resampling import HELD_OUT, corrected_test, held_out_ratio, over_splits
from smartmixed_search.datasets.parts import TEST_SHARE


def test_it_gives_what_scikit_learns_documentation_gives() -> None:
    """Statistical comparison of models using grid search: t = 0.750, p = 0.227 one-sided; 0.005 uncorrected."""
    x, y = make_moons(noise=0.352, random_state=1, n_samples=100)
    folds = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    linear, rbf = (
        cross_val_score(SVC(kernel=kernel, random_state=0), x, y, scoring="roc_auc", cv=folds)
        for kernel in ("linear", "rbf")
    )
    found = corrected_test(pd.Series(rbf - linear), folds=10)
    assert found["p"] == pytest.approx(2 * 0.227, abs=0.001)
    assert found["splits"] == 100


def test_it_is_nadeau_and_bengios_formula() -> None:
    """Worked by hand: differences 1, 2, 3, 6 % of four folds; mean 3 %, variance 4.667 e-4, factor 1/4 + 1/3."""
    found = corrected_test(pd.Series([0.01, 0.02, 0.03, 0.06]), folds=4)
    error = np.sqrt((1 / 4 + 1 / 3) * 0.0014 / 3)
    assert found["mean"] == pytest.approx(0.03)
    assert found["p"] == pytest.approx(0.16661, abs=1e-5)
    assert [found["low"], found["high"]] == pytest.approx([0.03 - 3.182446 * error, 0.03 + 3.182446 * error])


def test_without_folds_a_fifth_tests() -> None:
    assert HELD_OUT == TEST_SHARE
    assert held_out_ratio(None) == pytest.approx(0.25)
    assert held_out_ratio(5) == pytest.approx(0.25)


def test_more_repeats_never_make_it_certain() -> None:
    """However often the same data are split, the interval does not shrink to nothing."""
    few, many = (
        corrected_test(pd.Series(np.tile([-0.01, 0.0, 0.02, 0.03, 0.01], times)), folds=5) for times in (2, 200)
    )
    assert float(many["high"]) - float(many["low"]) > 0.6 * (float(few["high"]) - float(few["low"]))


def test_seeds_of_one_split_count_once() -> None:
    values = pd.Series([1.0, 2.0, 3.0, 5.0], index=[0, 1, 2, 3])
    assert over_splits(values, 2).tolist() == [2.0, 3.5]


def test_differences_that_are_all_zero_show_nothing() -> None:
    found = corrected_test(pd.Series([0.0] * 5), folds=5)
    assert (found["mean"], found["low"], found["high"], found["p"]) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("values", "reason"),
    [([0.1, np.nan, 0.2], "2 of at least 3 splits"), ([0.1] * 5, "all differences are equal"), ([], "0 of at least 3")],
)
def test_too_little_to_test_has_its_reason(values: list[float], reason: str) -> None:
    found = corrected_test(pd.Series(values, dtype="float64"), folds=5)
    assert str(found["reason"]).startswith(reason)
    assert np.isnan(float(found["p"]))
