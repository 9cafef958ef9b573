"""Folders for the evidence of failed scenarios."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from harness.world import evidence
from netlab.errors import HostUnavailable


def test_each_run_has_a_folder_of_its_own(tmp_path: Path) -> None:
    out = tmp_path / "reports" / "out"
    one, other = evidence.new_folder(out), evidence.new_folder(out)
    assert one != other
    assert {one.parent, other.parent} == {out}
    assert one.is_dir()


def test_evidence_of_a_killed_run_is_removed_after_a_week(tmp_path: Path) -> None:
    old, recent, another = (
        evidence.new_folder(tmp_path),
        evidence.new_folder(tmp_path),
        tmp_path / "20260101T000000Z-abc",
    )
    another.mkdir()
    (old / "test_x").mkdir()
    for each, days in ((old, 8), (recent, 6), (another, 30)):
        then = time.time() - days * 24 * 3600
        os.utime(each, (then, then))
    evidence.new_folder(tmp_path)
    assert not old.exists()
    assert recent.exists()
    assert another.exists()


class Lost:
    """A service whose host answers no more."""

    @property
    def host(self) -> Any:
        raise HostUnavailable("hub", "ssh: SSH session not active")


def test_evidence_is_kept_when_the_service_s_host_is_lost(tmp_path: Path) -> None:
    capture = tmp_path / "lab" / "mumbai" / "outside.pcap"
    capture.parent.mkdir(parents=True)
    capture.write_bytes(b"packets")
    world: Any = SimpleNamespace(lab=SimpleNamespace(hosts={}, folder=tmp_path / "lab"), subject=Lost())
    found = evidence.collect(tmp_path / "evidence" / "test_x", "refuted", world)
    assert found == ["test_x/error.txt", "test_x/mumbai.outside.pcap"]
