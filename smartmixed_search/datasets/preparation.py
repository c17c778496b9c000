"""How raw examples become what a network takes: a network used elsewhere must be given the same, and cannot tell."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """A division of all values, or a standardisation of each feature."""

    shape: tuple[int, ...] | None = None
    """Of a raw example, before it is flattened; None: unknown."""
    divisor: float | None = None
    """What values are divided by; None: features are standardised."""
    mean: tuple[float, ...] | None = None
    """Of the training examples, by feature [D]; None: unknown, unless there is a divisor."""
    deviation: tuple[float, ...] | None = None
    """Their standard deviation, 1 where a feature is constant [D]."""

    @property
    def flattened(self) -> str | None:
        """From which shape examples are flattened, as "28 × 28"; None if they are not, or it is unknown."""
        return " × ".join(map(str, self.shape)) if self.shape is not None and len(self.shape) != 1 else None

    @property
    def known(self) -> bool:
        """Whether the numbers are known with which raw examples are prepared."""
        return self.divisor is not None or self.mean is not None

    def __str__(self) -> str:
        flattened = f"flattened from {self.flattened} row by row, " if self.flattened else ""
        if self.divisor is not None:
            return f"{flattened}divided by {self.divisor:g}"
        return f"{flattened}each feature less its mean, divided by its standard deviation, of the training examples"

    def to_dict(self) -> dict[str, Any]:
        """Return it in words, with the numbers that are known."""
        return {"words": str(self)} | {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_dict` returned."""
        shape, mean, deviation = (
            None if plain.get(name) is None else tuple(plain[name]) for name in ("shape", "mean", "deviation")
        )
        return cls(shape=shape, divisor=plain.get("divisor"), mean=mean, deviation=deviation)
