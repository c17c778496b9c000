"""What every family must do; a new one is added to `EXAMPLES`, and all tests of `test_families.py` hold it to this."""

from dataclasses import dataclass
from typing import Any

from smartmixed_search.families import FAMILIES, Family
from tests.helpers.own_networks import MODULE


@dataclass(frozen=True)
class Example:
    """An architecture of a family, with what it must come to."""

    family: Family[Any]
    text: str
    input_shape: tuple[int, ...]
    outputs: int
    depth: int | None
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
    "own": Example(
        family=FAMILIES["own"],
        text=f"own:{MODULE}:convolutional(width=6)",
        input_shape=(2, 5, 5),
        outputs=3,
        depth=None,
        units=(6, 5),
        parameters=6 * 2 * 9 + 6 + 6 + 6 + 6 * 5 + 5 + 5 * 3 + 3,
        flops=2 * (6 * 2 * 9 * 25 + 6 * 5 + 5 * 3),
        smaller=f"own:{MODULE}:convolutional(width=5)",
        wrong=("own:", f"own:{MODULE}:convolutional(6)", "9"),
    ),
}
