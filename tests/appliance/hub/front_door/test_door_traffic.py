"""The front door with real WireGuard on both sides."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import pytest
from scapy.layers.inet import IP, UDP

from appliance.hub.front_door import DoorRepair, DoorSockets, FrontDoor, PortTaken, is_free
from appliance.hub.front_door.table import known_port
from appliance.hub.names import Names
from appliance.model.keys import new_key_pair
from harness.hostile.front_door import BETWEEN_HANDSHAKES_S
from harness.wire.noiseclient import NoiseClient
from netlab import Capture, PingResult
from tests.appliance.hub.front_door.attacks import answer_to, frag_needed, initiation, message, send
from tests.appliance.hub.front_door.world import HUB4, HUB6, HUB_INSIDE, PORT, Machine, Organization, World
from tests.waiting import DEADLINE, wait_until


@contextmanager
def pinging(machine: Machine, count: int) -> Iterator[list[PingResult]]:
    """Pings every 5 ms through the tunnel; the result is complete when the block has ended."""
    results: list[PingResult] = []

    def body() -> None:
        results.append(machine.host.ping(HUB_INSIDE, count=count, timeout=DEADLINE, interval=0.005))

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    yield results
    thread.join()


@pytest.mark.parametrize("hub", [HUB4, HUB6])
def test_organizations_with_the_same_addresses_share_one_port(world: World, door: FrontDoor, hub: str) -> None:
    first, second = world.organizations
    machines = [world.machine(organization, number, hub) for number, organization in ((17, first), (18, second))]
    for machine, end in zip(machines, ("11:", "12:") if hub == HUB6 else ("17:", "18:"), strict=True):
        assert machine.reaches_the_hub(DEADLINE)
        # WireGuard sees the machine's own address, not the demultiplexer's.
        assert end in world.endpoint(machine).replace("]", "")
    assert door.counters().demultiplexed == 2


@pytest.mark.parametrize("other", ["192.0.2.2", "2001:db8::2"])
def test_the_hub_answers_from_the_address_that_was_asked(world: World, door: FrontDoor, other: str) -> None:
    del door
    world.hub.run("ip", "address", "add", f"{other}/{64 if ':' in other else 24}", "dev", "eth0", "nodad")
    machine = world.machine(world.organizations[0], 11, other)
    with Capture(machine.host, "eth0", f"udp and src port {PORT}") as capture:
        assert machine.reaches_the_hub(DEADLINE, count=2)
    assert {packet.payload.src for packet in capture.packets()} == {other}


def test_an_answer_comes_from_the_address_that_the_machine_used(world: World, door: FrontDoor) -> None:
    """Asks two addresses from one source: the kernel's WireGuard forgets which, so the door has to remember."""
    other, keys, port = "192.0.2.2", new_key_pair(), 23001
    world.hub.run("ip", "address", "add", f"{other}/24", "dev", "eth0")
    door.admit("forgetful", keys.public, port)
    client, asked = world.host(11), {other: keys.public, HUB4: world.organizations[0].keys.public}
    with (
        world.hub.socket(socket.AF_INET, socket.SOCK_DGRAM) as link,
        client.socket(socket.AF_INET, socket.SOCK_DGRAM) as machine,
    ):
        link.bind(("", port))
        for each in (link, machine):
            each.settimeout(DEADLINE)
        for address, public_key in asked.items():
            machine.sendto(initiation(public_key), (address, PORT))
        wait_until(lambda: door.counters().demultiplexed == 2)
        asked_first, source = link.recvfrom(2048)
        for datagram in (answer_to(asked_first), message(3), message(1)):
            link.sendto(datagram, source)
            assert machine.recvfrom(2048)[1] == (other, PORT)


@pytest.mark.parametrize("hub", [HUB4, HUB6])
def test_a_machine_behind_another_link_is_answered_there(world: World, door: FrontDoor, hub: str) -> None:
    del door
    apart, host = world.lab.switch("apart"), world.lab.host("apart")
    inside = world.lab.connect(world.hub, apart, "198.51.100.1/24").interface
    outside = world.lab.connect(host, apart, "198.51.100.2/24").interface
    for of, interface, end in ((world.hub, inside, 1), (host, outside, 2)):
        of.run("ip", "address", "add", f"2001:db8:1::{end}/64", "dev", interface, "nodad")
    host.run("ip", "route", "add", "192.0.2.0/24", "via", "198.51.100.1")
    host.run("ip", "route", "add", "2001:db8::/64", "via", "2001:db8:1::1")
    machine = world.client(world.organizations[0], host, 11, hub)
    with Capture(host, outside, f"udp and src port {PORT}") as capture:
        assert machine.reaches_the_hub(DEADLINE, count=2)
    assert {packet.payload.src for packet in capture.packets()} == {hub}


