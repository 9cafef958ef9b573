"""Command lines of the documentation: each command exists, and takes the options that are named."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.cli.settings import resolve
from harness.paths import ROOT
from tests.appliance.cli.commands import LEAVES, options_of

PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "deploy/hubs/example/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
_SPANS = re.compile(r"`([^`\n]+)`")
_INDENTED = re.compile(r"^(?:    )+.*$", re.MULTILINE)
# `./meshwg setup` is the launcher's.
_CALL = re.compile(r"^ *(?:sudo )?(?:[A-Z_]+=\S+ )*(?:(?:deploy/bare/harsh )?\./(?!meshwg setup\b))?meshwg ([^#|&;]+)")
_OPTION = re.compile(r"--?[a-z][a-z-]*")
_VARIABLE = re.compile(r"\bMESHWG_[A-Z_]*[A-Z]\b")
HANDED_OVER = {"MESHWG_CLOCK_OFFSET", "MESHWG_DOOR_FDS", "MESHWG_HANDOVER_FD", "MESHWG_SHARD", "MESHWG_TURN_FD"}
"""Variables that a process of ours sets for those that it starts."""


def calls(page: Path) -> Iterator[list[str]]:
    """Lists the words behind ``meshwg`` of every command line on a page."""
    text = page.read_text()
    for line in (*_SPANS.findall(text), *_INDENTED.findall(text)):
        for call in _CALL.findall(line):
            yield call.split()


def faults(words: list[str]) -> Iterator[str]:
    """Lists what is wrong with a command line: no such command, or an option that it does not take."""
    path: list[str] = []
    while len(path) < len(words) and options_of(*path, words[len(path)]) is not None:
        path.append(words[len(path)])
    name, following = " ".join(path), words[len(path) :]
    if name not in LEAVES and following and not following[0].startswith("-"):
        yield f"{name or 'meshwg'} has no command {following[0]}"
    for option in filter(None, map(_OPTION.match, following)):
        if option[0] not in (options_of(*path) or ()):
            yield f"{name} takes no {option[0]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_documented_command_lines_are_understood(page: Path) -> None:
    wrong = [fault for words in calls(page) for fault in faults(words)]
    assert wrong == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("`./meshwg gate --claim x`", []),
        ("    sudo MESHWG_DATA=/a meshwg prove --pairs  # --unknown", []),
        ("`meshwg admin factors keep EMAIL`", []),
        ("`meshwg --help`", []),
        ("`./meshwg setup run`", []),
        ("`meshwg setup run`", ["meshwg has no command setup"]),
        ("`./meshwg gaet`", ["meshwg has no command gaet"]),
        ("`meshwg hub leave HOST`", ["hub has no command leave"]),
        ("`./meshwg gate --claims x`", ["gate takes no --claims"]),
        ("    ./meshwg admin plan --force ORG", ["admin plan takes no --force"]),
    ],
)
def test_a_wrong_command_line_is_found(line: str, fault: list[str], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{line}\n")
    assert [each for words in calls(page) for each in faults(words)] == fault


def test_the_documented_file_of_settings_is_valid(tmp_path: Path) -> None:
    page = (ROOT / "docs/operating.md").read_text()
    (text,) = re.findall(r"^    cat > /etc/meshwg\.toml <<'END'\n(.*?)^    END$", page, re.DOTALL | re.MULTILINE)
    file = tmp_path / "meshwg.toml"
    file.write_text(textwrap.dedent(text))
    settings = resolve({}, file)
    assert settings.listen == ("0.0.0.0", 8443)
    assert settings.unlock_secret_file == Path("/etc/meshwg.unlock-secret")


def test_the_documented_units_are_all_that_there_are() -> None:
    page = (ROOT / "docs/operating.md").read_text()
    units = {each.name for each in (ROOT / "deploy/systemd").iterdir()}
    assert set(re.findall(r"\bmeshwg[\w-]*\.service", page)) == units


def test_every_variable_that_is_read_is_documented() -> None:
    read = {name for file in (ROOT / "appliance").rglob("*.py") for name in _VARIABLE.findall(file.read_text())}
    documented = {name for page in PAGES for name in _VARIABLE.findall(page.read_text())}
    assert "MESHWG_UNLOCK_SECRET" in read
    assert sorted(read - documented - HANDED_OVER) == []
