"""How raw examples become a network's inputs, as modules: so that a program holds the preparation too.

The arithmetic is that of the dataset's own preparation, operation by operation, so the inputs are the same bits.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from smartmixed_search.datasets.preparation import Preparation
from smartmixed_search.datasets.prepared import AnyPreparation
from smartmixed_search.datasets.tables.preparation import CategoricalFeature, NumericFeature, TablePreparation

MISSING_CODE = -1.0
"""Stands in a table's numeric layout for a category that is missing; NaN does too."""


class ArrayInputs(nn.Module):
    """Prepares stored arrays: a division of all values, or a standardisation of each feature.

    Shape:
        Input [B, …], any number of dimensions, float32 if values are divided, else float64. Output [B, D], float32.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, preparation: Preparation, features: int) -> None:
        super().__init__()
        self.features = features
        self.shape = preparation.shape or (features,)
        self.divided = preparation.divisor is not None
        self.dtype = torch.float32 if self.divided else torch.float64
        self.register_buffer("shift", torch.tensor(preparation.mean or 0.0, dtype=self.dtype))
        scale = preparation.divisor if self.divided else preparation.deviation
        self.register_buffer("scale", torch.tensor(scale, dtype=self.dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Return the inputs of x."""
        x = x.flatten(1)
        return x / self.scale if self.divided else ((x - self.shift) / self.scale).float()

    def examples(self, count: int, spread: float = 1.0) -> Tensor:
        """Return made-up raw examples [count, …], that many times as wide apart as the training's."""
        drawn = _drawn(count, self.features)
        x = spread * drawn.abs() * self.scale if self.divided else self.shift + spread * drawn * self.scale
        return x.to(self.dtype).view(count, *self.shape)


class TableInputs(nn.Module):
    """Prepares a table's rows in the numeric layout: a value for each column that is used, in the order of `columns`.

    Numbers, days since 1970 and truths are themselves, NaN where missing; a category is its place in the column's
    `categories`, `MISSING_CODE` or NaN where missing; any other value stands for an unknown category.

    Shape:
        Input [B, P], float64. Output [B, D], float32.
    """

    numeric: Tensor
    indicated: Tensor
    median: Tensor
    mean: Tensor
    deviation: Tensor
    categorical: Tensor
    others: Tensor
    absent: Tensor
    owners: Tensor
    codes: Tensor
    order: Tensor

    def __init__(self, preparation: TablePreparation) -> None:
        super().__init__()
        self.columns = [feature.column.name for feature in preparation.features]
        places = list(enumerate(preparation.features))
        numeric = [(place, one) for place, one in places if isinstance(one, NumericFeature)]
        categorical = [(place, one) for place, one in places if isinstance(one, CategoricalFeature)]
        indicated = [number for number, (_, one) in enumerate(numeric) if one.indicated]
        self._keep("numeric", [place for place, _ in numeric])
        self._keep("indicated", indicated)
        for name in ("median", "mean", "deviation"):
            self._keep(name, [getattr(one, name) for _, one in numeric], torch.float64)
        self._keep("categorical", [place for place, _ in categorical])
        others = [len(one.categories) for _, one in categorical]
        self._keep("others", others, torch.float64)
        absent = [other + one.indicated for other, (_, one) in zip(others, categorical, strict=True)]
        self._keep("absent", absent, torch.float64)
        owners = [number for number, (_, one) in enumerate(categorical) for _ in one.names]
        self._keep("owners", owners)
        self._keep("codes", [code for _, one in categorical for code in range(len(one.names))], torch.float64)
        self._keep("order", _order(preparation, len(numeric), len(indicated)))

    def _keep(self, name: str, values: Sequence[float], dtype: torch.dtype = torch.int64) -> None:
        self.register_buffer(name, torch.tensor(values, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Return the inputs of x."""
        numbers, codes = x[:, self.numeric], x[:, self.categorical]
        missing = ~numbers.isfinite()
        scaled = (numbers.where(~missing, self.median) - self.mean) / self.deviation
        absent = codes.isnan() | (codes == MISSING_CODE)
        known = (codes >= 0) & (codes < self.others) & (codes == codes.floor())
        chosen = self.absent.where(absent, codes.where(known, self.others))
        parts = [scaled, missing[:, self.indicated].double(), (chosen[:, self.owners] == self.codes).double()]
        return torch.cat(parts, 1)[:, self.order].float()

    def examples(self, count: int, spread: float = 1.0) -> Tensor:
        """Return made-up rows [count, P], numbers that many times as wide apart as the training's; some are missing."""
        rows = torch.empty(count, len(self.columns), dtype=torch.float64)
        rows[:, self.numeric] = self.mean + spread * self.deviation * _drawn(count, len(self.numeric))
        rows[:, self.categorical] = (_drawn(count, len(self.categorical)).abs() * self.others / 2).floor()
        return rows.where(_drawn(*rows.shape) < 1.5, torch.nan)


def _drawn(rows: int, columns: int) -> Tensor:
    return torch.randn(rows, columns, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def _order(preparation: TablePreparation, numbers: int, indicators: int) -> list[int]:
    """Return where each feature stands among all scaled numbers, then all indicators, then all categories."""
    scaled, indicated, category = iter(range(numbers)), iter(range(numbers, numbers + indicators)), numbers + indicators
    order: list[int] = []
    for feature in preparation.features:
        if isinstance(feature, NumericFeature):
            order += [next(scaled), *([next(indicated)] if feature.indicated else [])]
        else:
            order += range(category, category + len(feature.names))
            category += len(feature.names)
    return order


Inputs = ArrayInputs | TableInputs


def inputs_of(preparation: AnyPreparation, features: int) -> Inputs:
    """Return the module that prepares raw examples for a network of that many inputs."""
    if isinstance(preparation, TablePreparation):
        return TableInputs(preparation)
    return ArrayInputs(preparation, features)
