"""Durations in words: digits with colons are read as hours by one and as minutes by another."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def in_words(seconds: float) -> str:
    """Write a duration as one would say it, to about a tenth of it.

    Example:
        >>> [in_words(seconds) for seconds in (0.2, 50, 1500, 4000, 200_000)]
        ['0 seconds', '50 seconds', '25 minutes', '1 hour 5 minutes', '2 days 8 hours']
    """
    if seconds < 1.5 * _MINUTE:
        return _count(round(seconds), "second")
    if seconds < _HOUR:
        return _count(round(seconds / _MINUTE), "minute")
    if seconds < _DAY:
        return _two(round(seconds / (5 * _MINUTE)) * 5 * _MINUTE, _HOUR, "hour", _MINUTE, "minute")
    return _two(round(seconds / _HOUR) * _HOUR, _DAY, "day", _HOUR, "hour")


def _two(seconds: int, large: int, large_name: str, small: int, small_name: str) -> str:
    whole, rest = divmod(seconds, large)
    return _count(whole, large_name) + (f" {_count(rest // small, small_name)}" if rest else "")


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"
