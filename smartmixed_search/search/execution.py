"""How trials are run: where, how many at once, and what becomes of those that fail. What they are is the space's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from smartmixed_search.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How the trials of a sweep or a confirmation are run: where, how many at once, and what if one fails.

    `run_sweep` and `confirm_sweep` take one, or its fields as keyword arguments.

    Raises:
        ConfigError: a number is too small.
    """

    resources: Mapping[str, Any] | None = None
    """Which of the space's `resources` to change: `cpus_per_trial`, `gpus_per_trial`."""
    concurrency: int | None = None
    """Trials at once, at most; default: as many as the cluster holds."""
    ray_address: str | None = None
    """Address of a running Ray cluster, as `HOST:PORT` or `auto`; default: only this machine."""
    max_failures: int = 1
    """How often a trial that raises is tried again. Lost processes and nodes do not count: they have a bound of their
    own."""
    retry_failed: bool = False
    """Whether trials that have failed for good are tried once more."""
    reuse: bool = True
    """Whether trials take over baselines that an earlier trial of the sweep has trained under equal settings."""
    deterministic: bool = False
    """Whether GPUs use only deterministic algorithms, slower ones where needed; a CPU always does."""
    progress: bool = True
    """Whether the progress line is shown; it and all messages go to stderr."""

    def __post_init__(self) -> None:
        check_count("concurrency", self.concurrency, 1)
        check_count("max_failures", self.max_failures, 0)


class ExecutionOptions(TypedDict, total=False):
    """The fields of `Execution` as keyword arguments; what they mean stands there."""

    resources: Mapping[str, Any] | None
    concurrency: int | None
    ray_address: str | None
    max_failures: int
    retry_failed: bool
    reuse: bool
    deterministic: bool
    progress: bool


def check_count(name: str, value: int | None, least: int) -> None:
    """Make sure that a number that may be given is large enough.

    Raises:
        ConfigError: it is not.
    """
    if value is not None and value < least:
        raise ConfigError(f"{name} must be at least {least}, but got {value}")
