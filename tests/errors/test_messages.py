"""An error in one line."""

import pytest

from smartmixed_search.errors.messages import in_short


@pytest.mark.parametrize(
    ("error", "options", "said"),
    [
        (ValueError("one\n  two"), {}, "ValueError: one two"),
        (ValueError("one\n  two"), {"kind": False}, "one two"),
        (ValueError("\none\n  two"), {"whole": False}, "ValueError: one"),
        (ValueError(" \n"), {}, "ValueError"),
        (ValueError(), {"kind": False}, "ValueError"),
    ],
)
def test_an_error_is_told_in_one_line(error: ValueError, options: dict[str, bool], said: str) -> None:
    assert in_short(error, **options) == said
