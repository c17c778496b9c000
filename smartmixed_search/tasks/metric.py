"""Metrics: the figures by which networks are compared, each with the direction in which it is better."""

from dataclasses import asdict, dataclass
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
    def val(self) -> str:
        """The column of its values on the validation examples."""
        return f"val_{self.name}"

    @property
    def test(self) -> str:
        """The column of its values on the test examples."""
        return f"test_{self.name}"

    def exact(self, split: str) -> str:
        """Return the column by which networks are compared: of counts where there are any, else of values."""
        return f"{split}_{self.count or self.name}"

    def oriented(self, values: Values) -> Values:
        """Return values, or differences, so that the larger is better."""
        return values if self.direction == "max" else -values

    def gain(self, own: Values, rival: Values) -> Values:
        """Return by how much one's own value is better than a rival's: positive where it is."""
        return self.oriented(own - rival)

    def to_dict(self) -> dict[str, Any]:
        """Return its facts by name."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        return cls(**plain)


ACCURACY = Metric(name="accuracy", label="accuracy", direction="max", unit=SHARE, count="correct")
"""The share of examples whose largest output is their class's: what ranks where nothing else is said."""
RMSE = Metric(name="rmse", label="RMSE", direction="min", unit=TARGET)
"""The root of the mean squared error."""
