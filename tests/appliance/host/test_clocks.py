"""Clock and id of the host's boot."""

from __future__ import annotations

from pathlib import Path

from appliance.host import clocks


def test_the_boot_has_an_id_and_a_clock_that_only_grows() -> None:
    assert clocks.boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert 0 < clocks.boottime() <= clocks.boottime()


def test_an_unreadable_boot_id_is_replaced_by_a_random_one(tmp_path: Path) -> None:
    name = clocks.boot_id(tmp_path / "hidden")
    assert (len(name), clocks.boot_id(tmp_path / "hidden")) == (36, name)
    assert name != clocks.boot_id()
