"""From a table's rows to what a network takes: fitted on training rows, applied to any, one row or all."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smartmixed_search.datasets.tables.columns import CATEGORY, DATE, IGNORE, Column, find
from smartmixed_search.datasets.tables.frames import read_frame
from smartmixed_search.datasets.tables.raw import check_features
from smartmixed_search.errors import DatasetError

Places = NDArray[np.intp]

_ROWS_AT_A_TIME = 4096
_TARGET_SCALE = ("target_mean", "target_deviation")
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
    def example(self) -> float | str:
        """A value of the column."""
        if self.column.kind != DATE:
            return self.median
        return (pd.Timestamp(0) + pd.Timedelta(days=self.median)).isoformat()

    @property
    def names(self) -> list[str]:
        """Of the features."""
        return [self.column.name, *([f"{self.column.name} missing"] if self.indicated else [])]

    def features(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the features [N, 1 or 2] of values [N]."""
        missing = ~np.isfinite(values)
        scaled = (np.where(missing, self.median, values) - self.mean) / self.deviation
        with np.errstate(over="ignore"):
            if not self.indicated:
                return scaled.astype(np.float32)[:, None]
            return np.stack([scaled, missing]).astype(np.float32).T


@dataclass(frozen=True, kw_only=True)
class CategoricalFeature:
    """A category: a feature for each frequent one, and one for all others, whether training saw them or not."""

    column: Column
    categories: tuple[str, ...]
    indicated: bool
    """Whether a value was missing in training: then what is missing has a feature of its own."""

    @classmethod
    def fit(cls, column: Column, values: pd.Categorical) -> Self:
        """Fit to training values [N]."""
        often = np.bincount(values.codes[values.codes >= 0], minlength=len(values.categories)).tolist()
        counts = {text: times for text, times in zip(values.categories, often, strict=True) if times}
        frequent = sorted(counts, key=lambda value: (-counts[value], value))[:MOST_CATEGORIES]
        return cls(column=column, categories=tuple(sorted(frequent)), indicated=sum(counts.values()) < len(values))

    @property
    def example(self) -> str:
        """A value of the column."""
        return self.categories[0] if self.categories else ""

    @property
    def names(self) -> list[str]:
        """Of the features."""
        own = [f"{self.column.name}={category}" for category in self.categories]
        return [*own, f"{self.column.name} other", *([f"{self.column.name} missing"] if self.indicated else [])]

    def features(self, values: pd.Categorical) -> NDArray[np.float32]:
        """Return the features [N, categories + 1 or 2] of values [N]."""
        places = {category: place for place, category in enumerate(self.categories)}
        other = len(places)
        chosen = [places.get(value, other) for value in values.categories]
        absent = other + 1 if self.indicated else other
        marks = np.zeros((len(self.names), len(values)), dtype=np.float32)
        marks[np.array([*chosen, absent])[values.codes], np.arange(len(values))] = 1.0
        return marks.T


Feature = NumericFeature | CategoricalFeature


@dataclass(frozen=True, kw_only=True)
class TablePreparation:
    """How rows become features, and class names labels."""

    target: str
    classes: tuple[str, ...]
    """The names of the classes 0 … C-1; none: a number is predicted."""
    features: tuple[Feature, ...]
    target_mean: tuple[float, ...] | None = None
    """Of numbers to predict, by target; networks answer in deviations from it. None: classes are learned."""
    target_deviation: tuple[float, ...] | None = None
    """Their standard deviation in training."""

    @property
    def names(self) -> list[str]:
        """The names of the D features."""
        return [name for feature in self.features for name in feature.names]

    def example(self) -> dict[str, float | str]:
        """Return a row as it may be: the median of what is a number, the first category, the day in the middle."""
        return {feature.column.name: feature.example for feature in self.features}

    def transform(self, rows: pd.DataFrame) -> NDArray[np.float32]:
        """Return the features [N, D] of rows, of texts or of any types; columns are found by name.

        Raises:
            DatasetError: a column is missing, or a number is not finite in float32.
        """
        cells = read_frame(rows, "the rows").cells
        blocks = [
            block_of(feature, feature.column.values(find(cells, feature.column.name))) for feature in self.features
        ]
        return np.concatenate(blocks, axis=1)

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
        scale = {name: getattr(self, name) for name in _TARGET_SCALE}
        return {
            "words": str(self),
            "target": self.target,
            "classes": list(self.classes),
            "features": [asdict(feature) | {"names": feature.names} for feature in self.features],
            **{name: list(numbers) for name, numbers in scale.items() if numbers is not None},
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_dict` returned."""
        return cls(
            target=plain["target"],
            classes=tuple(plain["classes"]),
            features=tuple(map(_read_feature, plain["features"])),
            **{name: tuple(plain[name]) for name in _TARGET_SCALE if name in plain},
        )


def prepare(
    cells: dict[str, "pd.Series[Any]"], columns: Sequence[Column], parts: Sequence[Places]
) -> tuple[list[NDArray[np.float32]], tuple[Feature, ...]]:
    """Return the features [N, D] of parts of a table's rows, given by place, and what they are; fitted to the first.

    The columns are taken out of `cells` one after the other: the table and its features need not be held at once.
    """
    features, blocks, width = [], [], 0
    for column in (column for column in columns if column.kind != IGNORE):
        values = column.values(cells.pop(column.name))
        features.append(_fit(column, values[parts[0]]))
        width += len(features[-1].names)
        check_features(f"a table of {width} features in {len(values):,} rows", width * len(values))
        blocks.append(block_of(features[-1], values))
    return [_rows(blocks, places) for places in parts], tuple(features)


def _fit(column: Column, values: NDArray[np.float64] | pd.Categorical) -> Feature:
    if isinstance(values, pd.Categorical):
        return CategoricalFeature.fit(column, values)
    return NumericFeature.fit(column, values)


def block_of(feature: Feature, values: NDArray[np.float64] | pd.Categorical) -> NDArray[np.float32]:
    """Return a feature's columns [N, 1 or more] of values [N].

    Raises:
        DatasetError: a number is not finite in float32.
    """
    block: NDArray[np.float32] = feature.features(values)  # type: ignore[arg-type]  # a category's are categorical
    if not np.isfinite(block).all():
        row, place = np.argwhere(~np.isfinite(block))[0]
        raise DatasetError(
            f"numbers must stay finite in float32 when they are standardised, but {feature.names[place]!r} "
            f"of row {row}, counted from 0, does not"
        )
    return block


def _rows(blocks: Sequence[NDArray[np.float32]], places: Places) -> NDArray[np.float32]:
    """Return rows of blocks side by side, some at a time, so that each is read while it is near."""
    width = sum(block.shape[1] for block in blocks)
    rows, some = np.empty((len(places), width), dtype=np.float32), np.empty((width, _ROWS_AT_A_TIME), dtype=np.float32)
    for start in range(0, len(places), _ROWS_AT_A_TIME):
        now, first = places[start : start + _ROWS_AT_A_TIME], 0
        for block in blocks:
            np.take(block.T, now, axis=1, out=some[first : first + block.shape[1], : len(now)], mode="clip")
            first += block.shape[1]
        rows[start : start + len(now)] = some[:, : len(now)].T
    return rows


def _read_feature(plain: Mapping[str, Any]) -> Feature:
    values = {name: value for name, value in plain.items() if name not in ("column", "names")}
    column = Column(**{**plain["column"], "missing": tuple(plain["column"]["missing"])})
    if column.kind == CATEGORY:
        return CategoricalFeature(column=column, **{**values, "categories": tuple(values["categories"])})
    return NumericFeature(column=column, **values)
