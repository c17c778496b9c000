"""Names that are written as Python writes a call, `conv(stages=3, width=16)`."""

import ast
from collections.abc import Mapping, Sequence
from typing import Any


def write_call(name: str, arguments: Mapping[str, Any]) -> str:
    """Return the call of a name; just the name without arguments."""
    told = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    return f"{name}({told})" if told else name


def read_call(text: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the named arguments of a call.

    Raises:
        ValueError: it is none, or an argument is not a plain value.
    """
    name, bracket, rest = text.partition("(")
    try:
        call = ast.parse(f"f({rest}" if bracket else "f()", mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            raise ValueError(text)
        return name, {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError(text) from error


def comparable(values: Sequence[Any]) -> tuple[tuple[bool, float, str], ...]:
    """Return values by which to sort numbers before words, and numbers by size."""
    numbers = [float(value) if isinstance(value, int | float) else None for value in values]
    return tuple((one is None, one or 0.0, str(value)) for one, value in zip(numbers, values, strict=True))
