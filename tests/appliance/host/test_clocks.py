"""Clock and id of the host's boot."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

from appliance.host import clocks
from appliance.host.clocks import HostClocks, Unhurried

HOUR = timedelta(hours=1)


def test_the_boot_has_an_id_and_a_clock_that_only_grows() -> None:
    assert clocks.boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert 0 < clocks.boottime() <= clocks.boottime()


def test_an_unreadable_boot_id_is_replaced_by_a_random_one(tmp_path: Path) -> None:
    name = clocks.boot_id(tmp_path / "hidden")
    assert (len(name), clocks.boot_id(tmp_path / "hidden")) == (36, name)
    assert name != clocks.boot_id()


class Host:
    """A host whose wall clock a test sets."""

    def __init__(self) -> None:
        self.wall, self.steady = datetime(2026, 5, 1, tzinfo=timezone.utc), 50.0
        self.unhurried = Unhurried(HostClocks(lambda: self.wall.timestamp(), lambda: self.steady))

    def passes(self, time: timedelta) -> None:
        self.wall, self.steady = self.wall + time, self.steady + time.total_seconds()

    def ahead(self) -> timedelta:
        """Lead of the wall clock over the unhurried one."""
        return self.wall - self.unhurried.now()


def test_a_clock_that_is_set_forward_is_believed_a_day_later() -> None:
    host = Host()
    host.wall += 400 * 24 * HOUR
    assert host.ahead() == 400 * 24 * HOUR
    host.passes(23 * HOUR)
    assert host.ahead() == 400 * 24 * HOUR
    host.passes(2 * HOUR)
    assert host.ahead() == timedelta()
    host.wall += HOUR
    assert host.ahead() == HOUR


def test_a_clock_that_is_ahead_for_some_hours_is_never_believed() -> None:
    host = Host()
    for _ in range(50):
        host.wall += 400 * 24 * HOUR
        host.passes(12 * HOUR)
        assert host.ahead() == 400 * 24 * HOUR
        host.wall -= 400 * 24 * HOUR
        assert host.ahead() == timedelta()
        host.passes(HOUR)


def test_a_clock_that_is_set_back_is_believed_at_once() -> None:
    host = Host()
    host.wall -= 400 * 24 * HOUR
    assert host.ahead() == timedelta()
    host.passes(HOUR)
    assert host.ahead() == timedelta()


def test_a_later_process_believes_what_the_one_before_did() -> None:
    host = Host()
    host.wall += 400 * 24 * HOUR
    clocks = HostClocks(lambda: host.wall.timestamp(), lambda: host.steady)
    host.unhurried = Unhurried(clocks, host.unhurried.believed)
    assert host.ahead() == 400 * 24 * HOUR
    host.passes(24 * HOUR)
    assert host.ahead() == timedelta()
    assert host.unhurried.believed == clocks.ahead()


def test_a_slowly_corrected_clock_is_believed_all_the_time() -> None:
    host = Host()
    for _ in range(100):
        host.passes(timedelta(minutes=1))
        host.wall += timedelta(milliseconds=30)
        assert host.ahead() == timedelta()