@pytest.mark.parametrize("hub", [HUB4, HUB6])
def test_a_machine_that_moves_goes_on_without_a_handshake(world: World, door: FrontDoor, hub: str) -> None:
    machine = world.machine(world.organizations[0], 11, hub)
    assert machine.reaches_the_hub(DEADLINE)
    before = world.endpoint(machine)
    machine.host.run("wg", "set", machine.tunnel.interface, "listen-port", "40404")
    assert machine.reaches_the_hub()
    after = world.endpoint(machine)
    assert after != before
    assert after.endswith(":40404")
    machine.host.run("ip", "address", "flush", "dev", "eth0", "scope", "global")
    machine.host.run("ip", "address", "add", "192.0.2.77/24", "dev", "eth0")
    machine.host.run("ip", "address", "add", "2001:db8::77/64", "dev", "eth0", "nodad")
    # wireguard-go clings to the address that it sent from before, until its socket is another one.
    machine.host.run("wg", "set", machine.tunnel.interface, "listen-port", "40405")
    assert machine.reaches_the_hub()
    assert "77" in world.endpoint(machine)
    assert door.counters().demultiplexed == 1


@pytest.mark.parametrize("hub", [HUB4, HUB6])
def test_the_session_before_a_renewed_handshake_goes_on(world: World, door: FrontDoor, hub: str) -> None:
    """One socket has three sessions: two of a machine that renewed its handshake, and another organization's, which is
    the last that the door learnt of this source. Each index leads to its own link.
    """
    del door
    host, keys = world.host(11), new_key_pair()
    texts = [configuration(world, each, keys.private, keys.public) for each in world.organizations]
    with NoiseClient(host, texts[0], hub, 5.0) as old:
        old.shake_hands()
        old.ping(HUB_INSIDE)
        renewed, other = old.beside(), old.beside(texts[1])
        for each in (renewed, other):
            # WireGuard takes handshakes of one machine that follow each other sooner for a flood.
            time.sleep(BETWEEN_HANDSHAKES_S)
            each.shake_hands()
            each.ping(HUB_INSIDE)
        assert old.hub_index != renewed.hub_index
        received = received_bytes(world)
        for _ in range(3):
            old.ping(HUB_INSIDE, answered_in=renewed)
            renewed.ping(HUB_INSIDE)
        first, second = received_bytes(world)
        assert first > received[0]
        assert second == received[1]
        other.ping(HUB_INSIDE)
        assert received_bytes(world)[0] == first


def configuration(world: World, organization: Organization, private_key: str, public_key: str) -> str:
    """Adds a machine to the organization's link; returns its wg-quick configuration."""
    world.wg(organization, "set", organization.id, "peer", public_key, "allowed-ips", "10.100.0.11/32")
    return (
        f"[Interface]\nPrivateKey = {private_key}\nAddress = 10.100.0.11/16\n"
        f"[Peer]\nPublicKey = {organization.keys.public}\nEndpoint = hub:{PORT}\n"
    )


def received_bytes(world: World) -> list[int]:
    """Returns the bytes that each organization's link received from its only machine."""
    return [int(world.wg(each, "show", each.id, "transfer").split()[1]) for each in world.organizations]


def test_one_client_can_belong_to_two_organizations(world: World, door: FrontDoor) -> None:
    """Connects one source to two links, which only the session's index can tell apart."""
    first, second = world.organizations
    machine = world.machine(first, 11)
    world.wg(second, "set", second.id, "peer", machine.keys.public, "allowed-ips", "10.100.0.11/32")
    machine.host.run(
        "wg", "set", machine.tunnel.interface, "peer", second.keys.public, "endpoint", f"{HUB4}:{PORT}",
        "allowed-ips", "10.200.0.0/16",
    )  # fmt: skip
    machine.host.run("ip", "route", "add", "10.200.0.0/16", "dev", machine.tunnel.interface)
    world.hub.run("ip", "-netns", second.id, "address", "add", "10.200.0.1/32", "dev", "lo")
    world.hub.run("ip", "-netns", second.id, "link", "set", "lo", "up")
    assert machine.reaches_the_hub(DEADLINE)
    for _ in range(3):
        assert machine.host.ping("10.200.0.1", timeout=DEADLINE)
        assert machine.reaches_the_hub()
    assert door.counters().sessionless == 0


