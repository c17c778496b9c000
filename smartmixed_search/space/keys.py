"""The keys of a space file, and those of them that say how a space is searched.

The settings of its trials are declared in `trials/settings.py`; here stands what a space has beside them. To add a key
of one value, declare it in `SearchSettings` or `DataSettings`, with `later=True`, and say in README what it does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smartmixed_search.trials.plain import check_keys
from smartmixed_search.trials.rules import NamedBy, Pictures, Text, WordFor, Words
from smartmixed_search.trials.settings import SETTINGS, Setting, setting, settings_of

TPE, RANDOM, GRID = "tpe", "random", "grid"
JOINT = "joint"
ASHA = "asha"
COLUMN_KINDS = ("number", "boolean", "date", "category", "ignore")
"""What a table's column can be, see `datasets.tables.columns.KINDS`: without numpy, which takes a while."""

TASKS = ("classification", "regression")
"""What may be learned, see `datasets.targets`."""
SPLIT_KINDS = ("group", "time", "column")
"""By what a column can split, see `datasets.parts.KINDS`."""


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """How a table is read."""

    target: str | None = setting(Text(), later=True)
    """The column to predict."""
    task: str | None = setting(Words(words=TASKS, optional=True), later=True)
    """Whether classes are learned, or numbers; None: as the targets look."""
    columns: Mapping[str, str] | None = setting(WordFor(words=COLUMN_KINDS), later=True)
    """Kinds of columns that are not to be inferred, by name."""
    split: Mapping[str, str] | None = setting(NamedBy(words=SPLIT_KINDS), later=True)
    """The column by which examples are split: whose no two parts share, of which the newest test, or that says it."""
    weight: str | None = setting(Text(), later=True)
    """The column that says what each row counts in the loss."""
    image: Mapping[str, Any] | None = setting(Pictures(), later=True)
    """What images are made: `size`, `channels`, and the `range` of floating-point ones."""


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """How a space is searched."""

    sampler: str = setting(Words(words=(TPE, RANDOM, GRID)), TPE)
    """What proposes: Optuna's `tpe`, chance (`random`), or every combination in turn (`grid`)."""
    search: str = setting(Words(words=("settings", JOINT)), "settings")
    """What Optuna proposes: certain `settings`, or everything (`joint`)."""
    scheduler: str = setting(Words(words=("none", ASHA)), "none", later=True)
    """`asha` stops trials early that trail behind."""


DATA: Mapping[str, Setting] = settings_of(DataSettings)
SEARCH: Mapping[str, Setting] = settings_of(SearchSettings)

NETWORK = ("network", "network_settings", "sites")
"""Those that name networks of a user's own, in the place of `architecture`."""

SPACE_KEYS = (
    *("name", "dataset", *DATA, "architecture", *NETWORK, "architectures", "trials"),
    *(*SETTINGS, *SEARCH, "resources"),
)
"""Every key that a space may have."""
FREE = ("name", "trials", "resources")
"""Those that may differ between two spaces that are the same otherwise: its hash leaves them out."""

_UNUSED = {key: one.unused for key, one in {**DATA, **SETTINGS, **SEARCH}.items() if one.later}


def check_plain(space: Mapping[str, Any]) -> None:
    """Refuse what can be refused before anything is loaded: unknown keys, and single values that break their rule.

    Raises:
        ConfigError: a key or a value is refused.

    """
    check_keys("a space", space, SPACE_KEYS)
    for key, one in {**DATA, **SETTINGS, **SEARCH}.items():
        if key in space and not isinstance(space[key], Mapping | list | tuple):
            one.rule.choice(key, space[key])


def as_recorded(space: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `SearchSpace.to_dict` wrote, and of the keys that have come since, what their absence means."""
    return {**_UNUSED, **space}


def as_read(space: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `load_dataset` is told of a recorded space, beside the dataset and where image datasets are."""
    known = as_recorded(space)
    return {key: known[key] for key in (*DATA, "folds", "repeats")}
