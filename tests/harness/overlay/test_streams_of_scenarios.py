"""Streams of scenarios: each watches the queues on its way, and those without a canary are named with the reason."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from harness.paths import ROOT

_MAKERS = frozenset(("stream_to", "JudgedStream", "HealthStream", "Traffic"))
_FOLDERS = ("scenarios", "harness/world", "harness/hostile")
_PAGE = ROOT / "docs" / "writing-a-scenario.md"
_HEADING = "**A canary, where it claims that nothing is lost.**"


@cache
def streams() -> list[tuple[str, frozenset[str]]]:
    """Returns the function that makes each stream, and the names of its arguments."""
    files = [file for folder in _FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]
    return [found for file in files for found in _streams_of(file)]


def _streams_of(file: Path) -> Iterator[tuple[str, frozenset[str]]]:
    for function in ast.walk(ast.parse(file.read_text())):
        if isinstance(function, ast.FunctionDef):
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and _name(call.func) in _MAKERS:
                    yield function.name, frozenset(each.arg for each in call.keywords if each.arg is not None)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def test_every_stream_watches_the_queues_on_its_way() -> None:
    """Keeps a hub from being excused that stands still on a filled queue."""
    assert [name for name, named in streams() if "queues" not in named] == []


def test_streams_without_a_canary_are_named_with_the_reason() -> None:
    told = _PAGE.read_text().partition(_HEADING)[2].partition("\n\n**")[0]
    without = {name for name, named in streams() if "canary" not in named}
    assert set(re.findall(r"`(test_\w+|damage_run)`", told)) == without
    assert len(streams()) > len(without)
