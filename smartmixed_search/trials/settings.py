"""The settings of a trial: one declaration each, from which everything that knows of settings derives.

To add one, declare it in `Settings`, with `later=True`, and say in README what it does. Then a configuration has and
checks it, and records hold it; a space file and `--set` may give it, unless it is `fixed` as a range or choices too;
Optuna or a random sampler proposes it, `effects` compares its values, and trials share baselines as far as it lets
them. The trials and spaces that leave it at its default keep their keys and hashes. The keys that a space has beside
these stand in `space/keys.py`.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from smartmixed_search.trials.rules import FRACTION, MetricName, Names, Rule, Words, positive_number, whole_number

PUBLISHED_SETTING: Mapping[str, float] = {"phase_fraction": 0.125, "temperature": 0.3}
"""The published values of the settings that are tuned; an architecture's first trial, if the space contains them."""

ALL = "all"
"""What `strategies` say for `smartmixed` and every function of the pool."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The facts of one setting."""

    rule: Rule
    """What its values must be, in a trial and in a space."""
    default: Any
    """What a trial has where it is not given. It never changes: records from before the setting mean it."""
    space: Any
    """What a space has where it is not given: a value, or a range or choices as a file has them.

    This may change: sweeps that were begun with the default go on with it, see `SearchSpace.former`.
    """
    fixed: bool = False
    """Whether all trials of a space have it in common."""
    proposed: bool = False
    """Whether Optuna proposes it where a space gives a range; the others it proposes only in a joint search."""
    baseline: bool = False
    """Whether the training of a fixed strategy, or of `random-mixed`, depends on it."""
    later: bool = False
    """Whether there were sweeps before it: keys and hashes leave it out while it has its default."""

    @property
    def unused(self) -> Any:
        """The default as plain data have it."""
        return list(self.default) if isinstance(self.default, tuple) else self.default


def setting(rule: Rule, default: Any = None, *, make: Callable[[], Any] | None = None, **facts: Any) -> Any:
    """Declare a setting as the field of a dataclass.

    Args:
        rule: see `Setting`.
        default: see `Setting`.
        make: makes a default that takes long to load.
        facts: what else a `Setting` has; a space's default is a trial's unless it is given.

    """
    metadata = {Setting: Setting(rule=rule, default=default, **{"space": default, **facts})}
    return field(default=default, metadata=metadata) if make is None else field(default_factory=make, metadata=metadata)


def settings_of(kind: type) -> dict[str, Setting]:
    """Return the settings that a dataclass declares, by name, in their order."""
    return {one.name: one.metadata[Setting] for one in fields(kind) if Setting in one.metadata}


def fingerprint(plain: Mapping[str, Any], settings: Mapping[str, Setting]) -> str:
    """Return the hash of plain data, but for settings that came later and are not used: 64 hex digits."""
    unused = {key: one.unused for key, one in settings.items() if one.later}
    told = {key: value for key, value in plain.items() if key not in unused or value != unused[key]}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _pools() -> Mapping[str, tuple[str, ...]]:
    from smartmixed_search.method.functions import POOLS  # and torch, which takes seconds

    return POOLS


