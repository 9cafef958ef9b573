"""Clock and id of the host's boot."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.host import clocks


def test_the_boot_has_an_id_and_its_time_only_grows() -> None:
    assert clocks.boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert 0 < clocks.boottime() <= clocks.boottime()


def test_an_unreadable_boot_id_is_replaced_by_a_random_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(clocks, "_BOOT_ID", tmp_path / "hidden")
    clocks.boot_id.cache_clear()
    try:
        name = clocks.boot_id()
        assert (len(name), clocks.boot_id()) == (36, name)
    finally:
        clocks.boot_id.cache_clear()
