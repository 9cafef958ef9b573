from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from scapy.layers.inet import IP
from scapy.layers.inet6 import ICMPv6ND_NS

from netlab import (
    Capture,
    CommandFailed,
    CommandTimedOut,
    InvalidName,
    Lab,
    NamespaceHost,
    NothingArrived,
    UdpEcho,
    udp_probe,
)
from netlab.namespaces import Identity, processes_in
from netlab.topologies import Gated, Pair
from tests.waiting import DEADLINE


def test_hosts_reach_each_other_over_a_switch(pair: Pair) -> None:
    began = time.monotonic()
    result = pair.mumbai.ping("192.0.2.12", count=3, interval=0.01, timeout=DEADLINE)
    took = time.monotonic() - began
    assert result.received == result.sent == 3
    assert all(0 < seconds < took for seconds in result.round_trips)


def test_a_failed_ping_says_why(pair: Pair) -> None:
    silent = pair.mumbai.ping("192.0.2.99", timeout=0.1)
    assert (silent.sent, silent.received, silent.errors) == (1, 0, ())
    no_route = pair.mumbai.ping("198.51.100.1", timeout=0.1)
    assert (no_route.sent, len(no_route.errors)) == (0, 1)


def test_ping_counts_icmp_errors(gated: Gated) -> None:
    assert gated.left.ping("203.0.113.2", timeout=DEADLINE)
    gated.router.run("nft", "add rule inet gate forward reject with icmpx type admin-prohibited")
    result = gated.left.ping("203.0.113.2", timeout=DEADLINE)
    assert (result.received, result.unreachable) == (0, 1)


