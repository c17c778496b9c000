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
    "conv of images": Example(
        family=FAMILIES["conv"],
        text="conv(stages=2, width=3, residual=True)",
        input_shape=(2, 5, 6),
        outputs=4,
        depth=6,
        units=(3, 3, 3, 6, 6, 6),
        parameters=(2 + 3 + 3) * 3 * 9 + 3 * 6 + (3 + 6 + 6) * 6 * 9 + 3 * 12 + 6 * 4 + 4,
        flops=2 * (2 * 3 * 9 * 30 + 2 * 3 * 3 * 9 * 9 + 3 * 6 * 9 * 9 + 2 * 6 * 6 * 9 * 4 + 6 * 4),
        smaller="conv(stages=1, width=30)",
        wrong=("conv", "conv(3)", "conv(stages=2)", "conv(stages=2, width=0)", "conv(stages=2, width=4, kernel=2)"),
    ),
    "conv of rows": Example(
        family=FAMILIES["conv"],
        text="conv(stages=2, width=3, kernel=5, norm='none', pool='stride')",
        input_shape=(9,),
        outputs=2,
        depth=2,
        units=(3, 6),
        parameters=3 * 5 + 3 + 3 * 6 * 5 + 6 + 6 * 2 + 2,
        flops=2 * (3 * 5 * 5 + 3 * 6 * 5 * 3 + 6 * 2),
        smaller="conv(stages=2, width=2)",
        wrong=(
            "conv(stages=2, width=3, norm='layer')",
            "conv(stages=2, width=3, residual=1)",
            "conv(deep=3)",
        ),
    ),
    "mixer": Example(
        family=FAMILIES["mixer"],
        text="mixer(patch=2, width=6, depth=1)",
        input_shape=(1, 4, 3),
        outputs=2,
        depth=1,
        units=(8, 12),
        parameters=4 * 6 + 6 + 2 * 12 + (4 * 8 + 8 + 8 * 4 + 4) + (6 * 12 + 12 + 12 * 6 + 6) + 12 + 6 * 2 + 2,
        flops=2 * (4 * 4 * 6 + 6 * 2 * 4 * 8 + 4 * 2 * 6 * 12 + 6 * 2),
        smaller="mixer(patch=1, width=6, depth=1)",
        wrong=("mixer", "mixer(patch=2, width=6)"),
    ),
    "transformer": Example(
        family=FAMILIES["transformer"],
        text="transformer(patch=3, width=4, depth=2, heads=2)",
        input_shape=(8,),
        outputs=2,
        depth=2,
        units=(16, 16),
        parameters=3 * 4 + 4 + 3 * 4 + 2 * (4 * 12 + 12 + 4 * 4 + 4 + 2 * 8 + 4 * 16 + 16 + 16 * 4 + 4) + 8 + 4 * 2 + 2,
        flops=2 * (3 * 3 * 4 + 2 * (3 * 4 * 12 + 2 * 2 * 3 * 3 * 2 + 3 * 4 * 4 + 2 * 3 * 4 * 16) + 4 * 2),
        smaller="transformer(patch=3, width=2, depth=9, heads=1)",
        wrong=("transformer(patch=3, width=5, depth=2)", "transformer(patch=3, width=4, depth=2, heads=0)"),
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
