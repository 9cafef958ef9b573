"""Versions and machine of a run."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from harness.gate import environment
from netlab import Lab


def test_the_revision_of_a_surrounding_checkout_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.net")
    for command in (("init", "--quiet"), (*who, "commit", "--quiet", "--allow-empty", "--message=theirs")):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    assert len(environment.revision()) == 12
    installed = tmp_path / "venv" / "site-packages"
    installed.mkdir(parents=True)
    monkeypatch.setattr(environment, "ROOT", installed)
    assert environment.revision() == "unknown"


def test_the_wireguard_of_the_clients_is_found_without_a_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lab, "__init__", lambda _: pytest.fail("a lab was built"))
    # Programs of the administrator are found for an ordinary user, too.
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    facts = environment.facts("wireguard-go 0.0.1")
    assert re.match(r"(kernel|wireguard-go|boringtun) ", str(facts["wireguard of the clients"]))
    assert facts["wireguard of the hub"] == "wireguard-go 0.0.1"
    links = subprocess.run(["/usr/sbin/ip", "link"], capture_output=True, text=True, check=True).stdout
    assert "wgprobe0" not in links
