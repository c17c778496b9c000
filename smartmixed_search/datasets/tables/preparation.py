"""From a table's rows to what a network takes: fitted on training rows, applied to any, one row or all."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smartmixed_search.datasets.tables.columns import CATEGORY, IGNORE, Column, find
from smartmixed_search.errors import DatasetError

MOST_CATEGORIES = 30
"""Categories of a column with a feature of their own, the most frequent ones; all others share one."""


@dataclass(frozen=True, kw_only=True)
class NumericFeature:
    """A number, standardised; one that is missing is the median, and a feature of its own says so."""

    column: Column
    median: float
    mean: float
    deviation: float
    indicated: bool
    """Whether a value was missing in training: then there is a feature that says where one is."""

    @classmethod
    def fit(cls, column: Column, values: NDArray[np.float64]) -> Self:
        """Fit to training values [N]; NaN is missing."""
        present = values[np.isfinite(values)]
        median = float(np.median(present)) if present.size else 0.0
        filled = np.where(np.isfinite(values), values, median)
        deviation = float(filled.std())
        tiny = len(filled) * np.finfo(np.float64).eps * abs(float(filled.mean()))
        return cls(
            column=column,
            median=median,
            mean=float(filled.mean()),
            deviation=deviation if deviation > tiny else 1.0,
            indicated=present.size < values.size,
        )

    @property
    def names(self) -> list[str]:
        """Of the features."""
        return [self.column.name, *([f"{self.column.name} missing"] if self.indicated else [])]

    def features(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the features [N, 1 or 2] of values [N]."""
        missing = ~np.isfinite(values.astype(np.float64))
        scaled = (np.where(missing, self.median, values) - self.mean) / self.deviation
        return np.column_stack([scaled, missing] if self.indicated else [scaled]).astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class CategoricalFeature:
    """A category: a feature for each frequent one, and one for all others, whether training saw them or not."""

    column: Column
    categories: tuple[str, ...]
    indicated: bool
    """Whether a value was missing in training: then what is missing has a feature of its own."""

    @classmethod
    def fit(cls, column: Column, values: NDArray[Any]) -> Self:
        """Fit to training values [N]; None is missing."""
        counts = Counter(value for value in values if value is not None)
        frequent = sorted(counts, key=lambda value: (-counts[value], value))[:MOST_CATEGORIES]
        return cls(column=column, categories=tuple(sorted(frequent)), indicated=sum(counts.values()) < len(values))

    @property
    def names(self) -> list[str]:
        """Of the features."""
        own = [f"{self.column.name}={category}" for category in self.categories]
        return [*own, f"{self.column.name} other", *([f"{self.column.name} missing"] if self.indicated else [])]

    def features(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the features [N, categories + 1 or 2] of values [N]."""
        places = {category: place for place, category in enumerate(self.categories)}
        other = len(places)
        absent = other + 1 if self.indicated else other
        chosen = [absent if value is None else places.get(value, other) for value in values]
        return np.eye(len(self.names))[chosen]


Feature = NumericFeature | CategoricalFeature


@dataclass(frozen=True, kw_only=True)
class TablePreparation:
    """How rows become features, and class names labels."""

    target: str
    classes: tuple[str, ...]
    """The names of the classes 0 … C-1."""
    features: tuple[Feature, ...]

    @classmethod
    def fit(cls, rows: pd.DataFrame, columns: Sequence[Column], target: str, classes: Sequence[str]) -> Self:
        """Fit to training rows, cells as text."""
        fitted = [_fit(column, column.values(rows[column.name])) for column in columns if column.kind != IGNORE]
        return cls(target=target, classes=tuple(classes), features=tuple(fitted))

    @property
    def names(self) -> list[str]:
        """The names of the D features."""
        return [name for feature in self.features for name in feature.names]

    def transform(self, rows: pd.DataFrame) -> NDArray[np.float32]:
        """Return the features [N, D] of rows, cells as text; columns are found by name.

        Raises:
            DatasetError: a column is missing, or a number is not finite in float32.
        """
        parts = [feature.features(feature.column.values(find(rows, feature.column.name))) for feature in self.features]
        with np.errstate(over="ignore"):
            matrix = np.concatenate(parts, axis=1).astype(np.float32)
        beyond = np.argwhere(~np.isfinite(matrix))
        if beyond.size:
            raise DatasetError(
                f"numbers must stay finite in float32 when they are standardised, but {self.names[beyond[0][1]]!r} "
                f"of row {beyond[0][0]}, counted from 0, does not"
            )
        return matrix

    @property
    def known(self) -> bool:
        """Always: the numbers and categories are part of it."""
        return True

    def __str__(self) -> str:
        return (
            "numbers less their mean, divided by their standard deviation, of the training rows; "
            "what is missing the median, and marked; a feature for each category and for all others"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, with what it does in words."""
        return {
            "words": str(self),
            "target": self.target,
            "classes": list(self.classes),
            "features": [asdict(feature) | {"names": feature.names} for feature in self.features],
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_dict` returned."""
        return cls(
            target=plain["target"],
            classes=tuple(plain["classes"]),
            features=tuple(map(_read_feature, plain["features"])),
        )


def _fit(column: Column, values: NDArray[Any]) -> Feature:
    return CategoricalFeature.fit(column, values) if column.kind == CATEGORY else NumericFeature.fit(column, values)


def _read_feature(plain: Mapping[str, Any]) -> Feature:
    values = {name: value for name, value in plain.items() if name not in ("column", "names")}
    column = Column(**{**plain["column"], "missing": tuple(plain["column"]["missing"])})
    if column.kind == CATEGORY:
        return CategoricalFeature(column=column, **{**values, "categories": tuple(values["categories"])})
    return NumericFeature(column=column, **values)
