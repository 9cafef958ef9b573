"""A userspace WireGuard may set its link up and nothing else."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pyroute2.netlink import rtnl

from appliance import privileges
from appliance.hub.names import Names
from appliance.hub.plane import DataPlane
from appliance.hub.wireguard import Backend, processes, userspace
from appliance.model.desired import Desired

CAP_NET_ADMIN = 1 << 12


def test_its_process_has_one_capability_and_is_nobody(
    plane: DataPlane, names: Names, backend: Backend, desired: Desired
) -> None:
    if backend.name == "kernel":
        pytest.skip("the kernel's WireGuard has no process")
    plane.apply(desired)
    pid = processes.by_link()[names.places(desired.organization).link]
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    for kind in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == CAP_NET_ADMIN, kind
    assert status["NoNewPrivs"] == "1"
    if backend.name == "wireguard-go" and privileges.is_mapped(userspace.UID):
        assert set(status["Uid"].split()) == {str(userspace.UID)}
        assert status["Groups"] == ""


def test_its_process_hears_of_no_other_link(plane: DataPlane, names: Names, backend: Backend, desired: Desired) -> None:
    if backend.name != "wireguard-go":
        pytest.skip("only wireguard-go listens to netlink")
    plane.apply(desired)
    process = processes.by_link()[names.places(desired.organization).link]
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as ours:
        ours.bind((0, rtnl.RTMGRP_LINK))
        assert groups_heard(os.getpid()) >= {rtnl.RTMGRP_LINK}
        assert groups_heard(process) == set()


def groups_heard(pid: int) -> set[int]:
    """The netlink groups that the process's sockets have joined in its network namespace."""
    inodes = {path.resolve().name[len("socket:[") : -1] for path in Path(f"/proc/{pid}/fd").iterdir()}
    names, *lines = (line.split() for line in Path(f"/proc/{pid}/net/netlink").read_text().splitlines())
    sockets = [dict(zip(names, line, strict=True)) for line in lines]
    return {int(each["Groups"], 16) for each in sockets if each["Inode"] in inodes} - {0}


@dataclass
class Hundreds:
    """Processes of a host that are none.

    Attributes:
        served: the link of each, by its number.
        looks: how many there were at each look at all of them.
    """

    served: dict[int, str] = field(default_factory=lambda: {pid: f"mw{pid}" for pid in range(1, 301)})
    looks: list[int] = field(default_factory=list)

    def look(self) -> dict[str, int]:
        """As `processes.by_link`."""
        self.looks.append(len(self.served))
        return {link: pid for pid, link in self.served.items()}


@pytest.fixture
def hundreds(monkeypatch: pytest.MonkeyPatch) -> Hundreds:
    """All that the host seems to have."""
    made = Hundreds()
    monkeypatch.setattr(processes, "by_link", made.look)
    monkeypatch.setattr(processes, "_served_by", made.served.get)
    monkeypatch.setattr(processes, "_seen", {})
    return made


def test_hundreds_are_found_by_one_look(hundreds: Hundreds) -> None:
    served = hundreds.served
    assert [processes.serving(link) for link in served.values()] == list(served)
    assert len(hundreds.looks) == 1
    # Another process has its number meanwhile, and another one serves the link.
    served[7], served[1007] = "something else", "mw7"
    assert processes.serving("mw7") == 1007
    assert processes.serving("mw8") == 8
    del served[8]
    assert processes.serving("mw8") is None


def test_hundreds_are_ended_after_one_look(hundreds: Hundreds, monkeypatch: pytest.MonkeyPatch) -> None:
    served = hundreds.served
    ended: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, _signal: ended.append(pid))
    # One has ended by itself since the look.
    processes.serving("mw1")
    del served[7]
    for pid in range(1, 301):
        processes.end(f"mw{pid}")
    assert ended == list(served)
    assert len(hundreds.looks) == 1
