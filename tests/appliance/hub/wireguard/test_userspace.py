"""Privileges of a userspace WireGuard's process, and how processes are found and ended."""

from __future__ import annotations

import os
import re
import socket
import stat
import subprocess
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from pyroute2.netlink import rtnl

from appliance import privileges
from appliance.hub.findings import DamagedPart
from appliance.hub.kernel.rtnetlink import RouteSocket
from appliance.hub.names import Names
from appliance.hub.plane.dataplane import DataPlane
from appliance.hub.wireguard import Backend, processes, uapi, userspace
from appliance.hub.wireguard.processes import Processes
from appliance.model.desired import Desired
from appliance.model.ids import new_organization_id

CAP_NET_ADMIN = 1 << 12
FIRST_OF_THEM = 1_900_000_000


def test_each_process_has_its_own_user_and_few_capabilities(
    plane: DataPlane, names: Names, backend: Backend, desired: Desired, keys: dict[str, str]
) -> None:
    if backend.name == "kernel":
        pytest.skip("the kernel's WireGuard has no process")
    other = replace(desired, organization=new_organization_id(), port=desired.port + 1)
    keys[other.organization] = keys[desired.organization]
    found = []
    for each in (desired, other):
        plane.apply(each)
        status = status_of(processes.by_link()[names.of(each.organization).link])
        for kind in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[kind], 16) == (CAP_NET_ADMIN if backend.name == "boringtun" else 0), kind
        assert status["NoNewPrivs"] == "1"
        found.append((status["Uid"].split(), status["Groups"]))
    if backend.name == "wireguard-go":
        assert found == [([str(userspace.uid_of(each.port))] * 4, "") for each in (desired, other)]


def test_a_process_holds_few_ports_and_threads(
    plane: DataPlane, names: Names, backend: Backend, desired: Desired
) -> None:
    """Starts it from a hub with more descriptors than it may have itself, which are numbers beyond its bound."""
    if backend.name == "kernel":
        pytest.skip("the kernel's WireGuard has no process")
    held = [os.dup(2) for _ in range(userspace.MOST_FILES + 10)]
    try:
        plane.apply(desired)
    finally:
        for each in held:
            os.close(each)
    link = names.of(desired.organization).link
    pid = processes.by_link()[link]
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert re.search(rf"^Max open files +{userspace.MOST_FILES} +{userspace.MOST_FILES} ", limits, re.MULTILINE)
    if userspace.uid_of(desired.port) >= FIRST_OF_THEM and backend.name == "wireguard-go":
        most = userspace.MOST_THREADS
        assert re.search(rf"^Max processes +{most} +{most} ", limits, re.MULTILINE)
    assert sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()) < userspace.MOST_FILES / 4
    assert stat.S_IMODE(uapi.path_of(link).stat().st_mode) & 0o022 == 0


def test_a_link_ends_before_the_hub_when_memory_runs_out(
    plane: DataPlane, names: Names, backend: Backend, desired: Desired
) -> None:
    """Reads what the kernel would choose by (proc(5), oom_score): the largest link of all, and never the hub."""
    if backend.name == "kernel":
        pytest.skip("the kernel's WireGuard has no process")
    plane.apply(desired)
    pid = processes.by_link()[names.of(desired.organization).link]
    assert int(Path(f"/proc/{pid}/oom_score").read_text()) > int(Path("/proc/self/oom_score").read_text()) + 200


@pytest.mark.skipif(not privileges.is_mapped(FIRST_OF_THEM), reason="this user namespace has too few users")
def test_a_process_can_t_read_another_process_s_key(
    plane: DataPlane, names: Names, backend: Backend, desired: Desired
) -> None:
    if backend.name != "wireguard-go":
        pytest.skip("boringtun's processes share root without its capabilities")
    link = names.of(desired.organization).link
    plane.apply(desired)
    pid = processes.by_link()[link]
    own, other = (
        ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        for uid in map(userspace.uid_of, (desired.port, desired.port + 1))
    )
    read = ["head", "--bytes=1", f"/proc/{pid}/environ"]
    assert subprocess.run([*own, *read], capture_output=True, check=False).returncode == 0
    assert subprocess.run([*other, *read], capture_output=True, check=False).returncode == 1
    ask = f"import socket; socket.socket(socket.AF_UNIX).connect({str(uapi.path_of(link))!r})"
    result = subprocess.run([*other, "/usr/bin/python3", "-c", ask], capture_output=True, text=True, check=False)
    assert "PermissionError" in result.stderr
    assert subprocess.run(["/usr/bin/python3", "-c", ask], check=False).returncode == 0