def test_routers_forward_and_hosts_don_t(lab: Lab) -> None:
    """Checks that forwarding does not depend on the setting of the machine."""
    settings = [f"/proc/sys/net/{name}" for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding")]
    assert lab.host("host").run("cat", *settings).stdout.split() == ["0", "0"]
    assert lab.router("router").run("cat", *settings).stdout.split() == ["1", "1"]


def test_ipv6_works_at_once(lab: Lab) -> None:
    """Waits less than a second, after which a second neighbour solicitation would follow."""
    switch, first = lab.switch("six"), lab.host("first")
    lab.connect(first, switch, "2001:db8::1/64")
    addresses = [f"2001:db8::{number:x}" for number in range(16, 26)]
    with Capture(first, "eth0", "ip6[40] == 135 and src host 2001:db8::1") as capture:
        for number, address in enumerate(addresses):
            lab.connect(lab.host(f"other-{number}"), switch, f"{address}/64")
            assert first.ping(address, timeout=DEADLINE)
        asked = [packet[ICMPv6ND_NS].tgt for packet in capture.packets()]
    assert [each for each in asked if each in addresses] == addresses


def test_a_host_has_several_links_and_addresses(lab: Lab) -> None:
    lan, dmz = lab.switch("lan"), lab.switch("dmz")
    first, second = lab.host("first"), lab.host("second")
    for number, host in ((1, first), (2, second)):
        lab.connect(host, lan, f"192.0.2.{number}/24", f"2001:db8::{number}/64")
        assert lab.connect(host, dmz, f"198.51.100.{number}/24").interface == "eth1"
    assert first.addresses("eth0") == ["192.0.2.1/24", "2001:db8::1/64"]
    assert first.addresses() == ["192.0.2.1/24", "2001:db8::1/64", "198.51.100.1/24"]
    for address in ("192.0.2.2", "2001:db8::2", "198.51.100.2"):
        assert first.ping(address, count=2, interval=0.05)
    with Capture(second, "eth1", "icmp") as capture:
        assert first.ping("198.51.100.2")
        assert len(capture.packets()) == 2


def test_a_router_translates_addresses(lab: Lab) -> None:
    home, internet = lab.switch("home"), lab.switch("internet")
    laptop, router, server = lab.host("laptop"), lab.router("router", masquerade="eth1"), lab.host("server")
    lab.connect(laptop, home, "10.0.0.2/24")
    lab.connect(router, home, "10.0.0.1/24")
    lab.connect(router, internet, "203.0.113.1/24")
    lab.connect(server, internet, "203.0.113.9/24")
    laptop.route("default", via="10.0.0.1")
    with UdpEcho(server, 7), Capture(server, "eth0", "udp port 7") as capture:
        assert udp_probe(laptop, "203.0.113.9", 7) is not None
        assert {packet[IP].src for packet in capture.packets()} == {"203.0.113.1", "203.0.113.9"}
    # The other way round there is nothing to translate, and no route.
    assert not server.ping("10.0.0.2", timeout=0.1)


def test_labs_of_equal_names_and_addresses_coexist(lab: Lab) -> None:
    with Lab() as other:
        for one in (lab, other):
            switch = one.switch("lan")
            for number in (1, 2):
                one.connect(one.host(f"host-{number}"), switch, f"192.0.2.{number}/24")
        other.hosts["host-2"].run("ip", "link", "set", "eth0", "down")
        assert lab.hosts["host-1"].ping("192.0.2.2")
        assert not other.hosts["host-1"].ping("192.0.2.2", timeout=0.1)


def test_a_cable_that_is_plugged_in_carries_packets(lab: Lab) -> None:
    switch = lab.switch("lan")
    for number in range(1, 21):
        cable = lab.connect(lab.host(f"host-{number}"), switch, f"192.0.2.{number}/24")
        assert lab.netlink.is_running(cable.port)
        cable.down()
        cable.up()
        assert lab.netlink.is_running(cable.port)


def test_an_unplugged_cable_stops_all_packets(lab: Lab) -> None:
    switch = lab.switch("lan")
    first, second = lab.host("first"), lab.host("second")
    lab.connect(first, switch, "192.0.2.1/24")
    cable = lab.connect(second, switch, "192.0.2.2/24")
    assert first.ping("192.0.2.2")
    cable.down()
    assert not first.ping("192.0.2.2", timeout=0.1)
    assert second.addresses() == ["192.0.2.2/24"]
    cable.up()
    assert first.ping("192.0.2.2", count=20, interval=0.05)


def interfaces_here() -> set[str]:
    return {entry.name for entry in Path("/proc/sys/net/ipv4/conf").iterdir()}


def test_a_caller_that_joined_leaves_no_link_behind() -> None:
    before = interfaces_here()
    with Lab() as lab:
        switch = lab.switch("lan")
        host = lab.host("first")
        lab.connect(host, switch, "192.0.2.1/24")
        link = lab.connect_here(switch, "192.0.2.250/24")
        assert link.interface in interfaces_here()
        server = host.socket(socket.AF_INET, socket.SOCK_STREAM)
        server.bind(("192.0.2.1", 80))
        server.listen()
        # On a busy machine a first frame on a new cable was seen to get lost, and TCP asks again after a second.
        socket.create_connection(("192.0.2.1", 80), timeout=DEADLINE).close()
        server.close()
    assert interfaces_here() == before


def test_hosts_share_the_names_of_the_lab(pair: Pair) -> None:
    pair.lab.name("vpn.example.net", "192.0.2.12")
    assert pair.mumbai.run("getent", "hosts", "vpn.example.net").stdout.split()[0] == "192.0.2.12"


def test_network_namespaces_by_name_work_and_stay_private(pair: Pair) -> None:
    for host in (pair.mumbai, pair.pune):
        host.run("ip", "netns", "add", "inner")
        assert host.run("ip", "netns", "exec", "inner", "hostname").stdout.strip() == host.name
    pair.mumbai.run("ip", "netns", "delete", "inner")
    assert pair.pune.run("ip", "netns").stdout.strip() == "inner"
    assert pair.mumbai.run("ip", "netns").stdout == ""


def test_the_folder_of_a_host_is_the_same_everywhere(pair: Pair) -> None:
    pair.mumbai.run("sh", "-c", f"echo here > {pair.mumbai.folder}/note")
    assert (pair.mumbai.folder / "note").read_text() == "here\n"
    assert pair.pune.run("cat", pair.mumbai.folder / "note").stdout == "here\n"


def test_run_returns_status_and_output(pair: Pair) -> None:
    done = pair.mumbai.run("sh", "-c", "cat; echo $WORD >&2; exit 3", input="in", env={"WORD": "out"}, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "in", "out\n")
    assert Path(pair.mumbai.run("pwd").stdout.strip()) == Path.cwd()


def test_a_failed_command_s_error_has_its_facts(pair: Pair) -> None:
    with pytest.raises(CommandFailed) as raised:
        pair.mumbai.run("sh", "-c", "echo no >&2; exit 3")
    error = raised.value
    assert (error.host, error.argv[0], error.returncode, error.stderr) == ("mumbai", "sh", 3, "no\n")
    with pytest.raises(CommandFailed, match="no-such-program"):
        pair.mumbai.run("no-such-program")


def test_a_command_is_killed_at_its_deadline_with_its_children(pair: Pair) -> None:
    before = set(pair.mumbai.processes())
    with pytest.raises(CommandTimedOut) as raised:
        pair.mumbai.run("sh", "-c", "echo begun; sleep 100 & sleep 100", timeout=0.2)
    assert raised.value.stdout == "begun\n"
    assert set(pair.mumbai.processes()) == before


def test_a_started_program_is_logged_and_stopped(pair: Pair) -> None:
    process = pair.mumbai.start("sh", "-c", "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.01; done")
    process.wait_for_log("up", DEADLINE)
    assert process.poll() is None
    assert process.stop() == 5
    assert process.log_text().startswith("up\n")
    assert process.log_text().endswith("bye\n")
    with pytest.raises(NothingArrived):
        pair.mumbai.start("true", log="quiet").wait_for_log("never", DEADLINE)


@pytest.fixture
def mumbai(pair: Pair) -> NamespaceHost:
    assert isinstance(pair.mumbai, NamespaceHost)
    return pair.mumbai


def test_a_function_runs_on_as_a_process(mumbai: NamespaceHost) -> None:
    words = ["loaded", "here"]

    def body() -> None:
        print(*words, os.environ["WORD"], Path("/proc/self/comm").read_text().strip(), flush=True)
        print(len(list(Path("/proc/self/fd").iterdir())), Path("/proc/self/ns/net").readlink(), flush=True)
        signal.pause()

    network = mumbai.in_network(lambda: Path("/proc/thread-self/ns/net").readlink())
    process = mumbai.fork(body, "forked", log="forked", env={"WORD": "again"})
    # Standard streams, and the folder that is being listed.
    process.wait_for_log(f"loaded here again forked\n4 {network}\n", DEADLINE)
    assert process.pid in mumbai.processes()
    assert process.stop() == -signal.SIGTERM


@pytest.mark.parametrize(("code", "status", "said"), [(5, 5, ""), ("why", 1, "why"), (None, 0, "")])
def test_a_forked_function_ends_as_a_program(mumbai: NamespaceHost, code: object, status: int, said: str) -> None:
    def body() -> None:
        raise SystemExit(code)

    process = mumbai.fork(body, "forked", log=f"ends-{code}")
    assert process.wait(2.0) == status
    assert process.log_text().strip() == said


def test_an_exception_of_a_forked_function_is_in_its_log(mumbai: NamespaceHost) -> None:
    words: dict[str, str] = {}
    process = mumbai.fork(lambda: words["absent"], "forked", log="raises")
    assert process.wait(2.0) == 1
    assert process.log_text().endswith("KeyError: 'absent'\n")


def test_a_program_outlives_the_thread_that_started_it(pair: Pair) -> None:
    started = []
    thread = threading.Thread(target=lambda: started.append(pair.mumbai.start("sleep", "100")))
    thread.start()
    thread.join()
    with pytest.raises(NothingArrived):
        started[0].wait(0.05)


def test_work_in_a_host_s_network_leaves_the_caller_in_its_own(pair: Pair) -> None:
    own = Path("/proc/thread-self/ns/net").readlink()
    inside = pair.mumbai.in_network(lambda: Path("/proc/thread-self/ns/net").readlink())
    assert inside != own
    assert Path("/proc/thread-self/ns/net").readlink() == own
    with pytest.raises(ZeroDivisionError):
        pair.mumbai.in_network(lambda: 1 // 0)


def test_a_host_can_open_a_shell(pair: Pair) -> None:
    done = subprocess.run([*pair.mumbai.shell_command(), "-c", "hostname"], capture_output=True, text=True, check=True)
    assert done.stdout == "mumbai\n"


def test_bad_and_repeated_names_are_refused(lab: Lab) -> None:
    for name in ("", "a b", "../x", "-a", "A", "x" * 64):
        with pytest.raises(InvalidName):
            lab.host(name)
    lab.host("once")
    with pytest.raises(InvalidName):
        lab.host("once")


def test_a_lab_looks_for_processes_of_all_hosts_together(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, listdir = [], os.listdir

    def noted(path: str = ".") -> list[str]:
        looks.append(path)
        return listdir(path)

    with Lab() as lab:
        for number in range(5):
            lab.host(f"host{number}")
        monkeypatch.setattr(os, "listdir", noted)
    assert looks.count("/proc") == 1


def fill_and_fail(found: list[tuple[Identity, Path]]) -> None:
    with Lab() as lab:
        host = lab.host("first")
        found.append((host.namespaces.identity, lab.folder))
        host.run("sh", "-c", "setsid sleep 100 >/dev/null 2>&1 &")
        host.run("sh", "-c", "ip netns add deep && ip netns exec deep setsid sleep 100 >/dev/null 2>&1 &")
        host.start("sh", "-c", "trap '' TERM; sleep 100; sleep 100")
        assert len(host.processes()) >= 3
        raise KeyError


def test_a_lab_whose_body_raises_leaves_nothing() -> None:
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    found: list[tuple[Identity, Path]] = []
    with pytest.raises(KeyError):
        fill_and_fail(found)
    ((identity, folder),) = found
    assert processes_in(identity) == []
    assert not folder.exists()
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_a_lab_of_many_hosts_works(lab: Lab) -> None:
    switch = lab.switch("lan")
    for number in range(1, 41):
        lab.connect(lab.host(f"host-{number}"), switch, f"192.0.2.{number}/24")
    assert lab.hosts["host-1"].ping("192.0.2.40")
