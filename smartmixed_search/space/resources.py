"""What the cluster sets aside for one trial."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import show
from smartmixed_search.trials.plain import check_keys
from smartmixed_search.trials.rules import Numbers

AUTO = "auto"

_LEAST = 0.001
_CPUS = Numbers(text=f"a number of at least {_LEAST}", whole=False, low=_LEAST, high=sys.float_info.max)
_GPUS = Numbers(text=f"auto or a number of at least {_LEAST}, or 0", whole=False, low=0, high=sys.float_info.max)


@dataclass(frozen=True, kw_only=True)
class Resources:
    """CPUs and GPUs of one trial."""

    cpus_per_trial: float = 1.0
    gpus_per_trial: float | str = AUTO
    """A number of GPUs, or a share of one; `auto`: a share if the cluster has any, else none."""

    def to_plain(self) -> dict[str, float | str]:
        """Return what `parse_resources` reads."""
        return {"cpus_per_trial": self.cpus_per_trial, "gpus_per_trial": self.gpus_per_trial}


def parse_resources(value: object) -> Resources:
    """Read `{cpus_per_trial?, gpus_per_trial?}`.

    Raises:
        ConfigError: a key is unknown, or a value is not a number that Ray can set aside.

    """
    if not isinstance(value, Mapping):
        raise ConfigError(f"resources must be {{cpus_per_trial, gpus_per_trial}}, but got {show(value)}")
    check_keys("resources", value, ("cpus_per_trial", "gpus_per_trial"))
    default = Resources()
    return Resources(
        cpus_per_trial=_CPUS.read("cpus_per_trial", value.get("cpus_per_trial", default.cpus_per_trial)),
        gpus_per_trial=_parse_gpus(value.get("gpus_per_trial", default.gpus_per_trial)),
    )


def _parse_gpus(value: object) -> float | str:
    if value == AUTO:
        return AUTO
    number = _GPUS.read("gpus_per_trial", value)
    if 0 < number < _LEAST:
        raise ConfigError(f"gpus_per_trial must be {_GPUS.text}, but got {number}")
    if number > 1 and number != int(number):  # Ray's own rule: a trial shares one GPU or owns several
        raise ConfigError(f"gpus_per_trial must be whole above 1, but got {number}; nearest: {round(number)}")
    return number
