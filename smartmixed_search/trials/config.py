"""A trial's configuration: frozen, validated, and a plain dict wherever it crosses a process boundary."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Self

from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import one_of, show
from smartmixed_search.families import FAMILIES, family_of, format_architecture, parse_architecture
from smartmixed_search.method.activations import RIVAL_NAMES, resolve_pool
from smartmixed_search.system.plugins import is_imported
from smartmixed_search.trials.rules import DEPTH, WIDTH
from smartmixed_search.trials.settings import SETTINGS, Settings, fingerprint

SMARTMIXED = "smartmixed"
SELECTIVE = "selective"
RANDOM_MIXED = "random-mixed"
CONTROLS = (SELECTIVE, RANDOM_MIXED)

ARCHITECTURES = tuple(family.kind for family in FAMILIES.values())


def selection_epochs(phase_fraction: float, epochs: int) -> int:
    """Return the length of the selection phase in whole epochs: at least 1, and at least 1 epoch before the end."""
    return min(epochs - 1, max(1, math.floor(phase_fraction * epochs + 0.5)))


def _widths(values: Sequence[object]) -> tuple[int, ...]:
    if values:
        DEPTH.read("architecture: the number of hidden layers", len(values))
    return tuple(int(WIDTH.read("architecture: a width", value)) for value in values)


@dataclass(frozen=True, kw_only=True)
class TrialConfig(Settings):
    """The configuration of a trial: with the dataset and the device it determines the result.

    Raises:
        ConfigError: a value breaks its rule; the message names the rule and the value.

    Example:
        >>> TrialConfig(dataset="digits", architecture=(64, 32), epochs=40).selection_epochs
        5

    """

    def __post_init__(self) -> None:
        self._check_identity()
        for name, one in SETTINGS.items():
            object.__setattr__(self, name, one.rule.choice(name, getattr(self, name)))
        if isinstance(self.strategies, str):  # "all", the one word that their rule allows
            object.__setattr__(self, "strategies", (SMARTMIXED, *self.pool))
        self._add_plugins()
        self._check_strategies()

    def _check_identity(self) -> None:
        if not isinstance(self.dataset, str):
            raise ConfigError(f"dataset must be a word, but got {show(self.dataset)}")
        architecture = self.architecture
        if isinstance(architecture, str):
            architecture = parse_architecture(architecture)
        if isinstance(architecture, list | tuple):
            architecture = _widths(architecture)
        if not isinstance(architecture, ARCHITECTURES) or not architecture:
            raise ConfigError(f"architecture must be one or more widths of at least 1, but got {show(architecture)}")
        object.__setattr__(self, "architecture", architecture)

    def _add_plugins(self) -> None:
        """Name the modules that the networks need among the plugins, so that whoever runs the trial trusts them."""
        needed = family_of(self.architecture).modules(self.architecture)
        added = tuple(name for name in needed if name not in self.plugins)
        object.__setattr__(self, "plugins", (*self.plugins, *added))

    def _check_strategies(self) -> None:
        for name in ("strategies", "controls", "pool"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ConfigError(f"{name} must not name anything twice, but got {list(values)!r}")
        if all(map(is_imported, self.plugins)):  # else a record is being read, and the functions are not there
            resolve_pool(self.pool)
        for name in self.strategies:
            if name not in (SMARTMIXED, *self.pool, *RIVAL_NAMES):
                raise ConfigError(one_of("a strategy", name, (SMARTMIXED, *self.pool, *RIVAL_NAMES)))
        for name in self.controls:
            if name not in CONTROLS:
                raise ConfigError(one_of("a control", name, CONTROLS))
        if SMARTMIXED not in self.strategies:
            raise ConfigError(
                f"strategies must include 'smartmixed', the one the objective measures, but got {self.strategies!r}"
            )
        if self.objective == "margin" and not self.fixed_strategies:
            raise ConfigError(
                f"strategies must hold a fixed one beside smartmixed for objective 'margin', but got "
                f"{self.strategies!r}; add one, or use objective 'metric'"
            )

    @property
    def fixed_strategies(self) -> tuple[str, ...]:
        """The ranked strategies that apply one function of the pool."""
        return tuple(name for name in self.strategies if name not in (SMARTMIXED, *RIVAL_NAMES))

    @property
    def members(self) -> tuple[str, ...]:
        """Strategies, then controls: what one replicate of the stack trains."""
        return self.strategies + self.controls

    @property
    def splits(self) -> int:
        """How many times the data are split: for every fold of every repeat once."""
        return (self.folds or 1) * self.repeats

    @property
    def all_replicates(self) -> int:
        """Networks of each member: every seed on every split. Number r is trained on the split r modulo `splits`."""
        return self.replicates * self.splits

    @property
    def selection_epochs(self) -> int:
        """Length of the selection phase in whole epochs."""
        return selection_epochs(self.phase_fraction, self.epochs)

    @property
    def baselines(self) -> tuple[str, ...]:
        """The members that train alike however `smartmixed` selects: fixed strategies and `random-mixed`."""
        return tuple(name for name in self.members if name not in (SMARTMIXED, SELECTIVE))

    @cached_property
    def key(self) -> str:
        """Identity of the trial: hash of the configuration with the phase length in whole epochs, 16 hex digits."""
        identity = {name: value for name, value in self.to_dict().items() if name != "phase_fraction"}
        return fingerprint(identity | {"selection_epochs": self.selection_epochs}, SETTINGS)[:16]

    @cached_property
    def baseline_key(self) -> str:
        """Hash of all that the training of the `baselines` depends on; 16 hex digits."""
        names = ("dataset", "architecture", *(name for name, one in SETTINGS.items() if one.baseline))
        plain = self.to_dict()
        return fingerprint({name: plain[name] for name in names}, SETTINGS)[:16]

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, strings and lists; the architecture as `512-256-128`."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in values}
        return plain | {"architecture": format_architecture(self.architecture)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote, and validate it again.

        Raises:
            ConfigError: a key is unknown or missing, or a value breaks its rule.

        """
        known = {field.name for field in fields(cls)}
        for name in plain:
            if name not in known:
                raise ConfigError(one_of("a configuration key", name, sorted(known)))
        for name in ("dataset", "architecture"):
            if name not in plain:
                raise ConfigError(f"a configuration must name its {name}, but got none")
        return cls(**plain)
