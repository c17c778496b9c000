"""scikit-learn's embedded handwritten digits: 1,797 images of 8×8 pixels, no download."""

from smartmixed_search.datasets.source import Source


def read_digits() -> Source:
    """Read the embedded digits."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return Source(name="digits", x=x, y=y, largest=16.0)
