"""Tests give what they test its collaborators from outside: none imports or replaces a private name.

Ruff's SLF001 finds the private names that are read as attributes. This finds the others.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
_REPLACING = {"setattr", "delattr", "setitem", "delitem", "patch", "object"}


def is_private(name: str) -> bool:
    """Tells whether a part of a dotted name is private; `__dunder__` names are the language's own."""
    return any(part.startswith("_") and not part.endswith("__") for part in name.split("."))


def privates(source: str) -> Iterator[str]:
    """Finds the private names that are imported, or replaced by `monkeypatch.setattr` and its like."""
    for node in ast.walk(ast.parse(source)):
        # Types of WSGI that typeshed keeps for type checkers.
        if isinstance(node, ast.ImportFrom) and node.module != "_typeshed.wsgi":
            imported = (f"{node.module}.{each.name}" for each in node.names)
            yield from (f"line {node.lineno}: {each}" for each in imported if is_private(each))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _REPLACING:
            for argument in node.args[:2]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    name = argument.value
                    if name.replace(".", "").isidentifier() and is_private(name):
                        yield f"line {node.lineno}: {name}"


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ('m.setattr(thing, "_name", 1)', True),
        ('m.setattr("package._module.name", 1)', True),
        ('m.setattr(function, "__defaults__", ())', False),
        ('m.setattr(thing, "name", _fake)', False),
        ('m.setitem(table, "a text: _x", 1)', False),
        ("from package._module import name", True),
        ("from package import _name", True),
        ("from __future__ import annotations", False),
    ],
)
def test_a_private_name_is_found(line: str, is_found: bool) -> None:
    assert bool([*privates(line)]) is is_found


def test_no_test_uses_a_private_name() -> None:
    found = {str(file.relative_to(TESTS)): [*privates(file.read_text())] for file in TESTS.rglob("*.py")}
    assert {name: each for name, each in found.items() if each} == {}
