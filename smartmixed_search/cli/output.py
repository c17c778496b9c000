"""Standard output and standard error as they are found: in any encoding, on a full disk, or closed."""

import codecs
import io
import logging
import os
import sys

import click

_PLAIN = {"–": "-", "—": "-", "−": "-", "…": "...", "·": "|", "×": "x", "±": "+/-", "≤": "<=", "≥": ">=", "→": "->"}
"""What stands for a character that an encoding does not have; `?` stands for all others."""
_HANDLER = "smartmixed-plain"


class _Messages(logging.Handler):
    """Shows on standard error what the package logs."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(record.getMessage(), err=True)


_messages = _Messages()


def prepare_output() -> None:
    """Have what an encoding lacks replaced, where Python would give up amid a table; and show what is logged."""
    codecs.register_error(_HANDLER, _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)
    logger = logging.getLogger("smartmixed_search")
    logger.addHandler(_messages)
    logger.setLevel(logging.INFO)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(character, "?") for character in error.object[error.start : error.end]), error.end


def flush_output() -> None:
    """Write out what is still held back; what fails here would fail where Python ends, with a traceback."""
    if sys.stdout is not None:
        sys.stdout.flush()


def discard_output() -> None:
    """Drop what can no longer be written, so that Python does not try once more when it ends."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
