import pytest

from smartmixed_search.analysis.scale import Scale
from smartmixed_search.tasks.metric import NATS, NONE, RMSE, SHARE, Metric

PRICE = Metric(name="rmse", label="RMSE", direction="min", unit="price")
F1 = Metric(name="macro_f1", label="macro F1", direction="max", unit=SHARE)
R2 = Metric(name="r2", label="R²", direction="max", unit=NONE)
LOG_LOSS = Metric(name="log_loss", label="log loss", direction="min", unit=NATS)
SQUARED = Metric(name="loss", label="loss", direction="min", unit="target squared")


@pytest.mark.parametrize(
    ("scale", "value", "difference", "equal"),
    [
        (Scale(), "97.12 %", "-1.25 points", "0.5 points"),
        (Scale(metric=F1), "97.12 %", "-1.25 points", "0.5 points"),
        (Scale(metric=R2), "0.9712", "-0.0125", "0.005"),
        (Scale(metric=LOG_LOSS), "0.9712 nats", "-0.0125 nats", "0.005 nats"),
        (
            Scale(metric=RMSE, deviation=77.0),
            "0.97 in the target's unit",
            "-0.01 in the target's unit",
            "0.39 in the target's unit, 0.5 % of the test targets' standard deviation",
        ),
        (
            Scale(metric=PRICE, deviation=1.01),
            "0.9712 in units of price",
            "-0.0125 in units of price",
            "0.005 in units of price, 0.5 % of the test targets' standard deviation",
        ),
        (
            Scale(metric=PRICE, deviation=74_321.0),
            "1 in units of price",
            "+0 in units of price",
            "370 in units of price, 0.5 % of the test targets' standard deviation",
        ),
        (
            Scale(metric=SQUARED, deviation=2.0),
            "0.971 in the target's unit squared",
            "-0.013 in the target's unit squared",
            "0.02 in the target's unit squared, 0.5 % of the test targets' variance",
        ),
        (
            Scale(metric=RMSE),
            "0.9712 in the target's unit",
            "-0.0125 in the target's unit",
            "nothing, for the targets' deviation is not known",
        ),
    ],
)
def test_values_are_told_in_the_metric_s_unit_and_as_finely_as_they_matter(
    scale: Scale, value: str, difference: str, equal: str
) -> None:
    assert (scale.value(0.97123), scale.difference(-0.01251), scale.equal) == (value, difference, equal)


def test_a_number_too_long_to_be_read_is_written_with_an_exponent() -> None:
    assert Scale(metric=RMSE, deviation=77.0).number(1.234e30) == "1.23e+30"


def test_large_targets_are_told_without_decimals() -> None:
    assert Scale(metric=RMSE, deviation=4000.0).number(550.4, sign=True) == "+550"


def test_headings_name_split_metric_and_unit() -> None:
    assert [scale.heading("test") for scale in (Scale(), Scale(metric=PRICE), Scale(metric=R2))] == [
        "test accuracy, %",
        "test RMSE, price",
        "test R²",
    ]
    assert Scale().differences("margin") == "margin, points"