def test_a_client_on_the_hub_itself_gets_through(world: World, door: FrontDoor) -> None:
    machine = world.client(world.organizations[0], world.hub, 11)
    machine.tunnel.wait_for_handshake(DEADLINE)
    with Capture(machine.host, "lo", f"udp and port {PORT}") as capture:
        machine.host.ping("10.100.0.200", timeout=0.1)
    assert machine.tunnel.peers()[0].rx_bytes > 0
    assert any(PORT in (packet[UDP].sport, packet[UDP].dport) for packet in capture.packets())
    assert door.counters().sessionless == 0


def test_packets_from_outside_never_reach_an_inner_port(world: World, door: FrontDoor) -> None:
    organization, stranger = world.organizations[0], world.host(66)
    desk = world.hub.in_network(lambda: known_port(world.names.door))
    with Capture(world.hub, "lo", "udp") as capture:
        for port in (organization.inner_port, desk):
            send(stranger, [initiation(organization.keys.public)], port=port)
        send(stranger, [initiation(organization.keys.public)])
        wait_until(lambda: door.counters().demultiplexed == 1)
    assert [packet[UDP].dport for packet in capture.packets()] == [organization.inner_port]
    assert door.counters().closed == 2


def test_a_forwarded_packet_to_the_same_port_stays_unchanged(world: World, door: FrontDoor) -> None:
    """Routes for hosts behind the hub's, which may have a WireGuard of their own."""
    inside, behind = world.lab.host("inside"), world.lab.switch("behind")
    world.lab.connect(world.hub, behind, "198.51.100.1/24")
    world.lab.connect(inside, behind, "198.51.100.2/24")
    inside.route("default", via="198.51.100.1")
    world.hub.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    outside = world.host(66)
    outside.route("198.51.100.0/24", via=HUB4)
    for port in (PORT, world.organizations[0].inner_port):
        with inside.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(DEADLINE)
            sock.bind(("", port))
            send(outside, [initiation()], port=port, to="198.51.100.2")
            assert len(sock.recv(2048)) == 148
    counters = door.counters()
    assert (counters.unknown_key, counters.closed, counters.malformed) == (0, 0, 0)


def test_a_restart_loses_no_packet(world: World, door: FrontDoor) -> None:
    machine = world.machine(world.organizations[0], 11)
    assert machine.reaches_the_hub(DEADLINE)
    repairs = []
    with pinging(machine, 200) as results:
        for _ in range(3):
            door.close()
            door = FrontDoor(world.names, PORT)
            repairs.append(world.open(door))
    door.close()
    assert repairs == [DoorRepair.NONE] * 3
    assert results[0].received == results[0].sent == 200


def test_an_initiation_waits_for_the_next_process(world: World, door: FrontDoor) -> None:
    door.close()
    held = world.hub.in_network(lambda: DoorSockets.open(PORT))
    heir = FrontDoor(world.names, PORT, DoorSockets.adopt([os.dup(each) for each in held.descriptors()]))
    try:
        with world.answering_the_first_initiation(11):
            machine = world.machine(world.organizations[0], 11)
            world.open(heir)
            machine.tunnel.wait_for_handshake(DEADLINE)
        assert machine.reaches_the_hub()
    finally:
        heir.close()
        held.close()


def test_packets_to_a_dismissed_organization_are_dropped(world: World, door: FrontDoor) -> None:
    first, second = world.organizations
    one, two = world.machine(first, 11), world.machine(second, 12)
    assert one.reaches_the_hub(DEADLINE)
    assert two.reaches_the_hub(DEADLINE)
    door.dismiss(first.id)
    door.dismiss(first.id)
    assert not one.reaches_the_hub(0.2)
    assert two.reaches_the_hub()
    assert door.counters().dismissed > 0
    door.admit(first.id, first.keys.public, first.inner_port)
    assert one.reaches_the_hub()


