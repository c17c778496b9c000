"""What every family must do; a new one is added to `EXAMPLES`, and all tests of `test_families.py` hold it to this."""

from dataclasses import dataclass
from typing import Any

from smartmixed_search.families import FAMILIES, Family


@dataclass(frozen=True)
class Example:
    """An architecture of a family, with what it must come to."""

    family: Family[Any]
    text: str
    input_shape: tuple[int, ...]
    outputs: int
    depth: int
    units: tuple[int, ...]
    parameters: int
    flops: int
    smaller: str
    """Another architecture, that is sorted before it."""
    wrong: tuple[str, ...]
    """What names no architecture of the family."""


EXAMPLES = {
    "mlp": Example(
        family=FAMILIES["mlp"],
        text="9-7",
        input_shape=(6,),
        outputs=3,
        depth=2,
        units=(9, 7),
        parameters=6 * 9 + 9 + 9 * 7 + 7 + 7 * 3 + 3,
        flops=2 * (6 * 9 + 9 * 7 + 7 * 3),
        smaller="100",
        wrong=("", "9-", "0", "a", "9x7"),
    ),
    "mlp of images": Example(
        family=FAMILIES["mlp"],
        text="5",
        input_shape=(2, 3, 4),
        outputs=2,
        depth=1,
        units=(5,),
        parameters=24 * 5 + 5 + 5 * 2 + 2,
        flops=2 * (24 * 5 + 5 * 2),
        smaller="4",
        wrong=("-",),
    ),
}
