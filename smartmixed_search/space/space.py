"""The search space: what a sweep may try, read from YAML or a dict, validated, and resolved to the last default."""

import itertools
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import yaml

from smartmixed_search.datasets import Dataset, dataset_name, load_dataset
from smartmixed_search.datasets.tables.frames import is_frame
from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import show
from smartmixed_search.space.architectures import Architectures, parse_architectures
from smartmixed_search.space.fields import Constant, Field, parse_field
from smartmixed_search.space.files import find_space, read_space_file, shipped_spaces
from smartmixed_search.space.grid import Grid
from smartmixed_search.space.keys import (
    ASHA,
    DATA,
    FREE,
    GRID,
    JOINT,
    SEARCH,
    DataSettings,
    SearchSettings,
    as_read,
    check_plain,
)
from smartmixed_search.space.options import parse_options
from smartmixed_search.space.resources import Resources, parse_resources
from smartmixed_search.space.schedule import check_rungs, rungs, selection_lengths
from smartmixed_search.tasks.metric import Metric
from smartmixed_search.tasks.task import Task
from smartmixed_search.tasks.weighted import classes_to_balance
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.metrics import metric_of
from smartmixed_search.trials.plain import Value
from smartmixed_search.trials.rules import COUNT_LIMIT, whole_number
from smartmixed_search.trials.settings import PUBLISHED_SETTING, SETTINGS, fingerprint

__all__ = ["SearchSpace", "shipped_spaces"]

DEFAULT_ARCHITECTURES = 12
"""How many sampled architectures are drawn, unless the space says so or has fewer."""

_VARYING = {key: one for key, one in SETTINGS.items() if not one.fixed}
_PROPOSED = tuple(key for key, one in _VARYING.items() if one.proposed)
_CHANGED = tuple(key for key, one in _VARYING.items() if one.space != one.default)

