"""A space's options: the fields of `TrialConfig` that are neither its identity nor settings to search over."""

from collections.abc import Mapping, Sequence
from typing import Any

from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import show
from smartmixed_search.method.activations import registered_activations
from smartmixed_search.system.plugins import import_plugins
from smartmixed_search.trials.config import SMARTMIXED
from smartmixed_search.trials.plain import read_word
from smartmixed_search.trials.rules import CHOICES, COUNTS

_COUNTS: Mapping[str, int] = {"replicates": 1, "seed": 0}


def parse_options(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Read the options among the keys of a space, and import its plugins.

    Whether names are known and fit together is for `TrialConfig` to say.

    Raises:
        ConfigError: a value has the wrong type or is not one of the words, or a plugin cannot be imported.

    """
    plugins = _names("plugins", plain.get("plugins", ()))
    import_plugins(plugins)  # first: their functions are in the pool
    pool = _names("pool", plain.get("pool", registered_activations()))
    strategies, controls = plain.get("strategies", "all"), plain.get("controls", ())
    return {
        "strategies": (SMARTMIXED, *pool) if strategies == "all" else _names("strategies", strategies, "all"),
        "controls": () if controls in (None, "none") else _names("controls", controls, "none"),
        "pool": pool,
        "plugins": plugins,
        **{key: COUNTS[key].read(key, plain.get(key, default)) for key, default in _COUNTS.items()},
        "objective": read_word("objective", plain.get("objective", CHOICES["objective"][0]), CHOICES["objective"]),
    }


def _names(key: str, value: object, word: str | None = None) -> tuple[str, ...]:
    rule = f"{key} must be {f'{word!r} or ' if word else ''}a list of names"
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ConfigError(f"{rule}, but got {show(value)}")
    for name in value:
        if not isinstance(name, str):
            raise ConfigError(f"{rule}, but {show(name)} is in it")
    return tuple(value)
