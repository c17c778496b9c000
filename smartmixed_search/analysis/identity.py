"""Which data a row is about: a dataset's name and its checksum, since two files may have one name.

Tables have both as columns. Where a checksum is unknown it is empty, not missing: pandas leaves missing keys out of
groups.
"""

from collections.abc import Iterator

import pandas as pd

DATASET = ["dataset", "checksum"]
"""What rows are grouped by; two checksums under one name are other data."""
DIGITS = 6
"""Of a checksum, where people read it."""


def identified(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows whose `checksum` is nowhere missing; without the column, a name is taken for one dataset."""
    if "checksum" not in rows:
        return rows.assign(checksum="")
    return rows.assign(checksum=rows["checksum"].astype("str").fillna("")) if rows["checksum"].hasnans else rows


def by_dataset(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield how each dataset is called among these rows, and its rows; in the order in which they appear.

    It is the name, with the first digits of the checksum where the name alone would not do.

    Example:
        >>> rows = pd.DataFrame({"dataset": ["a", "b", "b"], "checksum": ["3f2a9188", "3f2a9188", "77c0ffee"]})
        >>> [called for called, _ in by_dataset(rows)]
        ['a', 'b (3f2a91)', 'b (77c0ff)']

    """
    groups = [
        (str(name), str(checksum), of_one) for (name, checksum), of_one in identified(rows).groupby(DATASET, sort=False)
    ]
    names = [name for name, _, _ in groups]
    for name, checksum, of_one in groups:
        yield name if names.count(name) == 1 else f"{name} ({checksum[:DIGITS] or 'unknown data'})", of_one
