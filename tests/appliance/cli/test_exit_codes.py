"""Exit codes: one table in code, help and documentation, which has every code in use."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.cli.errors import Exit, exit_codes
from harness.paths import ROOT
from reports import ending
from tests.appliance.cli.commands import LEAVES, help_of

_KNOWN = {each.value for each in Exit}
_SIGNALLED = 128
# Functions that end a command, and which of their arguments is the code.
_ENDS = {"Exit": 0, "exit": 0, "SystemExit": 0, "_exit": 0, "end": 1, "CommandError": 1, "_refuse": 1}
# Programs of their own, which are no commands of ours.
_OTHERS = (
    "harness/sabotage/",
    "harness/hostile/",
    "netlab/",
    "harness/subject/outward.py",
    "appliance/host/trial_program.py",
)
_ROW = re.compile(r"^\| (\d+(?:\+N)?) \| (.+) \|$", re.MULTILINE)
SCRIPTS = ("meshwg", "deploy/lane.sh", *(str(each.relative_to(ROOT)) for each in ROOT.glob("deploy/*/prove")))
_CODES = re.compile(r"\b(\d+)\s")


def test_the_documentation_has_the_table_of_the_code() -> None:
    section = (ROOT / "docs/operating.md").read_text().partition("## Exit codes\n")[2].partition("\n## ")[0]
    assert _ROW.findall(section) == exit_codes()


def test_the_help_has_the_table_of_the_code() -> None:
    shown = help_of()
    for code, why in exit_codes():
        assert f"{code} {why}" in " ".join(shown.split())


@pytest.mark.parametrize("command", LEAVES)
def test_the_help_of_commands_has_only_codes_of_the_table(command: str) -> None:
    told = told_by(command)
    assert told
    assert told <= _KNOWN


@pytest.mark.parametrize(
    "command", ["up", "status", "doctor", "census", "deletions", "backup", "restore", "operations", "publish"]
)
def test_the_help_of_a_command_has_the_codes_of_its_module(command: str) -> None:
    module = {"restore": "restoring"}.get(command, command)
    told = told_by("backup") | told_by("restore") if module == "backup" else told_by(command)
    assert set(codes_in(ROOT / f"appliance/cli/{module}.py")) <= told | {Exit.DONE, Exit.REFUSED}


def told_by(command: str) -> set[int]:
    """Lists the codes in the help of a command."""
    paragraphs = re.split(r"\n\s*\n", help_of(*command.split()))
    return {int(code) for each in paragraphs if "Exit codes:" in each for code in _CODES.findall(each)}


@pytest.mark.long
def test_programs_end_only_with_codes_of_the_table() -> None:
    files = [file for package in ("appliance", "harness", "reports") for file in (ROOT / package).rglob("*.py")]
    found = {
        (str(file.relative_to(ROOT)), code)
        for file in files
        if not str(file.relative_to(ROOT)).startswith(_OTHERS)
        for code in codes_in(file)
    }
    assert len(found) > 30
    assert {(file, code) for file, code in found if code not in _KNOWN and code < _SIGNALLED} == set()


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_end_only_with_codes_of_the_table(script: str) -> None:
    found = re.findall(r"\b(?:exit|fail) (\d+)\b", (ROOT / script).read_text())
    assert {int(code) for code in found if int(code) < _SIGNALLED} <= _KNOWN


def codes_in(file: Path) -> Iterator[int]:
    """Lists the codes with which a module ends a command, constants of its own included."""
    tree = ast.parse(file.read_text())
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            place = _ENDS.get(_name_of(node.func))
            if place is not None and len(node.args) > place:
                yield from _values(node.args[place], constants)


def _name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _values(node: ast.expr, constants: dict[str, ast.expr]) -> Iterator[int]:
    if isinstance(node, ast.IfExp):
        yield from _values(node.body, constants)
        yield from _values(node.orelse, constants)
    elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "Exit":
        yield Exit[node.attr]
    elif isinstance(node, ast.Name) and node.id in constants:
        yield from _values(constants[node.id], constants)
    elif isinstance(node, ast.Name) and hasattr(ending, node.id):
        yield getattr(ending, node.id)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield node.value
