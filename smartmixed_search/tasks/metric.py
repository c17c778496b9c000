"""Metrics: the figures by which networks are compared, each with the direction in which it is better."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isnan, nan
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

if TYPE_CHECKING:
    import pandas as pd

Direction = Literal["max", "min"]
Values = TypeVar("Values", float, "pd.Series[float]", "pd.DataFrame")

SHARE = "share"
"""The unit of a part of the examples, or of a probability, in [0, 1]; told in per cent, differences in points."""
NATS = "nats"
TARGET = "target"
"""The unit of a regression's target."""
NONE = "none"
"""The unit of a figure that has none, such as R²."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A figure by which networks may be compared.

    Example:
        >>> rmse = Metric(name="rmse", label="RMSE", direction="min", unit=TARGET)
        >>> rmse.test, rmse.exact("test"), rmse.gain(0.2, 0.5)
        ('test_rmse', 'test_rmse', 0.3)
    """

    name: str
    """What it is called in tables, stores and configurations."""
    label: str
    """What it is called in a sentence."""
    direction: Direction
    """Whether the largest value is best or the smallest."""
    unit: str
    """`SHARE`, `NATS`, `TARGET`, `NONE`, or what the target is counted in."""
    count: str | None = None
    """The whole number of examples, if it is the share of one: by these, networks tie exactly."""

    @property
    def quantity(self) -> str:
        """What is measured of a network: the count where there is one, else the value itself."""
        return self.count or self.name

    @property
    def nothing(self) -> float:
        """What is measured of a network that answers nothing: a count of 0; all else is unknown, NaN."""
        return 0.0 if self.count else nan

    def value(self, quantity: float, examples: int) -> float | None:
        """Return the value that a quantity, of so many examples, stands for; None: it is undefined."""
        if isnan(quantity):
            return None
        return quantity / examples if self.count else quantity

    @property
    def val(self) -> str:
        """The column of its values on the validation examples."""
        return f"val_{self.name}"

    @property
    def test(self) -> str:
        """The column of its values on the test examples."""
        return f"test_{self.name}"

    def exact(self, split: str) -> str:
        """Return the column by which networks are compared: of counts where there are any, else of values."""
        return f"{split}_{self.quantity}"

    def oriented(self, values: Values) -> Values:
        """Return values, or differences, so that the larger is better."""
        return values if self.direction == "max" else -values

    def gain(self, own: Values, rival: Values) -> Values:
        """Return by how much one's own value is better than a rival's: positive where it is."""
        return self.oriented(own - rival)

    def to_dict(self) -> dict[str, Any]:
        """Return its facts by name; what a user's own has beside them is left out."""
        return {one.name: getattr(self, one.name) for one in fields(Metric)}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        return cls(**plain)


ACCURACY = Metric(name="accuracy", label="accuracy", direction="max", unit=SHARE, count="correct")
"""The share of examples whose largest output is their class's: what ranks where nothing else is said."""
BALANCED_ACCURACY = Metric(name="balanced_accuracy", label="balanced accuracy", direction="max", unit=SHARE)
"""The mean over the classes that occur of the share of their examples that are found."""
MACRO_F1 = Metric(name="macro_f1", label="macro F1", direction="max", unit=SHARE)
"""The mean over the classes that occur, or are answered, of the harmonic mean of precision and recall."""
AUROC = Metric(name="auroc", label="AUROC", direction="max", unit=SHARE)
"""The mean over the classes that occur of the area under the curve of one against the rest; ties count half."""
LOG_LOSS = Metric(name="log_loss", label="log loss", direction="min", unit=NATS)
"""The mean of minus the logarithm of the probability that the right class is given."""
RMSE = Metric(name="rmse", label="RMSE", direction="min", unit=TARGET)
"""The root of the mean squared error; of several targets the mean of theirs, as of the others."""
MAE = Metric(name="mae", label="MAE", direction="min", unit=TARGET)
"""The mean absolute error."""
R2 = Metric(name="r2", label="R²", direction="max", unit=NONE)
"""The share of the variance that is explained; of a constant target there is none, and it is undefined."""

METRICS: Mapping[str, tuple[Metric, ...]] = {
    "classification": (ACCURACY, BALANCED_ACCURACY, MACRO_F1, AUROC, LOG_LOSS),
    "regression": (RMSE, MAE, R2),
}
"""By task, those that every network is measured by; the first one ranks where nothing else is said."""
