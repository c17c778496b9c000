"""How raw examples become what a network takes: a network used elsewhere must be given the same, and cannot tell."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from smartmixed_search.datasets.images.reading import Reading


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

    classes: tuple[str, ...] | None = None
    """The names of the classes 0 … C-1; None: these numbers."""
    reading: Reading | None = None
    """How the bytes of an image are made from a file; None: they are not of files, or it is no image."""
    layout: str | None = None
    """Of arrays of images: `NCHW`, `NHWC` or `NHW`; None: as `shape` says."""

    target_mean: tuple[float, ...] | None = None
    """Of numbers to predict, by target; networks answer in deviations from it. None: classes are learned."""
    target_deviation: tuple[float, ...] | None = None
    """Their standard deviation in training."""

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
            read = f"; an image file is {self.reading}" if self.reading is not None else ""
            laid = f"; of arrays laid out {self.layout}" if self.layout is not None else ""
            return f"{flattened}divided by {self.divisor:g}{read}{laid}"
        return f"{flattened}each feature less its mean, divided by its standard deviation, of the training examples"

    def to_dict(self) -> dict[str, Any]:
        """Return it in words, with the numbers that are known."""
        return {"words": str(self)} | {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_dict` returned."""
        known = {one.name: plain[one.name] for one in fields(cls) if plain.get(one.name) is not None}
        reading = {"reading": Reading.of(known["reading"])} if "reading" in known else {}
        lists = {name: tuple(value) for name, value in known.items() if isinstance(value, list | tuple)}
        return cls(**known | lists | reading)
