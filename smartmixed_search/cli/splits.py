"""What `compare` says of differences over the splits of the data."""

from typing import TYPE_CHECKING

from smartmixed_search.analysis.scale import Scale

if TYPE_CHECKING:
    import pandas as pd

_CAUTION = (
    "Splits share rows and are not independent, for which the test corrects (Nadeau & Bengio 2003). Of one data set "
    "it\nstill finds a difference a little too often (8 to 11 % where 5 % are asked for), and tells of no other data."
)


def splits_text(differences: "pd.DataFrame", scale: Scale | None = None) -> str:
    """Write what `split_differences` returned, at least one row; by the scale of its metric, by default accuracy's."""
    scale = scale or Scale()
    shown = differences.assign(difference=[scale.gain(*one) for one in _intervals(differences)])
    columns = ["architecture", "rival", "splits", "difference", "p", "p_holm"]
    table = shown[columns].to_string(index=False, na_rep="–", float_format="{:.3f}".format)
    reasons = [f"  not enough data for every figure: {reason}" for reason in differences["reason"].unique() if reason]
    turned = f" ({scale.turned})" if scale.turned else ""
    head = (
        scale.differences(f"SmartMixed's gain in test {scale.label} over the splits of the data")
        + f"{turned} [95 % interval], in each "
        "architecture's trial\nthat is best by validation; p-value of the corrected resampled t-test, and after Holm:"
    )
    return "\n".join([head, table, *reasons, _CAUTION])


def _intervals(differences: "pd.DataFrame") -> "zip[tuple[float, float, float]]":
    return zip(differences["mean"], differences["low"], differences["high"], strict=True)