def test_a_restart_dismisses_organizations_it_does_not_admit(world: World, door: FrontDoor) -> None:
    one = world.machine(world.organizations.pop(0), 11)
    assert one.reaches_the_hub(DEADLINE)
    door.close()
    assert one.reaches_the_hub()
    successor = world.door()
    assert not one.reaches_the_hub(0.2)
    successor.close()


def test_two_instances_share_a_host(world: World, door: FrontDoor) -> None:
    machine = world.machine(world.organizations[0], 11)
    assert machine.reaches_the_hub(DEADLINE)
    other = FrontDoor(Names("zzz"), PORT + 1)
    world.hub.in_network(other.open)
    other.admit("other", new_key_pair().public, 61000)
    other.settle()
    assert machine.reaches_the_hub()
    other.close()
    world.hub.in_network(other.remove)
    assert "zzzdoor" not in world.hub.run("nft", "list", "tables").stdout
    assert machine.reaches_the_hub()
    assert door.restore() is DoorRepair.NONE


@pytest.mark.parametrize("other", ["192.0.2.2", HUB6])
def test_doors_of_one_port_share_a_host(world: World, other: str) -> None:
    """Opens the doors before the host has their addresses, as a hub does that becomes the owner of a shard."""
    world.hub.run("ip", "address", "del", f"{HUB4}/24", "dev", "eth0")
    world.hub.run("ip", "-6", "address", "del", f"{HUB6}/64", "dev", "eth0")
    machines, doors = [], []
    for number, address in enumerate((HUB4, other), 11):
        organization = world.organization()
        door = FrontDoor(Names(f"zz{number}"[-3:]), PORT, address=ip_address(address))
        world.hub.in_network(door.open)
        door.admit(organization.id, organization.keys.public, organization.inner_port)
        door.settle()
        doors.append(door)
        length, options = ("64", ["nodad"]) if ":" in address else ("24", [])
        world.hub.run("ip", "address", "add", f"{address}/{length}", "dev", "eth0", *options)
        machines.append(world.machine(organization, number, address))
    for machine in machines:
        machine.tunnel.wait_for_handshake(DEADLINE)
        assert machine.reaches_the_hub(DEADLINE)
    assert all(door.counters().demultiplexed for door in doors)
    for door in doors:
        door.close()


def test_a_taken_port_is_reported(world: World, door: FrontDoor) -> None:
    assert not world.hub.in_network(lambda: is_free(PORT))
    second = FrontDoor(Names("zzz"), PORT)
    with pytest.raises(PortTaken):
        world.hub.in_network(second.open)
    assert "zzzdoor" not in world.hub.run("nft", "list", "tables").stdout
    door.close()
    assert world.hub.in_network(lambda: is_free(PORT))


def test_large_packets_in_fragments_get_through(world: World, door: FrontDoor) -> None:
    """Fragments packets on the way; they are reassembled behind the door, which rewrites the first fragment only."""
    machine = world.machine(world.organizations[0], 11)
    assert machine.reaches_the_hub(DEADLINE)
    # Each side splits what it sends; the switch between them would carry it whole.
    for host in (machine.host, world.hub):
        host.run("ip", "link", "set", "eth0", "mtu", "1280")
    assert machine.host.ping(HUB_INSIDE, size=1372, timeout=DEADLINE)
    assert door.counters().sessionless == 0


def test_a_path_with_a_smaller_mtu_is_noticed(world: World, door: FrontDoor) -> None:
    """Sends an ICMP error about the public port, whose quoted packet another socket sent."""
    machine = world.machine(world.organizations[0], 11)
    assert machine.reaches_the_hub(DEADLINE)
    with Capture(world.hub, "eth0", "udp and dst host 192.0.2.11") as capture:
        machine.reaches_the_hub()
    (answer, *_) = capture.packets()
    assert answer[UDP].sport == PORT
    frag_needed(machine.host, answer[IP].dst, answer[UDP].dport, 1300)
    wait_until(lambda: "mtu 1300" in world.hub.run("ip", "route", "get", "192.0.2.11").stdout)
    assert machine.host.ping(HUB_INSIDE, size=1372, timeout=DEADLINE)
    assert machine.reaches_the_hub()
    del door
