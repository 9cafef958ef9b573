"""Resources that all organizations share are measured."""

from __future__ import annotations

import os
import resource
from pathlib import Path

from appliance.host.resources import Resources, SharedResources


def test_this_process_and_its_host_are_measured() -> None:
    found = SharedResources().measure()
    assert set(found.used) == set(found.room) == {"files", "threads", "memory"}
    assert all(0 < found.used[name] < found.room[name] for name in found.used)
    assert found.room["files"] == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert found.room["memory"] == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_files_are_counted_once_in_ten_seconds() -> None:
    now = 100.0
    shared = SharedResources(clock=lambda: now)
    before = shared.measure().used["files"]
    with Path(os.devnull).open() as one, Path(os.devnull).open() as other:
        assert one.fileno() != other.fileno()
        now = 109.0
        assert shared.measure().used["files"] == before
        now = 111.0
        assert shared.measure().used["files"] == before + 2


def test_what_the_kernel_tells_is_read(tmp_path: Path) -> None:
    (tmp_path / "loadavg").write_text("0.20 0.18 0.12 3/8123 11206\n")
    (tmp_path / "sys" / "kernel").mkdir(parents=True)
    (tmp_path / "sys" / "kernel" / "pid_max").write_text("32768\n")
    (tmp_path / "sys" / "kernel" / "threads-max").write_text("190000\n")
    (tmp_path / "meminfo").write_text("MemTotal:  1000 kB\nMemFree: 10 kB\nMemAvailable:  300 kB\nHugePages_Total: 0\n")
    expected = Resources({"threads": 8123, "memory": 700 * 1024}, {"threads": 32768, "memory": 1000 * 1024})
    assert SharedResources(tmp_path).measure() == expected
