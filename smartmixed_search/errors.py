"""Exceptions: one base, and one child for each kind of thing a user can put right."""

import difflib
from collections.abc import Iterable

_SHORT = 200
"""Letters of the names that a message may list before it says which is wrong."""


class SmartMixedError(Exception):
    """Base of every exception this package raises on purpose."""


class UserError(SmartMixedError, ValueError):
    """Something the user can fix. The message is one line: the rule, the value received, the nearest valid one."""


class ConfigError(UserError):
    """A trial's configuration or a search space breaks a rule."""


class DatasetError(UserError):
    """A dataset is unknown, missing, damaged or unsuitable."""


class TrackingError(UserError):
    """The tracking store cannot be reached, or does not hold what was asked for."""


class NetworkError(UserError):
    """A file holds no network that can be used, or a network cannot be written as asked."""


class ResourceError(UserError):
    """The cluster can never satisfy a resource request."""


class SweepError(UserError):
    """A sweep cannot be started or continued as asked."""


class TrialInterrupted(SmartMixedError):  # noqa: N818  it is no error
    """A trial was asked to stop, and can be continued from the state it left."""


def one_of(what: str, value: object, valid: Iterable[object], *, other: str = "") -> str:
    """Return "`what` must be one of a, b, c, however: value", naming the nearest valid value if there is one.

    Where there are many, these come last. `other` is what else is valid, such as "the path of a file".
    """
    names = [str(name) for name in valid]
    near = nearest(str(value), names)
    hint = f"; did you mean {near!r}?" if near else ""
    listed = ", ".join(names) + (f", or {other}" if other else "")
    if len(listed) <= _SHORT:
        return f"{what} must be one of {listed}, however: {value!r}{hint}"
    return f"{what} must be a known one, however: {value!r}{hint or ';'} there are {listed}"


def nearest(value: str, names: Iterable[str]) -> str | None:
    """Return the name that is nearest to a value, whatever its case; None if none is near."""
    by_case = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(value.casefold(), by_case, n=1, cutoff=0.5)
    return by_case[near[0]] if near else None


def in_short(error: BaseException) -> str:
    """Return the kind of another package's error, and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].strip()}" if lines else type(error).__name__
