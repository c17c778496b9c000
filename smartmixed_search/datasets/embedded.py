"""Datasets that scikit-learn embeds, no download: handwritten digits of 8×8 pixels, and two tables of measurements."""

from collections.abc import Mapping

from smartmixed_search.datasets.source import Source

EMBEDDED: Mapping[str, float | None] = {"digits": 16.0, "breast-cancer": None, "diabetes": None}
"""By name, the value that is scaled to 1; None: features are standardised. 1,797 × 64, 569 × 30, 442 × 10 values."""


def read_embedded(name: str) -> Source:
    """Read an embedded dataset; of `diabetes` the target is a number, a measure of how the disease progresses."""
    from sklearn import datasets

    load = getattr(datasets, f"load_{name.replace('-', '_')}")
    as_measured = {"scaled": False} if name == "diabetes" else {}
    x, y = load(return_X_y=True, **as_measured)
    return Source(name=name, x=x, y=y, largest=EMBEDDED[name], pixels=(8, 8) if name == "digits" else None)
