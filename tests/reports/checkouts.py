"""Checkouts for tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

WHO = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.net")


def git(folder: Path, *arguments: str) -> str:
    """Runs git in a folder; returns its output."""
    done = subprocess.run(["git", "-C", str(folder), *WHO, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def checkout(folder: Path) -> Path:
    """Makes a checkout of a project with one commit and nothing changed."""
    folder.mkdir()
    (folder / "scenarios").mkdir()
    for name, content in {
        "pyproject.toml": "[project]\n",
        "requirements.lock": "one==1\n",
        "requirements-test.lock": "two==2\n",
        "scenarios/test_one.py": "def test(): ...\n",
        "with space é": "x",
        ".gitignore": "*.log\nout/\n__pycache__/\n",
    }.items():
        (folder / name).write_text(content, encoding="utf-8")
    program = folder / "run"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (folder / "link").symlink_to("run")
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=first")
    return folder
