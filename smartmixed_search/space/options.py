"""A space's options: the settings that all of its trials have in common."""

from collections.abc import Mapping, Sequence
from typing import Any

from smartmixed_search.method.activations import registered_activations
from smartmixed_search.system.plugins import import_plugins
from smartmixed_search.trials.config import SMARTMIXED
from smartmixed_search.trials.metrics import modules_of
from smartmixed_search.trials.settings import ALL, SETTINGS


def parse_options(plain: Mapping[str, Any], modules: Sequence[str] = ()) -> dict[str, Any]:
    """Read the options among the keys of a space, and import its plugins, and the modules of its metric and networks.

    Whether names are known and fit together is for `TrialConfig` to say.

    Raises:
        ConfigError: a value breaks its rule, or a plugin cannot be imported.

    """
    imported = {
        key: SETTINGS[key].rule.choice(key, plain.get(key, SETTINGS[key].space)) for key in ("plugins", "metric")
    }
    imported["plugins"] += tuple(name for name in modules if name not in imported["plugins"])
    import_plugins(modules_of(imported))
    said = {"pool": registered_activations(), **plain, "plugins": imported["plugins"]}  # with those of the plugins
    options = {key: one.rule.choice(key, said.get(key, one.space)) for key, one in SETTINGS.items() if one.fixed}
    if options["strategies"] == ALL:
        options["strategies"] = (SMARTMIXED, *options["pool"])
    return options