_NAME_LENGTH = 80
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, kw_only=True)
class SearchSpace(DataSettings, SearchSettings):
    """A search space: everything a sweep may try, with every default filled in.

    Make one by `load` or `from_dict`, which validate it.

    Example:
        >>> SearchSpace.from_dict({"dataset": "digits", "architecture": "16-8", "epochs": 4}).settings["epochs"]
        Constant(value=4)
    """

    name: str
    dataset: str
    """A dataset's name, or the path of a file."""
    architecture: Architectures
    architectures: int | None
    """How many architectures are drawn; None: Optuna proposes them (a joint search of sampled architectures)."""
    trials: int
    """Distinct configurations to settle."""
    settings: Mapping[str, Field]
    """The fields of a trial that may vary, numbers and words: constants, ranges, choices."""
    options: Mapping[str, Any]
    """The other fields of `TrialConfig`, equal in all trials."""
    resources: Resources
    unsaid: tuple[str, ...] = field(default=(), compare=False)
    """Keys that were not given, of those whose default has changed."""

    @classmethod
    def load(cls, name_or_path: str | Path, overrides: Mapping[str, Any] | None = None) -> Self:
        """Load a shipped space by its name, or a file by its path.

        `overrides` replace keys of the file before anything is validated, those under `resources` one by one; None
        stands for "not given".

        Raises:
            ConfigError: there is no such space, or it breaks a rule.
            DatasetError: its dataset is unknown.

        """
        path = find_space(str(name_or_path))
        return cls.from_dict(_overridden(read_space_file(path), overrides or {}), name=path.stem)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any], name: str = "space") -> Self:
        """Validate a space given as plain data, as a space file has it or `to_dict` wrote it.

        `name` is that of the space unless it says its own; characters that a name cannot have become `-`.

        Raises:
            ConfigError: a key is unknown or missing, or a value breaks its rule.
            DatasetError: its dataset is unknown.

        """
        check_plain(plain)
        if plain.get("dataset") is None:
            raise ConfigError("a space must have the key dataset, but it is missing")
        how = {key: one.rule.choice(key, plain.get(key, one.space)) for key, one in {**DATA, **SEARCH}.items()}
        sampler, joint = how["sampler"], how["search"] == JOINT
        if joint and sampler == GRID:
            raise ConfigError("sampler must be tpe or random for search 'joint', but got 'grid'")
        said = {**_defaults(sampler, how["scheduler"]), **plain}
        settings = {key: parse_field(key, said[key], one.rule) for key, one in _VARYING.items()}
        architecture = parse_architectures(plain)
        architectures = _count_architectures(plain.get("architectures"), architecture, joint=joint)
        trials = (architectures or DEFAULT_ARCHITECTURES) * (_grid(settings).size if sampler == GRID else 1)
        space = cls(
            name=_name(plain.get("name"), name),
            dataset=_dataset(plain["dataset"]),
            architecture=architecture,
            architectures=architectures,
            trials=int(whole_number(1).read("trials", plain.get("trials", trials))),
            settings=settings,
            options=parse_options(plain, architecture.modules),
            **how,
            resources=parse_resources(plain.get("resources", {})),
            unsaid=tuple(key for key in _CHANGED if key not in plain),
        )
        for extreme in (0, 1):  # values that are valid one by one may still not fit together
            space.config((1,), {key: field.extremes[extreme] for key, field in settings.items()})
        for task in [space.task] if space.task else []:
            metric_of(space.options["metric"], space.options["objective"], task)
        if space.scheduler == ASHA:
            check_rungs(space.settings, space.options["strategies"])
        return space

    def to_dict(self) -> dict[str, Any]:
        """Return the resolved space as plain data that `from_dict` reads."""
        return {
            "name": self.name,
            "dataset": self.dataset,
            **{key: getattr(self, key) for key in DATA},
            **self.architecture.to_plain(),
            "architectures": self.architectures,
            "trials": self.trials,
            **{key: field.to_plain() for key, field in self.settings.items()},
            **{key: list(value) if isinstance(value, tuple) else value for key, value in self.options.items()},
            **{key: getattr(self, key) for key in SEARCH},
            "resources": self.resources.to_plain(),
        }

    def to_yaml(self) -> str:
        """Return the resolved space as a space file."""
        text: str = yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)
        return text

    @property
    def hash(self) -> str:
        """Hash of everything but name, number of trials, resources and where the dataset lies; 64 hex digits."""
        plain = self.to_dict() | {"dataset": dataset_name(self.dataset)}
        return fingerprint(
            {key: value for key, value in plain.items() if key not in FREE}, {**DATA, **SETTINGS, **SEARCH}
        )

    def load_dataset(self, data_dir: str | Path | None = None, moved: str | None = None) -> Dataset:
        """Load its dataset; see `datasets.load_dataset`.

        Args:
            data_dir: where image datasets are.
            moved: where the dataset's file is now, if not where the space has it.
        """
        return load_dataset(moved or self.dataset, data_dir, **as_read(self.to_dict()))

    def metric_for(self, task: Task) -> Metric:
        """Return what ranks the networks of its trials, where they learn a task.

        Raises:
            ConfigError: the space's metric, objective, output or class weight is none of the task's.
        """
        outputs = self.settings["output"]
        for place in range(outputs.size or 0):
            task.receiving(str(outputs.at(place)))
        weights = self.settings["class_weight"]
        if "balanced" in [weights.at(place) for place in range(weights.size or 0)]:
            classes_to_balance(task)
        return metric_of(self.options["metric"], self.options["objective"], task.name)

    @property
    def former(self) -> Self:
        """The same space with the defaults that were in force at first."""
        before = {key: Constant(value=SETTINGS[key].default) for key in self.unsaid}
        return replace(self, settings={**self.settings, **before}, unsaid=())

    @property
    def default_sweep_name(self) -> str:
        """Name of a sweep over this space that is given none."""
        return f"{self.name}-{self.hash[:6]}"

    @property
    def seed(self) -> int:
        """Seed of every draw, and of every trial."""
        return int(self.options["seed"])

    @property
    def tunable(self) -> tuple[str, ...]:
        """The settings that Optuna proposes."""
        wanted = self.settings if self.search == JOINT else _PROPOSED
        return tuple(key for key in wanted if not isinstance(self.settings[key], Constant))

    @property
    def drawn(self) -> tuple[str, ...]:
        """The settings that a seeded random sampler draws."""
        varying = (key for key, field in self.settings.items() if not isinstance(field, Constant))
        return tuple(key for key in varying if key not in self.tunable)

    @property
    def rungs(self) -> tuple[int, ...]:
        """After how many epochs trials are compared, and some stopped; none without the scheduler `asha`."""
        return rungs(self.settings) if self.scheduler == ASHA else ()

    def selection_lengths(self, epochs: int) -> tuple[int, ...]:
        """Return how long trials of that many epochs may select; see `schedule.selection_lengths`."""
        return selection_lengths(self.settings, epochs)

    @property
    def contains_published(self) -> bool:
        """Whether the published phase fraction and temperature are among those the space may try."""
        return _contains_published(self.settings)

    @property
    def grid(self) -> Grid:
        """Every combination of the settings, the published one first.

        Raises:
            ConfigError: a setting is a range without a step.

        """
        return _grid(self.settings)

    def draw_architectures(self) -> Iterator[Any]:
        """Yield the architectures, distinct, each as late as it is asked for.

        An architecture depends on the seed and on its place, not on how many are drawn.
        """
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, zlib.crc32(b"architectures")]))
        return itertools.islice(self.architecture.draw(rng), self.architectures)

    def draw_settings(self, rng: np.random.Generator) -> dict[str, Value]:
        """Draw a value for each of the `drawn` settings."""
        return {key: self.settings[key].draw(rng) for key in self.drawn}

    def config(self, architecture: object, values: Mapping[str, Value]) -> TrialConfig:
        """Return the configuration of a trial, given values for every setting that is not constant."""
        constants: dict[str, Any] = {
            key: field.value for key, field in self.settings.items() if isinstance(field, Constant)
        }
        return TrialConfig(
            dataset=dataset_name(self.dataset), architecture=architecture, **self.options, **(constants | dict(values))
        )


