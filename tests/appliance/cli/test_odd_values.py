"""Odd values for each option and argument of each command: one sentence and a documented exit code, no traceback."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from appliance.cli.errors import CommandError, Exit
from appliance.cli.existing_service import ExistingService
from appliance.cli.main import Commands
from appliance.cli.main import run as run_command
from tests.appliance.cli.commands import LEAVES, command, parameters_of
from tests.appliance.sealed import OLD
from tests.appliance.sites import make_data

ODD = (
    "",
    " ",
    "\n",
    "a\nb",
    "-",
    "--",
    "-1",
    "0",
    "nan",
    "inf",
    "1e999",
    "9" * 30,
    "\u0663",
    "\u00b2",
    "\udcff",
    "\udcff@b.de",
    "\U0001f98a",
    "b\u00fccher.example:x",
    "x" * 300,
    "y" * 5000,
    "/",
    ".",
    "/dev/null",
    "/dev/null/x",
    "~nobody-at-all/x",
    "[::1",
    "https://[",
    "https://h:99999",
    "https://user@h",
    "u@h:x",
    "@h",
    "%00",
    "{}",
    "[red]",
)
# What else a command has to be given so that it gets to look at the option.
WITH = {
    ("gate", "ssh"): ["--target=https://h"],
    ("gate", "ssh_control"): ["--target=https://h", "--ssh=u@h"],
    ("gate", "ssh_key"): ["--target=https://h", "--ssh=u@h"],
    ("gate", "ssh_known_hosts"): ["--target=https://h", "--ssh=u@h"],
    ("gate", "authority"): ["--target=https://h"],
    ("gate", "minutes"): ["--profile=soak"],
}
PLAUSIBLE = {"new_secret_file": "new-secret", "email": "a@example.net", "role": "viewer", "plan": "free"}


def _parameters() -> Iterator[tuple[str, str]]:
    """Lists each option and argument, those that several commands share only once."""
    seen = set()
    for leaf in LEAVES:
        for each in parameters_of(leaf):
            is_shared = each.name in ("database_url", "config", "public_url", "wireguard", "profile", "listen")
            if each.name == "help" or getattr(each, "is_flag", False) or (is_shared and each.name in seen):
                continue
            seen.add(each.name)
            yield leaf, each.name


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provides a folder with a store in it, and commands that stop where their work would begin."""
    for name in [name for name in os.environ if name.startswith("MESHWG_")]:
        monkeypatch.delenv(name)
    # Without a secret, commands that take a file would not come to look at it.
    monkeypatch.setenv("MESHWG_UNLOCK_SECRET", OLD)
    monkeypatch.setattr(ExistingService, "opens", lambda *_: True)
    monkeypatch.chdir(tmp_path)
    make_data(tmp_path / "data").close()

    def stop(*_: Any, **__: Any) -> Any:
        raise CommandError("The work would begin here.", Exit.UNAVAILABLE)

    monkeypatch.setattr(Commands, "get_command", lambda _group, _context, name: command(name))
    monkeypatch.setattr("harness.cli.entering.enter_sandbox", stop)
    monkeypatch.setattr("harness.cli.commands.prove.run_here", stop)
    monkeypatch.setattr("harness.subject.outward.start", stop)
    monkeypatch.setattr("appliance.cli.checks.check_host", stop)
    monkeypatch.setattr("appliance.cli.up.Signals.handled", lambda: None)
    monkeypatch.setattr("appliance.cli.up.logs.configure", lambda *_: None)
    monkeypatch.setattr("appliance.cli.up.prepared", lambda *_: nullcontext())
    return tmp_path


@pytest.mark.long
@pytest.mark.parametrize(("leaf", "name"), list(_parameters()), ids=str)
def test_an_odd_value_is_one_sentence(place: Path, leaf: str, name: str) -> None:
    parameters = parameters_of(leaf)
    for value in ODD:
        code, said = run(leaf, parameters, name, value, place)
        told = f"{leaf}, {name} {value!r}: {code}, {said}"
        assert code in set(Exit) - {Exit.FAULT}, told
        assert "Traceback" not in said, told
        if code not in (Exit.DONE, Exit.FAILED):
            assert said.startswith("meshwg: "), told
            assert len(said.splitlines()) == 1, told
            assert said.rstrip("\n").isprintable(), told


def run(leaf: str, parameters: list[Any], name: str, value: str, place: Path) -> tuple[int, str]:
    """Runs a command with this value for one of its parameters; returns exit code and standard error."""
    options, arguments = [*WITH.get((leaf, name), [])], []
    for each in parameters:
        given = value if each.name == name else PLAUSIBLE.get(each.name, "plausible") if each.required else None
        if each.name == "data" and given is None:
            given = str(place / "data")
        if given is None:
            continue
        if each.param_type_name == "argument":
            arguments.append(given)
        else:
            options.append(f"{each.opts[0]}={given}")
    said, heard = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(heard), contextlib.redirect_stdout(said):
        code = run_command([*leaf.split(), *options, "--", *arguments])
    return code, heard.getvalue()
