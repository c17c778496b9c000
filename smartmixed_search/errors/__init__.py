"""Exceptions: one base, and one child for each kind of thing a user can put right."""


class SmartMixedError(Exception):
    """Base of every exception this package raises on purpose."""


class UserError(SmartMixedError, ValueError):
    """Something the user can fix; also a `ValueError`.

    The message is one line: the rule, the value received and the nearest valid one, or what happened and what to do.
    """


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


class TrialInterrupted(SmartMixedError):  # noqa: N818  it is not an error
    """A trial was asked to stop, and can be continued from the state it left."""
