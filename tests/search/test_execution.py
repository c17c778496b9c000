"""How trials are run, as one value."""

from dataclasses import fields
from typing import get_type_hints

import pytest

from smartmixed_search.errors import ConfigError
from smartmixed_search.search.execution import Execution, ExecutionOptions


def test_every_field_may_be_given_by_keyword_too() -> None:
    assert get_type_hints(ExecutionOptions) == get_type_hints(Execution)
    assert list(get_type_hints(ExecutionOptions)) == [field.name for field in fields(Execution)]


@pytest.mark.parametrize(("field", "value"), [("concurrency", 0), ("max_failures", -1)])
def test_a_number_that_is_too_small_is_refused(field: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"{field} must be at least"):
        Execution(**{field: value})
