"""The wording of messages: a rule and what was given instead, or what happened and what to do."""

import ast
from collections.abc import Iterator
from pathlib import Path

import smartmixed_search

PACKAGE = Path(smartmixed_search.__file__).parent


def messages(path: Path) -> Iterator[str]:
    """Yield the texts of a module, but for its documentation."""
    tree = ast.parse(path.read_text())
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value


def test_no_message_says_however() -> None:
    """It is "X must be …, but got Y"."""
    found = [(path.name, text) for path in PACKAGE.rglob("*.py") for text in messages(path) if "however" in text]
    assert not found
