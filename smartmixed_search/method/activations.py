"""The pool: the activation functions that there are, and the registry by which users add their own.

A user's function needs only its name and `function`: its derivative is taken by autograd from the pre-activation.
"""

import copyreg
from collections.abc import Iterable

import torch

from smartmixed_search.errors import ConfigError
from smartmixed_search.errors.messages import in_short, one_of
from smartmixed_search.method.functions import FURTHER, POOLS, PUBLISHED, Activation, Elementwise

INITIAL_TILT = 0.001
"""Initial selection logit of one random function per neuron; the others start at 0 (published)."""

PUBLISHED_POOL = POOLS["published"]
"""The six functions of the published method, in their published order."""

RIVAL_NAMES = ("prelu", "swish_beta", "acon_c", "linear_mix")
"""Strategies whose activations have parameters of their own, see `rivals`."""
RESERVED = frozenset({"smartmixed", "selective", "random-mixed", "all", *RIVAL_NAMES})
"""Names of strategies and controls, which no function may take."""

_registry: dict[str, Activation] = {activation.name: activation for activation in PUBLISHED}
_further: dict[str, Activation] = {activation.name: activation for activation in FURTHER}
"""Built in too, but part of no pool that does not name them."""


def register_activation(name: str, function: Elementwise) -> Activation:
    """Register a function as a candidate for selection, and as a fixed strategy of its own, under a name.

    `function` maps a tensor of any shape to one of the same shape, elementwise, and must be differentiable by
    autograd. Registering the same function under its name again is allowed, so that a module may be imported twice.
    Of the built-in functions the published six keep their names; under another's, the user's stands in its place.

    Raises:
        ConfigError: the name is taken by another function, is reserved, or is not an identifier; or the function is
            not elementwise, or not differentiable.

    Example:
        >>> import torch
        >>> register_activation("softsign", torch.nn.functional.softsign).name
        'softsign'
        >>> unregister_activation("softsign")

    """
    if not name.isidentifier() or name in RESERVED:
        raise ConfigError(
            f"an activation's name must be an identifier other than {', '.join(sorted(RESERVED))}, but got {name!r}"
        )
    _check_elementwise(name, function)
    known = _registry.get(name)
    if known is not None and known.function is not function:
        raise ConfigError(f"an activation's name must be new, but got {name!r}, which is already in the pool")
    return _registry.setdefault(name, Activation(name=name, function=function))


def _check_elementwise(name: str, function: Elementwise) -> None:
    """Try a function on five numbers."""
    x = torch.linspace(-2.0, 2.0, 5, requires_grad=True)
    try:
        y, first = function(x), function(x[:1])
        elementwise = y.shape == x.shape and torch.allclose(y[:1], first, equal_nan=True)
    except Exception as error:  # a user's code: whatever it raises is theirs to mend
        raised = f"{name!r} raises {in_short(error)}"
        raise ConfigError(f"an activation must map a tensor to one of its shape, but {raised}") from error
    if not elementwise:
        raise ConfigError(f"an activation must work elementwise, but {name!r} does not")
    if not y.requires_grad:
        raise ConfigError(f"an activation must be differentiable by autograd, but {name!r} has no gradient")


def unregister_activation(name: str) -> None:
    """Remove a user's function from the pool; the built-in ones stay.

    Raises:
        ConfigError: the name is not that of a user's function.

    """
    if get_activation(name) in (*PUBLISHED, *FURTHER):
        raise ConfigError(f"only an activation that was registered can be removed, but {name!r} is built in")
    del _registry[name]


def registered_activations() -> tuple[str, ...]:
    """Return the pool of a space that names none: the six published functions, then the users' by registration."""
    return tuple(_registry)


def known_activations() -> tuple[str, ...]:
    """Return the name of every function that a pool may hold: the built-in ones, then the users'."""
    return tuple(dict.fromkeys((*PUBLISHED_POOL, *_further, *_registry)))


def get_activation(name: str) -> Activation:
    """Return the function of that name.

    Raises:
        ConfigError: there is no such function; the message names the nearest one.

    """
    found = _registry.get(name) or _further.get(name)
    if found is None:
        raise ConfigError(one_of("an activation function", name, known_activations()))
    return found


def resolve_pool(names: Iterable[str]) -> tuple[Activation, ...]:
    """Return the functions of those names, in that order.

    Raises:
        ConfigError: there is none, or one is not known.
    """
    pool = tuple(get_activation(name) for name in names)
    if not pool:
        raise ConfigError("a pool must hold at least one function, but got []")
    return pool


copyreg.pickle(Activation, lambda activation: (get_activation, (activation.name,)))