@pytest.mark.parametrize("answer", [b"allowed_ip=10.0.0.1/32\n\n", b"own=\xff\n\n"])
def test_a_process_that_answers_nonsense_is_replaced(
    plane: DataPlane, names: Names, backend: Backend, desired: Desired, answer: bytes
) -> None:
    if backend.name == "kernel":
        pytest.skip("the kernel's WireGuard has no process")
    plane.apply(desired)
    link = names.of(desired.organization).link
    before = processes.by_link()[link]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as answering:
        elsewhere = uapi.path_of(link).with_suffix(".other")
        answering.bind(str(elsewhere))
        answering.listen()
        # A process ends by itself without a socket of this name.
        elsewhere.replace(uapi.path_of(link))
        threading.Thread(target=answer_once, args=(answering, answer), daemon=True).start()
        repair = plane.heal(desired.organization)
    assert repair is not None
    assert DamagedPart.LINK in {damage.part for damage in repair.found}
    assert processes.by_link()[link] != before
    assert plane.heal(desired.organization) is None


def answer_once(listener: socket.socket, answer: bytes) -> None:
    """Answers the next question, whatever it is."""
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(answer)


def test_a_process_hears_of_no_other_link(plane: DataPlane, names: Names, backend: Backend, desired: Desired) -> None:
    if backend.name != "wireguard-go":
        pytest.skip("only wireguard-go listens to netlink")
    plane.apply(desired)
    process = processes.by_link()[names.of(desired.organization).link]
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as ours:
        ours.bind((0, rtnl.RTMGRP_LINK))
        assert groups_heard(os.getpid()) >= {rtnl.RTMGRP_LINK}
        assert groups_heard(process) == set()


def test_a_link_is_made_in_its_namespace(plane: DataPlane, names: Names, backend: Backend, desired: Desired) -> None:
    """Listens for links in the hub's namespace."""
    if backend.name != "wireguard-go":
        pytest.skip("the others move a link that they made in the hub's namespace")
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as ours:
        ours.bind((0, rtnl.RTMGRP_LINK))
        plane.apply(desired)
        # The last one heard of.
        with RouteSocket() as netlink:
            netlink.add_link("mwlast", "bridge")
            netlink.delete_link(socket.if_nametoindex("mwlast"))
        heard = b""
        while b"mwlast" not in heard:
            heard += ours.recv(65536)
    assert names.of(desired.organization).link.encode() not in heard


def status_of(pid: int) -> dict[str, str]:
    """Reads /proc/PID/status (proc(5))."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def groups_heard(pid: int) -> set[int]:
    """Lists the netlink groups that the process's sockets have joined in its network namespace."""
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
        """Replaces `by_link`."""
        self.looks.append(len(self.served))
        return {link: pid for pid, link in self.served.items()}


def test_hundreds_of_processes_are_found_by_one_search() -> None:
    hundreds = Hundreds()
    served, found = hundreds.served, Processes(hundreds.look, hundreds.served.get)
    assert [found.serving(link) for link in served.values()] == list(served)
    assert len(hundreds.looks) == 1
    # Another process has its number meanwhile, and another one serves the link.
    served[7], served[1007] = "something else", "mw7"
    assert found.serving("mw7") == 1007
    assert found.serving("mw8") == 8
    del served[8]
    assert found.serving("mw8") is None


def test_hundreds_of_processes_are_ended_after_one_search(monkeypatch: pytest.MonkeyPatch) -> None:
    hundreds = Hundreds()
    served, found = hundreds.served, Processes(hundreds.look, hundreds.served.get)
    ended: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, _signal: ended.append(pid))
    # One has ended by itself since the look.
    found.serving("mw1")
    del served[7]
    for pid in range(1, 301):
        found.end(f"mw{pid}")
    assert ended == list(served)
    assert len(hundreds.looks) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone starts processes of others")
@pytest.mark.parametrize(("uid", "is_one"), [(0, True), (processes.FIRST_UID + 20_000, True), (64217, False)])
def test_a_foreign_process_is_not_taken_for_wireguard(uid: int, is_one: bool) -> None:
    """Names a process like WireGuard's: the hub must neither watch nor end it."""
    if not privileges.is_mapped(uid):
        pytest.skip("this user namespace has no such user")
    link = "mwabcdefghijklm"
    command = [processes.WIREGUARD_GO, "-c", "read line", link]
    with subprocess.Popen(
        command, executable="/bin/sh", user=uid, group=uid, stdin=subprocess.PIPE, cwd="/"
    ) as process:
        try:
            assert (processes.by_link().get(link) == process.pid) == is_one
        finally:
            process.kill()
