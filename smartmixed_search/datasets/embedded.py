"""Datasets that scikit-learn embeds, no download: handwritten digits of 8×8 pixels, and a table of measurements."""

from collections.abc import Mapping

from smartmixed_search.datasets.source import Source

EMBEDDED: Mapping[str, float | None] = {"digits": 16.0, "breast-cancer": None}
"""By name, the value that is scaled to 1; None: features are standardised. 1,797 × 64 and 569 × 30 values."""


def read_embedded(name: str) -> Source:
    """Read an embedded dataset."""
    from sklearn import datasets

    load = getattr(datasets, f"load_{name.replace('-', '_')}")
    x, y = load(return_X_y=True)
    return Source(name=name, x=x, y=y, largest=EMBEDDED[name])
