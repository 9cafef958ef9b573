"""Debian packages that ``./meshwg setup`` installs by apt, as root or through sudo."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.launcher.expected import NO_RIGHT, NOT_CONFIGURED, RUN_PACKAGES, TEST_PACKAGES, UNAVAILABLE
from tests.launcher.host import Host


@pytest.mark.parametrize("which", ["APT_SAYS", "APT_UPDATE_SAYS"])
def test_a_failure_of_apt_is_quoted(host: Host, which: str) -> None:
    words = "\n".join(f"E: line {number}" for number in range(8))
    host.variables[which] = words
    done = host.run("setup")
    assert done.code == UNAVAILABLE
    assert done.said[-6:-1] == [f"E: line {number}" for number in range(3, 8)]
    assert done.complaint.startswith("meshwg: apt could not install: ")
    assert "nftables" in done.complaint
    assert {call.program for call in (*done.calls, *done.asked)} == {"apt-get", "dpkg", "dpkg-query"}
    assert list(host.temporary.iterdir()) == []
    # It is tried again, and then goes on to the end.
    host.variables.clear()
    assert host.run("setup").code == 0


def test_a_host_without_apt_is_told_the_missing_packages(host: Host) -> None:
    host.remove("apt-get")
    done = host.run("setup")
    assert (done.code, done.calls) == (NOT_CONFIGURED, [])
    assert all(package in done.complaint for package in RUN_PACKAGES | TEST_PACKAGES)
    done = host.run("up")
    assert (done.code, done.calls) == (NOT_CONFIGURED, [])
    assert not any(package in done.complaint.split() for package in TEST_PACKAGES)


def test_without_root_or_sudo_missing_packages_are_named(host: Host) -> None:
    host.remove("sudo")
    host.has_packages(*(RUN_PACKAGES | TEST_PACKAGES) - {"nftables", "tcpdump"})
    done = host.run("setup", FAKE_UID="1000")
    assert (done.code, done.calls) == (NO_RIGHT, [])
    assert done.complaint.rpartition(": ")[2].split() == ["nftables", "tcpdump"]
    # Where nothing is missing no right is needed.
    host.has_packages("nftables", "tcpdump")
    assert host.run("setup", FAKE_UID="1000").code == 0


def test_an_ordinary_user_installs_through_sudo(host: Host) -> None:
    done = host.run("setup", FAKE_UID="1000")
    assert done.code == 0
    # Only apt runs as root.
    (sudo,) = done.made("sudo")
    assert sudo.arguments[:4] == ("env", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", "sh")
    assert done.packages == RUN_PACKAGES | TEST_PACKAGES
    host.change("requirements-test.lock")
    assert [call.what for call in host.run("setup", FAKE_UID="1000").calls] == ["pip", "pip"]


def test_root_needs_no_sudo(host: Host) -> None:
    host.remove("sudo")
    assert host.run("setup").code == 0


def test_a_removed_package_is_missing(host: Host) -> None:
    host.has_packages(*RUN_PACKAGES)
    host.has_packages("nftables", status="config-files")
    assert host.run("setup", "run").packages == {"nftables"}


def test_apt_is_not_called_if_every_package_is_installed(host: Host) -> None:
    host.has_packages(*RUN_PACKAGES, *TEST_PACKAGES)
    done = host.run("setup")
    assert done.code == 0
    assert not done.made("apt-get")


def test_apt_installs_the_browser_on_debian(host: Host) -> None:
    assert not host.run("setup").made("playwright")


def test_installed_files_are_readable_by_all_users(host: Host) -> None:
    host.umask = 0o077
    assert host.run("setup").code == 0
    assert (host.root / "calls-1.umask").read_text().strip() in ("0022", "022")


def test_the_launcher_waits_for_apt_s_lock(host: Host, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.touch()
    done = host.run("setup", APT_LISTS_TAKEN=str(taken))
    assert done.code == 0
    assert [call.arguments[1] for call in done.made("apt-get")] == ["update", "update", "install"]


def test_apt_s_lock_held_for_too_long_is_quoted(host: Host) -> None:
    words = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)"
    done = host.run("setup", APT_UPDATE_SAYS=words)
    assert (done.code, done.said[-2]) == (UNAVAILABLE, words)
    assert len(done.made("apt-get")) == 60
