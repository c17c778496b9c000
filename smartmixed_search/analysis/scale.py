"""The scale of a metric: how its values and their differences are told, and which differences are none in practice."""

from dataclasses import dataclass
from decimal import Decimal
from math import floor, isnan, log10

from smartmixed_search.tasks.metric import ACCURACY, NATS, NONE, SHARE, TARGET, Metric

ROPE = 0.005
"""Accuracies less than half a point apart are called equal in practice.

Benavoli et al. 2017 take one point for classifiers in general, but on MNIST one point is half of all errors. Half a
point is 2.5 standard errors of the difference of two accuracies of 0.98, each measured on its 10,000 test images.
"""
SQUARED = " squared"
"""Ends the unit of what is counted in the square of another, as the variance is."""
_LONGEST = 9
"""Digits before the decimal point up to which a number is written out; a network that has all but diverged has more."""
_DECIMALS = 4
"""Where no region of equivalence tells how many matter."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A metric as it is told of one dataset: shares in per cent and points, all else in its own unit.

    Example:
        >>> scale = Scale(metric=Metric(name="rmse", label="RMSE", direction="min", unit="price"), deviation=1.01)
        >>> scale.difference(0.0123), round(scale.rope, 5), Scale().difference(0.0123)
        ('+0.0123 in units of price', 0.00505, '+1.23 points')
    """

    metric: Metric = ACCURACY
    deviation: float | None = None
    """Of the test targets, where they are numbers, in their unit; None: it was not recorded."""
    folds: int = 1
    """How many parts of the data test, each once: a mean over networks is over the examples of all."""

    @property
    def label(self) -> str:
        """What the metric is called in a sentence."""
        return self.metric.label

    @property
    def factor(self) -> int:
        """What values are multiplied by where they are told."""
        return 100 if self.metric.unit == SHARE else 1

    @property
    def rope(self) -> float:
        """The region of practical equivalence: values less than this apart are called equal.

        Half a point of a share (see `ROPE`), and as much of what has no unit or is in nats; of what is in the target's
        unit, that share of the test targets' deviation (of their variance, where it is in its square). A
        network that halves the deviation and gains as much gains half a point of R², so the two agree. 0 where the
        deviation is not known: nothing but ties is called equal then.
        """
        if self.metric.unit in (SHARE, NATS, NONE):
            return ROPE
        deviation = self.deviation or 0.0
        return ROPE * (deviation**2 if self.metric.unit.endswith(SQUARED) else deviation)

    @property
    def decimals(self) -> int:
        """How many are told of values and differences: the region of equivalence has two digits then, or one."""
        return max(0, self._known - (2 if self.factor == 100 else 0))

    @property
    def _known(self) -> int:
        return max(0, 1 - floor(log10(self.rope))) if self.rope > 0 else _DECIMALS

    @property
    def unit(self) -> str:
        """The unit of values in a heading; empty if they have none."""
        named = {SHARE: "%", NONE: "", TARGET: "target's unit", TARGET + SQUARED: "target's unit squared"}
        return named.get(self.metric.unit, self.metric.unit)

    @property
    def unit_of_differences(self) -> str:
        """The unit of differences in a heading; empty if they have none."""
        return "points" if self.factor == 100 else self.unit

    @property
    def better(self) -> str:
        """How better values are, in a word."""
        return "higher" if self.metric.direction == "max" else "lower"

    @property
    def turned(self) -> str:
        """What must be said of gains where the lower value is better; empty where the higher one is."""
        return "" if self.metric.direction == "max" else f"a positive gain is a lower {self.label}, so better"

    def heading(self, split: str = "") -> str:
        """Return a heading of values: the metric, of a split if one is named, and the unit."""
        words = f"{split} {self.label}".strip()
        return f"{words}, {self.unit}" if self.unit else words

    def differences(self, words: str) -> str:
        """Return words, and after a comma the unit of the differences that they name."""
        return f"{words}, {self.unit_of_differences}" if self.unit_of_differences else words

    def number(self, value: float, *, sign: bool = False) -> str:
        """Write a value, or a difference, without its unit."""
        told = self.factor * float(value)
        plus = "+" if sign else ""
        return f"{told:{plus}.3g}" if abs(told) >= 10**_LONGEST else f"{told:{plus}z.{self.decimals}f}"

    def plain(self, value: float) -> str:
        """Write a value as tables on a terminal have it: without its unit, shares as fractions."""
        value = float(value)
        return f"{value:.3g}" if abs(value) >= 10**_LONGEST else f"{value:z.{self._known}f}"

    def short(self, value: float) -> str:
        """Write a value where there is no room for a unit but the per cent of a share."""
        return self.number(value) + (" %" if self.factor == 100 else "")

    def value(self, value: float) -> str:
        """Write a value with its unit."""
        return f"{self.number(value)}{' %' if self.factor == 100 else self._suffix}"

    def difference(self, value: float) -> str:
        """Write a difference, or a gain, with its sign and unit."""
        return f"{self.number(value, sign=True)}{' points' if self.factor == 100 else self._suffix}"

    def span(self, low: float, high: float) -> str:
        """Write the ends of an interval of differences, without their unit; nothing where there is none."""
        return "" if isnan(low) else f"{self.number(low, sign=True)} to {self.number(high, sign=True)}"

    def gain(self, mean: float, low: float, high: float) -> str:
        """Write a mean difference without its unit, with its interval if there is one; a dash for none."""
        if isnan(mean):
            return "–"
        ends = "" if isnan(low) else f" [{self.number(low, sign=True)}, {self.number(high, sign=True)}]"
        return self.number(mean, sign=True) + ends

    @property
    def equal(self) -> str:
        """How far apart values are that are called equal, in words."""
        if self.rope == 0:
            return "nothing, for the targets' deviation is not known"
        told = f"{Decimal(f'{self.factor * self.rope:.2g}'):f}"
        if self.metric.unit in (SHARE, NATS, NONE):
            return f"{told}{' points' if self.factor == 100 else self._suffix}"
        of = "variance" if self.metric.unit.endswith(SQUARED) else "standard deviation"
        return f"{told}{self._suffix}, {100 * ROPE:g} % of the test targets' {of}"

    @property
    def _suffix(self) -> str:
        if self.metric.unit in (NATS, NONE):
            return f" {self.unit}".rstrip()
        return f" in the {self.unit}" if self.metric.unit.startswith(TARGET) else f" in units of {self.unit}"
