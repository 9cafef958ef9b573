"""Installed packages: their records, as the wheel has them, and files that are others."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest

from reports import packages


def record_line(path: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    return f"{path},sha256={digest},{len(content)}\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes a folder of packages with one of them, which is the only one that is found."""
    folder = tmp_path / "site-packages"
    about = folder / "A_b-1.dist-info"
    about.mkdir(parents=True)
    (folder / "a.py").write_bytes(b"A = 1\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "a").write_bytes(b"#!/usr/bin/python\n")
    (about / "METADATA").write_text("Name: A_b\nVersion: 1\n")
    (about / "INSTALLER").write_text("pip\n")
    (about / "RECORD").write_text(
        record_line("a.py", b"A = 1\n")
        + "__pycache__/a.pyc,,\n"
        + record_line("../bin/a", b"#!/usr/bin/python\n")
        + record_line("A_b-1.dist-info/METADATA", (about / "METADATA").read_bytes())
        + record_line("A_b-1.dist-info/INSTALLER", b"pip\n")
        + "A_b-1.dist-info/RECORD,,\n"
    )
    monkeypatch.setattr("sys.path", [str(folder)])
    return folder


def test_the_digest_is_that_of_the_wheel_s_lines(site: Path) -> None:
    (found,) = packages.installed()
    metadata = (site / "A_b-1.dist-info" / "METADATA").read_bytes()
    lines = [record_line("A_b-1.dist-info/METADATA", metadata), record_line("a.py", b"A = 1\n")]
    expected = "".join(line.rpartition(",")[0] + "\n" for line in lines)
    assert (found.name, found.version) == ("a-b", "1")
    assert found.record == hashlib.sha256(expected.encode()).hexdigest()


def test_a_package_without_a_record_has_no_digest(site: Path) -> None:
    about = site / "A_b-1.dist-info"
    (about / "direct_url.json").write_text(json.dumps({"url": "file:///x", "dir_info": {"editable": True}}))
    assert packages.installed()[0].record is None
    (about / "direct_url.json").write_text("[]")
    assert packages.installed()[0].record is not None
    (about / "RECORD").unlink()
    assert packages.installed()[0].record is None
    assert packages.altered() == []


@pytest.mark.parametrize("path", ["a.py", "../bin/a"])
def test_an_altered_package_is_named(site: Path, path: str) -> None:
    assert packages.altered() == []
    (site / path).write_bytes(b"A = 2\n")
    assert packages.altered() == ["a-b"]
    (site / path).unlink()
    assert packages.altered() == ["a-b"]


def test_the_first_of_two_versions_is_the_one_that_is_imported(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other" / "a.b-2.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Name: a.b\nVersion: 2\n")
    monkeypatch.setattr("sys.path", [str(other.parent), str(site)])
    assert [(each.name, each.version) for each in packages.installed()] == [("a-b", "2")]