def _defaults(sampler: str, scheduler: str) -> dict[str, Any]:
    """Return what a space's settings say where they do not.

    A grid, which needs steps, keeps to one phase setting; asha, which compares trials only when the longest selection
    is over, to one phase fraction.
    """
    kept = PUBLISHED_SETTING if sampler == GRID else {}
    early = {"phase_fraction": PUBLISHED_SETTING["phase_fraction"]} if scheduler == ASHA else {}
    return {**{key: one.space for key, one in _VARYING.items()}, **kept, **early}


def _overridden(plain: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    given = {key: value for key, value in overrides.items() if value is not None}
    resources, kept = given.get("resources"), plain.get("resources", {})
    if isinstance(resources, Mapping) and isinstance(kept, Mapping):
        given["resources"] = {**kept, **{key: value for key, value in resources.items() if value is not None}}
    return {**plain, **given}


def _name(given: object, fallback: str) -> str:
    if given is None:
        return re.sub(r"[^A-Za-z0-9._-]", "-", fallback).lstrip("._-")[:_NAME_LENGTH] or "space"
    if not isinstance(given, str) or not _NAME.fullmatch(given) or len(given) > _NAME_LENGTH:
        raise ConfigError(
            f"name must be up to {_NAME_LENGTH} letters, digits, '.', '_' and '-', starting with a letter or digit, "
            f"but got {show(given)}"
        )
    return given


def _dataset(value: object) -> str:
    if not isinstance(value, str):
        what = 'a table in memory; save it: frame.to_parquet("mine.parquet")' if is_frame(value) else show(value)
        raise ConfigError(f"dataset must be a name or the path of a file, but got {what}")
    dataset_name(value)
    return value


def _count_architectures(given: object, architecture: Architectures, *, joint: bool) -> int | None:
    """Return how many architectures are drawn; None: Optuna proposes them."""
    if joint and architecture.searched:
        if given is not None:
            raise ConfigError(
                f"architectures must be left out of search 'joint', which samples its own, but got {show(given)}"
            )
        return None
    if given is None:
        enough = DEFAULT_ARCHITECTURES if architecture.searched else COUNT_LIMIT
        return min(enough, architecture.count(enough))
    wanted = int(whole_number(1).read("architectures", given))
    most = architecture.count(wanted)
    if wanted > most:
        raise ConfigError(f"architectures must be at most {most}, as many as there are, but got {wanted}")
    return wanted


def _contains_published(settings: Mapping[str, Field]) -> bool:
    return all(settings[key].contains(value) for key, value in PUBLISHED_SETTING.items())


def _grid(settings: Mapping[str, Field]) -> Grid:
    return Grid(fields=settings, first=PUBLISHED_SETTING if _contains_published(settings) else {})
