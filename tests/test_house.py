"""The tests' own house: what tests share stands in `tests/helpers`, and no test module imports another."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SOURCES = sorted(TESTS.rglob("*.py"))
TEST_MODULE = re.compile(r"\btests(\.\w+)*\.test_\w+")


@pytest.mark.parametrize("path", SOURCES, ids=[str(path.relative_to(TESTS)) for path in SOURCES])
def test_no_module_imports_a_test_module(path: Path) -> None:
    tree = ast.parse(path.read_text())
    names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    programs = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert not [text for text in names | programs if TEST_MODULE.search(text)]
