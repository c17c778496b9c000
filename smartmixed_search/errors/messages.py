"""What a message is made of: a value in one line, a number of things, the nearest name, an error in one line."""

import difflib
import re
import reprlib
from collections.abc import Iterable

_SHORT = 200
"""Characters of the names that a message may list before it says which is wrong."""


def one_of(what: str, value: object, valid: Iterable[object], *, other: str = "") -> str:
    """Return "`what` must be one of a, b, c, but got value", naming the nearest valid value if there is one.

    Where there are many, these come last. `other` is what else is valid, such as "the path of a file".
    """
    names = [str(name) for name in valid]
    near = nearest(str(value), names)
    hint = f"; did you mean {near!r}?" if near else ""
    listed = ", ".join(names) + (f", or {other}" if other else "")
    if len(listed) <= _SHORT:
        return f"{what} must be one of {listed}, but got {value!r}{hint}"
    return f"{what} must be a known one, but got {value!r}{hint or ';'} known: {listed}"


def nearest(value: str, names: Iterable[str]) -> str | None:
    """Return the name that is nearest to a value, whatever its case; None if none is near."""
    by_case = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(value.casefold(), by_case, n=1, cutoff=0.5)
    return by_case[near[0]] if near else None


def one_line(text: str) -> str:
    """Return a text in one line."""
    return " ".join(text.split())


def in_short(error: BaseException, *, kind: bool = True, whole: bool = True) -> str:
    r"""Return an error in one line.

    Args:
        error: any; one without a message is told by its kind.
        kind: whether the message needs the error's kind before it.
        whole: whether all of the message is wanted, or only its first line.

    Example:
        >>> in_short(OSError("no room\non the disk")), in_short(OSError("no room"), kind=False)
        ('OSError: no room on the disk', 'no room')
    """
    message = str(error).strip()
    message = one_line(message if whole else message.partition("\n")[0])
    return f"{type(error).__name__}: {message}" if kind and message else message or type(error).__name__


SHOWN = 60


_SECRETS = (
    re.compile(r"((?<!sqlite)(?<!file)://)\S*(@)"),  # a password may hold slashes and quotes, although it should not
    re.compile(r"((?<!sqlite)(?<!file)://[^\s'\"?#]*[?#])[^\s'\")]+()"),
)


def show(value: object) -> str:
    """Write a value for a message: one line, however large the value is."""
    writer = reprlib.Repr()
    writer.maxstring = writer.maxother = writer.maxlong = SHOWN
    return writer.repr(value)


def concealed(text: str) -> str:
    """Return text with user, password, token and query of every URI in it left out.

    Example:
        >>> concealed("no answer of http://me:secret@host:5000/?key=secret")
        'no answer of http://…@host:5000/?…'
    """
    for secret in _SECRETS:
        text = secret.sub(r"\1…\2", text)
    return text


def counted(count: int, noun: str) -> str:
    """Write a number of things.

    Example:
        >>> counted(1, "trial"), counted(12000, "trial")
        ('1 trial', '12,000 trials')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def are(count: int) -> str:
    """Return the verb of a number of things."""
    return "is" if count == 1 else "are"
