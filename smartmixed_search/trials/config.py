"""A trial's configuration: frozen, validated, and a plain dict wherever it crosses a process boundary."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Self

from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import one_of
from smartmixed_search.families import format_architecture, parse_architecture
from smartmixed_search.method.activations import PUBLISHED_POOL, resolve_pool
from smartmixed_search.system.plugins import is_imported
from smartmixed_search.trials.rules import CHOICES, COUNTS, DEPTH, SETTINGS, WIDTH

SMARTMIXED = "smartmixed"
SELECTIVE = "selective"
RANDOM_MIXED = "random-mixed"
CONTROLS = (SELECTIVE, RANDOM_MIXED)

PUBLISHED_PHASE_FRACTION = 0.125
PUBLISHED_TEMPERATURE = 0.3


def selection_epochs(phase_fraction: float, epochs: int) -> int:
    """Return the length of the selection phase in whole epochs: at least 1, and at least 1 epoch before the end."""
    return min(epochs - 1, max(1, math.floor(phase_fraction * epochs + 0.5)))


@dataclass(frozen=True, kw_only=True)
class TrialConfig:
    """The configuration of a trial: with the dataset and the device it determines the result.

    Raises:
        ConfigError: a value breaks its rule; the message names the rule and the value.

    Example:
        >>> TrialConfig(dataset="digits", architecture=(64, 32), epochs=40).selection_epochs
        5

    """

    dataset: str
    """Name of the dataset, as its `Dataset.name` says."""
    architecture: tuple[int, ...]
    """Hidden widths."""
    phase_fraction: float = PUBLISHED_PHASE_FRACTION
    """Share of the epochs spent in the selection phase, in (0, 1)."""
    temperature: float = PUBLISHED_TEMPERATURE
    """Gumbel-Softmax temperature at the first selection step."""
    temperature_final: float | None = None
    """Temperature at the last selection step, reached exponentially; None: constant."""
    epochs: int = 30
    """Epochs of both phases together, at least 2."""
    learning_rate: float = 1e-3
    """Adam's learning rate for weights and biases."""
    logit_learning_rate: float | str | None = None
    """Adam's learning rate for the selection logits; `auto`: such that they can travel far enough to decide, see
    `selection_rate.logit_rate`; None: `learning_rate`, the published reading."""
    batch_size: int = 128
    """Examples per optimiser step; the last, partial batch of an epoch is trained on."""
    train_examples: int | None = None
    """How many of the training examples are used, at most, see `Dataset.limited`; None: all."""
    replicates: int = 1
    """Seeds per strategy."""
    strategies: tuple[str, ...] = (SMARTMIXED, *PUBLISHED_POOL)
    """The ranked strategies: `smartmixed` and functions of the pool."""
    controls: tuple[str, ...] = ()
    """Trained beside the strategies, never ranked: `selective`, `random-mixed`."""
    pool: tuple[str, ...] = PUBLISHED_POOL
    """Candidate functions of the selection, in order."""
    clip_norm: float = 1.0
    """Largest gradient norm of one network; a larger gradient is scaled down to it."""
    clamp: float | None = None
    """Bound on the magnitude of every candidate's output while selecting; None: no clamp."""
    estimator: str = "hard"
    """`hard`: straight-through one-hot samples; `soft`: the relaxed sample itself."""
    output: str = "logits"
    """What the cross-entropy receives: `logits`, or their `softmax` (the published code applies it twice)."""
    handoff: str = "inherit"
    """At the handoff keep weights and optimiser moments (`inherit`) or draw new ones (`reinitialize`)."""
    handoff_from: str = "last"
    """Which selection epoch hands off: the `last`, or the `best` by validation loss."""
    evaluation: str = "argmax"
    """What validates a selecting network each epoch: its `argmax` choice, or `sampled` choices. Both are recorded."""
    objective: str = "margin"
    """What tuning maximises: SmartMixed's `margin` over the best fixed strategy, or its `accuracy` (validation)."""
    precision: str = "float32"
    """Of the matrix products: `float32`; `tf32`, where a GPU has it; or `bf16` inputs. All else is float32."""
    seed: int = 0
    """Seed from which every stream of every replicate derives."""
    plugins: tuple[str, ...] = ()
    """Modules that register functions of the pool, to be imported before the trial runs: see `plugins`."""

    def __post_init__(self) -> None:
        for name in ("architecture", "strategies", "controls", "pool", "plugins"):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        if isinstance(self.architecture, str):
            object.__setattr__(self, "architecture", parse_architecture(self.architecture))
        self._check_types()
        self._check_numbers()
        for name, options in CHOICES.items():
            if getattr(self, name) not in options:
                raise ConfigError(one_of(name, getattr(self, name), options))
        self._check_strategies()

    def _check_types(self) -> None:
        for name, wanted in _TYPES.items():
            value = getattr(self, name)
            if not isinstance(value, wanted):
                rule = "a list" if wanted is tuple else "a word"
                raise ConfigError(f"{name} must be {rule}, but got {value!r}")
        for name in ("strategies", "controls", "pool", "plugins"):
            if not all(isinstance(item, str) for item in getattr(self, name)):
                raise ConfigError(f"{name} must be a list of names, but got {getattr(self, name)!r}")
        widths = self.architecture
        if not widths or not all(isinstance(w, int) and not isinstance(w, bool) and w >= 1 for w in widths):
            raise ConfigError(f"architecture must be one or more widths of at least 1, but got {widths!r}")

    def _check_numbers(self) -> None:
        for name, rule in _NUMBERS.items():
            object.__setattr__(self, name, rule.choice(name, getattr(self, name)))
        DEPTH.read("architecture: the number of hidden layers", len(self.architecture))
        WIDTH.read("architecture: a width", max(self.architecture))

    def _check_strategies(self) -> None:
        for name in ("strategies", "controls", "pool"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ConfigError(f"{name} must not name anything twice, but got {list(values)!r}")
        if all(map(is_imported, self.plugins)):  # else a record is being read, and the functions are not there
            resolve_pool(self.pool)
        for name in self.strategies:
            if name not in (SMARTMIXED, *self.pool):
                raise ConfigError(one_of("a strategy", name, (SMARTMIXED, *self.pool)))
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
                f"{self.strategies!r}; add one, or use objective 'accuracy'"
            )

    @property
    def fixed_strategies(self) -> tuple[str, ...]:
        """The ranked strategies but `smartmixed`."""
        return tuple(name for name in self.strategies if name != SMARTMIXED)

    @property
    def members(self) -> tuple[str, ...]:
        """Strategies, then controls: what one replicate of the stack trains."""
        return self.strategies + self.controls

    @property
    def selection_epochs(self) -> int:
        """Length of the selection phase in whole epochs."""
        return selection_epochs(self.phase_fraction, self.epochs)

    @cached_property
    def key(self) -> str:
        """Identity of the trial: hash of the configuration with the phase length in whole epochs, 16 hex digits."""
        identity = {name: value for name, value in self.to_dict().items() if name != "phase_fraction"}
        identity["selection_epochs"] = self.selection_epochs
        return _hash(identity)

    @cached_property
    def baseline_key(self) -> str:
        """Hash of all that the training of a fixed strategy, or of `random-mixed`, depends on; 16 hex digits."""
        plain = self.to_dict()
        return _hash({name: plain[name] for name in _BASELINE_FIELDS})

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


def _hash(plain: Mapping[str, Any]) -> str:
    # A field that was not there when a sweep began must not change what its trials are called.
    plain = {name: value for name, value in plain.items() if (name, value) != ("train_examples", None)}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


_BASELINE_FIELDS = (
    *("dataset", "architecture", "epochs", "learning_rate", "batch_size", "train_examples", "clip_norm"),
    *("pool", "plugins", "output", "precision", "seed"),
)
_NUMBERS = {**SETTINGS, **COUNTS}
_TYPES: dict[str, type] = {
    "dataset": str,
    **dict.fromkeys(("architecture", "strategies", "controls", "pool", "plugins"), tuple),
    **dict.fromkeys(CHOICES, str),
}
