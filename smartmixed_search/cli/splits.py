"""What `compare` says of differences over the splits of the data."""

from math import isnan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_CAUTION = (
    "Splits share rows and are not independent, for which the test corrects (Nadeau & Bengio 2003). Of one data set "
    "it\nstill finds a difference a little too often (8 to 11 % where 5 % are asked for), and tells of no other data."
)


def splits_text(differences: "pd.DataFrame", label: str = "accuracy", factor: int = 100, unit: str = "points") -> str:
    """Write what `split_differences` returned.

    Args:
        differences: at least one row.
        label: of the metric.
        factor: what differences are multiplied by, to be in
        unit: that.
    """
    shown = differences.assign(
        difference=[
            _interval(factor * mean, factor * low, factor * high) for mean, low, high in _intervals(differences)
        ]
    )
    columns = ["architecture", "rival", "splits", "difference", "p", "p_holm"]
    table = shown[columns].to_string(index=False, na_rep="–", float_format="{:.3f}".format)
    reasons = [f"  not enough data for every figure: {reason}" for reason in differences["reason"].unique() if reason]
    head = (
        f"SmartMixed's gain in test {label} over the splits of the data, {unit} [95 % interval], in each "
        "architecture's trial\nthat is best by validation; p-value of the corrected resampled t-test, and after Holm:"
    )
    return "\n".join([head, table, *reasons, _CAUTION])


def _intervals(differences: "pd.DataFrame") -> "zip[tuple[float, float, float]]":
    return zip(differences["mean"], differences["low"], differences["high"], strict=True)


def _interval(mean: float, low: float, high: float) -> str:
    if isnan(mean):
        return "–"
    return f"{mean:+z.2f}" + ("" if isnan(low) else f" [{low:+z.2f}, {high:+z.2f}]")