def _published_pool() -> tuple[str, ...]:
    return _pools()["published"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that a trial is told; `TrialConfig` is it, checked and identified."""

    dataset: str
    """Name of the dataset, as its `Dataset.name` says."""
    architecture: Any
    """One network of a family: hidden widths, or `families.own`; its canonical name is read too."""
    phase_fraction: float = setting(
        FRACTION, PUBLISHED_SETTING["phase_fraction"], space={"low": 0.05, "high": 0.5}, proposed=True
    )
    """Share of the epochs spent in the selection phase, in (0, 1)."""
    temperature: float = setting(
        positive_number(),
        PUBLISHED_SETTING["temperature"],
        space={"low": 0.1, "high": 3.0, "log": True},
        proposed=True,
    )
    """Gumbel-Softmax temperature at the first selection step."""
    temperature_final: float | None = setting(positive_number(optional=True), proposed=True)
    """Temperature at the last selection step, reached exponentially; None: constant."""
    epochs: int = setting(whole_number(2), 30, baseline=True)
    """Epochs of both phases together, at least 2."""
    learning_rate: float = setting(positive_number(), 1e-3, baseline=True)
    """Adam's learning rate for weights and biases."""
    logit_learning_rate: float | str | None = setting(positive_number("auto", optional=True), space="auto")
    """Adam's learning rate for the selection logits; `auto`: such that they can travel far enough to decide, see
    `selection_rate.logit_rate`; None: `learning_rate`, the published reading."""
    batch_size: int = setting(whole_number(1), 128, baseline=True)
    """Examples per optimiser step; the last, partial batch of an epoch is trained on."""
    train_examples: int | None = setting(whole_number(1, optional=True), baseline=True, later=True)
    """How many of the training examples are used, at most, see `Dataset.limited`; None: all."""
    replicates: int = setting(whole_number(1), 1, fixed=True)
    """Seeds per strategy, for every split of the data."""
    folds: int | None = setting(whole_number(2, optional=True), fixed=True, baseline=True, later=True)
    """Into how many folds the examples are divided, each of which tests once; None: there is one test part."""
    repeats: int = setting(whole_number(1), 1, fixed=True, baseline=True, later=True)
    """How often the examples are split, or divided into folds, each time by other random numbers."""
    strategies: tuple[str, ...] = setting(Names(word=ALL), ALL, fixed=True)
    """The ranked strategies: `smartmixed`, functions of the pool, and learned rivals, see `method.rivals`."""
    controls: tuple[str, ...] = setting(Names(optional=True), (), fixed=True)
    """Trained beside the strategies, never ranked: `selective`, `random-mixed`."""
    pool: tuple[str, ...] = setting(Names(lists=_pools), make=_published_pool, fixed=True, baseline=True)
    """Candidate functions of the selection, in order, or the name of a pool, see `method.functions.POOLS`; a space has
    the published ones and all that are registered, unless it says which."""
    granularity: str = setting(Words(words=("unit", "layer", "network")), "unit", baseline=True, later=True)
    """What chooses: every `unit`, all units of a `layer` (a site) together, or all of the `network`."""
    clip_norm: float = setting(positive_number(), 1.0, baseline=True)
    """Largest gradient norm of one network; a larger gradient is scaled down to it."""
    clamp: float | None = setting(positive_number(optional=True))
    """Bound on the magnitude of every candidate's output while selecting; None: no clamp."""
    estimator: str = setting(Words(words=("hard", "soft")), "hard")
    """`hard`: straight-through one-hot samples; `soft`: the relaxed sample itself."""
    output: str = setting(Words(words=("logits", "softmax")), "logits", baseline=True)
    """What the cross-entropy receives: `logits`, or their `softmax` (the published code applies it twice)."""
    handoff: str = setting(Words(words=("inherit", "reinitialize")), "inherit")
    """At the handoff keep weights and optimiser moments (`inherit`) or draw new ones (`reinitialize`)."""
    handoff_from: str = setting(Words(words=("last", "best")), "last")
    """Which selection epoch hands off: the `last`, or the `best` by validation loss."""
    evaluation: str = setting(Words(words=("argmax", "sampled")), "argmax")
    """What validates a selecting network each epoch: its `argmax` choice, or `sampled` choices. Both are recorded."""
    class_weight: str = setting(Words(words=("none", "balanced")), "none", baseline=True, later=True)
    """What an example counts in the loss: all alike, or `balanced`, such that classes count alike together."""
    metric: str | None = setting(MetricName(), fixed=True, baseline=True, later=True)
    """What ranks, such as `macro_f1`, or `module:function`; None: the task's first, accuracy or RMSE."""
    objective: str = setting(Words(words=("margin", "metric", "accuracy")), "margin", fixed=True)
    """What tuning improves: SmartMixed's `margin` over the best fixed strategy, or its value of the `metric`
    (validation); `accuracy` is the metric where that is accuracy."""
    precision: str = setting(Words(words=("float32", "tf32", "bf16")), "float32", baseline=True)
    """Of the matrix products: `float32`; `tf32`, where a GPU has it; or `bf16` inputs. All else is float32."""
    seed: int = setting(whole_number(0, 2**63 - 1), 0, fixed=True, baseline=True)
    """Seed from which every stream of every replicate derives."""
    plugins: tuple[str, ...] = setting(Names(), (), fixed=True, baseline=True)
    """Modules that register functions of the pool, to be imported before the trial runs: see `plugins`."""


SETTINGS: Mapping[str, Setting] = settings_of(Settings)
"""Every setting of a trial, by name; dataset and architecture, which every trial has to name, are none."""
