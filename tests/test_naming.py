"""Names of tests are short, and docstrings stand alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from harness.paths import ROOT

_LONGEST_NAME = 60
# A docstring that begins so is a clause without a subject, or continues a text that a reader may not have seen.
_BAD_BEGINNING = re.compile(
    r"(as|how|nobody|of|somebody|that|those|(what|when|where|who)(ever)?|whether|which|whose|why)\b", re.IGNORECASE
)
# What leads to a sign-up has one name, "sign-up link"; an invitation is into an organization.
_OTHER_NAMES = re.compile(
    r"links? to sign up|leave to sign up|invite-sign-up|signup\?invitation|takes an invitation"
    r"|invit\w+ (somebody )?to sign up",
    re.IGNORECASE,
)
_READ_BY_USERS = (
    "README.md", "CHANGELOG.md", "docs/**/*.md", "deploy/**/*.md", "appliance/**/*.py", "appliance/**/*.html",
)  # fmt: skip
_FOLDERS = ("appliance", "harness", "netlab", "reports", "scenarios", "tests")


def faults(source: str) -> Iterator[str]:
    """Lists names of tests that are too long, and docstrings that begin with a word that needs another text."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            continue
        name = getattr(node, "name", "module")
        if name.startswith("test_") and len(name) > _LONGEST_NAME:
            yield f"{name}: {len(name)} characters"
        if beginning := _BAD_BEGINNING.match(ast.get_docstring(node) or ""):
            yield f"{name}: begins with {beginning[0]}"


@pytest.mark.parametrize(
    ("source", "is_found"),
    [
        (f"def test_{'x' * 55}(): ...", False),
        (f"def test_{'x' * 56}(): ...", True),
        (f"class A:\n    def test_{'x' * 56}(self): ...", True),
        (f"def helper_{'x' * 56}(): ...", False),
        ('"""Who comes first."""', True),
        ('def a():\n    """Those, as before."""', True),
        ('class A:\n    """A class."""', False),
        ('def a():\n    """Offers a thing."""', False),
    ],
)
def test_a_bad_name_or_docstring_is_found(source: str, is_found: bool) -> None:
    assert bool([*faults(source)]) is is_found


# One test for each folder: with one for each file, pytest's own work takes longer than the looks.
@pytest.mark.parametrize("folder", _FOLDERS)
def test_names_are_short_and_docstrings_stand_alone(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    assert [f"{file}: {each}" for file in files for each in faults(file.read_text())] == []


def test_a_sign_up_link_has_one_name() -> None:
    texts = {file: " ".join(file.read_text().split()) for place in _READ_BY_USERS for file in ROOT.glob(place)}
    assert len(texts) > len(_READ_BY_USERS)
    assert {str(file): found[0] for file, text in texts.items() if (found := _OTHER_NAMES.search(text))} == {}
