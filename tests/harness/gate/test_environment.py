"""What a run ran on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.gate import environment


def test_installed_in_somebody_else_s_checkout_it_does_not_tell_theirs_for_its_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.net")
    for command in (("init", "--quiet"), (*who, "commit", "--quiet", "--allow-empty", "--message=theirs")):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    assert len(environment.revision()) == 12
    installed = tmp_path / "venv" / "site-packages"
    installed.mkdir(parents=True)
    monkeypatch.setattr(environment, "ROOT", installed)
    assert environment.revision() == "unknown"
