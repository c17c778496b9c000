"""How examples of any dataset are prepared, as it is recorded with what was trained on them."""

from collections.abc import Mapping
from typing import Any

from smartmixed_search.datasets.embedded import EMBEDDED
from smartmixed_search.datasets.mnist import FOLDERS, LARGEST
from smartmixed_search.datasets.preparation import Preparation
from smartmixed_search.datasets.tables.preparation import TablePreparation

AnyPreparation = Preparation | TablePreparation


def read_preparation(plain: Mapping[str, Any]) -> AnyPreparation:
    """Read what a preparation's `to_dict` returned."""
    return TablePreparation.from_dict(plain) if "features" in plain else Preparation.from_dict(plain)


def preparation_of(dataset: str) -> Preparation:
    """Return what a dataset's name tells: of networks that were recorded without their preparation."""
    return Preparation(divisor=LARGEST if dataset in FOLDERS else EMBEDDED.get(dataset))
